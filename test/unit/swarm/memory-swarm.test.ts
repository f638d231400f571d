import { expect, test } from "vitest";
import { RangeSet } from "../../../src/core/byte-range.ts";
import { seededRandom } from "../../../src/core/clock.ts";
import { SwarmError } from "../../../src/swarm/errors.ts";
import { MemoryBundle, SampleContent } from "../../support/memory-bundle.ts";
import { type MemoryHost, type MemoryHostOptions, MemorySwarm } from "../../support/memory-swarm.ts";

const KIB = 1024;
/** 8 MiB in pieces of 64 KiB, and some odd lengths. */
const CONTENT = new SampleContent([5_000_000, 1, 65_536, 70_000, 3_000_000], 64 * KIB);
/** Its info dictionary has four blocks. */
const LARGE = new SampleContent([48 * 1024 * KIB], 16 * KIB);
const ALL = [...Array(CONTENT.layout.pieceCount).keys()];

function rawCopies(sentBytes: number): number {
  return sentBytes / CONTENT.dataBytes;
}

test.each([3, 5, 8])(
  "an origin and %i empty volunteers end exact with the origin sending at most 1.05 copies",
  async (count) => {
    const swarm = new MemorySwarm(count);
    const origin = swarm.add(MemoryBundle.seed(CONTENT), { isOrigin: true });
    const volunteers = Array.from({ length: count }, () => swarm.add(new MemoryBundle(CONTENT)));
    swarm.connectAll();
    await swarm.run(Promise.all(volunteers.map((v) => v.session.download(CONTENT.wanted(ALL)))));
    expect(volunteers.map((v) => v.bundle.held.isFull)).toEqual(volunteers.map(() => true));
    expect(volunteers.flatMap((v) => v.bundle.wrongPieces())).toEqual([]);
    expect(rawCopies(origin.end.link.sentBytes)).toBeLessThanOrEqual(1.05);
  },
);

test("volunteers whose disks pause for three seconds hardly cost the origin a second copy", async () => {
  const swarm = new MemorySwarm(11);
  const paused = new Promise<void>((resolve) => swarm.clock.schedule(3_000, resolve));
  class PausedBundle extends MemoryBundle {
    override async readBlock(piece: number, offset: number, length: number): Promise<Uint8Array | undefined> {
      await paused;
      return await super.readBlock(piece, offset, length);
    }
  }
  const link = { bytesPerSecond: 50_000_000 };
  const origin = swarm.add(MemoryBundle.seed(CONTENT), { ...link, isOrigin: true });
  const volunteers = [1, 2, 3].map(() => swarm.add(new PausedBundle(CONTENT), link));
  swarm.connectAll();
  await swarm.run(Promise.all(volunteers.map((v) => v.session.download(CONTENT.wanted(ALL)))));
  expect(volunteers.map((v) => v.bundle.held.isFull)).toEqual([true, true, true]);
  expect(rawCopies(origin.end.link.sentBytes)).toBeLessThan(1.4);
});

test("volunteers that want different ranges of the pieces end exact and ask for hardly more", async () => {
  const swarm = new MemorySwarm(7);
  const random = seededRandom(77);
  const origin = swarm.add(MemoryBundle.seed(CONTENT), { isOrigin: true });
  const volunteers = Array.from({ length: 4 }, () => swarm.add(new MemoryBundle(CONTENT)));
  swarm.connectAll();
  const wants = volunteers.map((volunteer) => {
    const wanted = new Map<number, RangeSet>();
    for (const piece of ALL) {
      const length = CONTENT.piece(piece).length;
      const start = Math.floor(random() * length);
      const end = Math.min(length, start + 1 + Math.floor(random() * 5000));
      volunteer.bundle.putBasis(piece, 0, CONTENT.piece(piece));
      volunteer.bundle.putBasis(piece, start, new Uint8Array(end - start));
      wanted.set(piece, RangeSet.of({ start, end }));
    }
    return wanted;
  });
  await swarm.run(Promise.all(volunteers.map((v, index) => v.session.download(wants[index]!))));
  expect(volunteers.map((v) => v.bundle.held.isFull)).toEqual([true, true, true, true]);
  expect(volunteers.flatMap((v) => v.bundle.wrongPieces())).toEqual([]);
  const wantedBytes = wants.flatMap((wanted) => [...wanted.values()]).reduce((sum, set) => sum + set.totalBytes, 0);
  const moved = [origin, ...volunteers].reduce((sum, host) => sum + host.end.link.sentBytes, 0);
  expect(moved).toBeLessThan(wantedBytes * 1.1 + 4 * ALL.length * 120);
});

test("one mirror alone takes the origin's whole link", async () => {
  const swarm = new MemorySwarm(1);
  const origin = swarm.add(MemoryBundle.seed(CONTENT), { isOrigin: true });
  const alone = swarm.add(new MemoryBundle(CONTENT));
  swarm.connectAll();
  const seconds = await swarm.run(alone.session.download(CONTENT.wanted(ALL)));
  expect(seconds).toBeLessThan((CONTENT.dataBytes / origin.end.link.speed.upBytesPerSecond) * 1.05 + 0.1);
  expect(rawCopies(origin.end.link.sentBytes)).toBeLessThan(1.01);
});

test("a mirror among full ones takes next to nothing from the origin", async () => {
  const swarm = new MemorySwarm(2);
  const origin = swarm.add(MemoryBundle.seed(CONTENT), { isOrigin: true });
  swarm.add(MemoryBundle.seed(CONTENT));
  swarm.add(MemoryBundle.seed(CONTENT));
  const late = swarm.add(new MemoryBundle(CONTENT));
  swarm.connectAll();
  await swarm.run(late.session.download(CONTENT.wanted(ALL)));
  expect(late.bundle.wrongPieces()).toEqual([]);
  expect(rawCopies(origin.end.link.sentBytes)).toBeLessThan(0.01);
});

test("a slow peer that offers everything does not keep a mirror from the origin for long", async () => {
  const swarm = new MemorySwarm(13);
  swarm.add(MemoryBundle.seed(CONTENT), { isOrigin: true });
  swarm.add(MemoryBundle.seed(CONTENT), { bytesPerSecond: 100_000 });
  const mirror = swarm.add(new MemoryBundle(CONTENT));
  swarm.connectAll();
  const seconds = await swarm.run(mirror.session.download(CONTENT.wanted(ALL)));
  expect(mirror.bundle.wrongPieces()).toEqual([]);
  expect(seconds).toBeLessThan(10);
});

test("corrupt blocks never count, their sender is banned, the download ends exact", async () => {
  const swarm = new MemorySwarm(3);
  swarm.add(MemoryBundle.seed(CONTENT), { isOrigin: true });
  const liar = swarm.add(MemoryBundle.seed(CONTENT), {
    tamper: (bytes) => {
      bytes[0]! ^= 1;
      return bytes;
    },
  });
  const honest = [0, 1, 2].map(() => swarm.add(new MemoryBundle(CONTENT)));
  swarm.connectAll();
  await swarm.run(Promise.all(honest.map((v) => v.session.download(CONTENT.wanted(ALL)))));
  expect(honest.flatMap((v) => v.bundle.wrongPieces())).toEqual([]);
  expect(honest.map((v) => v.bundle.held.isFull)).toEqual([true, true, true]);
  expect(honest.map((v) => v.offences.isBanned(liar.end.peerId))).toEqual([true, true, true]);
  expect(Math.max(...honest.map((v) => v.bundle.mismatchCount))).toBeLessThan(25);
  const blamed = honest.flatMap((v) => swarm.hosts.filter((host) => v.offences.isBanned(host.end.peerId)));
  expect(new Set(blamed)).toEqual(new Set([liar]));
});

test("wrong basis bytes blame nobody and the piece is fetched whole", async () => {
  const swarm = new MemorySwarm(4);
  const seed = swarm.add(MemoryBundle.seed(CONTENT));
  const mirror = swarm.add(new MemoryBundle(CONTENT));
  swarm.connectAll();
  const wanted = new Map(ALL.slice(0, 20).map((piece) => [piece, RangeSet.of({ start: 100, end: 200 })]));
  await swarm.run(mirror.session.download(wanted));
  expect(mirror.bundle.mismatchCount).toBe(20);
  expect(mirror.bundle.held.count).toBe(20);
  expect(mirror.bundle.wrongPieces()).toEqual([]);
  expect(mirror.offences.isBanned(seed.end.peerId)).toBe(false);
});

test("a peer that vanishes half way costs nothing but its part", async () => {
  const swarm = new MemorySwarm(5);
  swarm.add(MemoryBundle.seed(CONTENT), { isOrigin: true });
  const fleeting = swarm.add(MemoryBundle.seed(CONTENT));
  const mirror = swarm.add(new MemoryBundle(CONTENT));
  swarm.connectAll();
  const done = mirror.session.download(CONTENT.wanted(ALL));
  await swarm.pass(1);
  fleeting.session.close("gone");
  await swarm.run(done, 10);
  expect(mirror.bundle.held.isFull).toBe(true);
  expect(mirror.bundle.wrongPieces()).toEqual([]);
});

test("a peer that never answers delays a download by seconds only", async () => {
  const swarm = new MemorySwarm(6);
  swarm.add(MemoryBundle.seed(CONTENT), { isOrigin: true });
  swarm.add(MemoryBundle.seed(CONTENT), { tamper: () => undefined });
  const mirror = swarm.add(new MemoryBundle(CONTENT));
  swarm.connectAll();
  const seconds = await swarm.run(mirror.session.download(CONTENT.wanted(ALL)));
  expect(mirror.bundle.wrongPieces()).toEqual([]);
  expect(mirror.bundle.held.isFull).toBe(true);
  expect(seconds).toBeLessThan(10);
});

test("without any source the download fails and says what lacks", async () => {
  const swarm = new MemorySwarm(8);
  swarm.add(new MemoryBundle(CONTENT, [0, 1, 2]));
  const mirror = swarm.add(new MemoryBundle(CONTENT), { patience: { noSourceMs: 5_000, noProgressMs: 20_000 } });
  swarm.connectAll();
  const failed = swarm.run(mirror.session.download(CONTENT.wanted([0, 1, 2, 3, 4])));
  await expect(failed).rejects.toThrow(/2 missing pieces \(3, 4\)/);
  await expect(failed).rejects.toBeInstanceOf(SwarmError);
  expect([...mirror.bundle.held]).toEqual([0, 1, 2]);
});

test("an aborted download rejects with the signal's reason and cancels what is open", async () => {
  const swarm = new MemorySwarm(9);
  const seed = swarm.add(MemoryBundle.seed(CONTENT));
  const mirror = swarm.add(new MemoryBundle(CONTENT));
  swarm.connectAll();
  const controller = new AbortController();
  const done = mirror.session.download(CONTENT.wanted(ALL), { signal: controller.signal });
  await swarm.pass(0.5);
  controller.abort(new Error("enough"));
  await expect(done).rejects.toThrow("enough");
  const sentBytes = seed.end.link.sentBytes;
  await swarm.pass(2);
  // Blocks that wait at the line are taken back: what had left already, of 2.8 s of the line that were left.
  expect(seed.end.link.sentBytes - sentBytes).toBeLessThan(100_000);
});

test("two halves make a whole: partial mirrors complete each other without an origin", async () => {
  const swarm = new MemorySwarm(10);
  const even = swarm.add(
    new MemoryBundle(
      CONTENT,
      ALL.filter((piece) => piece % 2 === 0),
    ),
  );
  const odd = swarm.add(
    new MemoryBundle(
      CONTENT,
      ALL.filter((piece) => piece % 2 === 1),
    ),
  );
  swarm.connectAll();
  await swarm.run(Promise.all([even, odd].map((host) => host.session.download(CONTENT.wanted(ALL)))));
  expect([even.bundle.held.isFull, odd.bundle.held.isFull]).toEqual([true, true]);
  expect([...even.bundle.wrongPieces(), ...odd.bundle.wrongPieces()]).toEqual([]);
});

test("a piece that was lost is withdrawn and comes from elsewhere", async () => {
  const swarm = new MemorySwarm(11);
  const forgetful = swarm.add(MemoryBundle.seed(CONTENT));
  for (const piece of ALL.slice(0, 40)) forgetful.bundle.lose(piece);
  swarm.add(MemoryBundle.seed(CONTENT), { isOrigin: true });
  const mirror = swarm.add(new MemoryBundle(CONTENT));
  swarm.connectAll();
  await swarm.run(mirror.session.download(CONTENT.wanted(ALL)), 20);
  expect(mirror.bundle.held.isFull).toBe(true);
  expect(mirror.bundle.wrongPieces()).toEqual([]);
  expect(forgetful.bundle.held.has(0)).toBe(false);
});

test("the info dictionary comes from a peer that has it and is checked", async () => {
  const swarm = new MemorySwarm(12);
  const metadataSizeBytes = CONTENT.infoDictionary.length;
  const without = swarm.add(MemoryBundle.seed(CONTENT), { metadataSizeBytes });
  without.bundle.hasInfoDictionary = false;
  swarm.add(MemoryBundle.seed(CONTENT), { metadataSizeBytes });
  const mirror = swarm.add(new MemoryBundle(CONTENT));
  swarm.connectAll();
  const fetched = mirror.session.fetchInfoDictionary(AbortSignal.timeout(30_000));
  await swarm.run(fetched);
  expect(Buffer.from(await fetched).equals(CONTENT.infoDictionary)).toBe(true);
});

/** What edge/ does: whoever lacks the dictionary fetches it and passes it on. */
async function fetchAndOffer({ session, bundle }: MemoryHost): Promise<Uint8Array> {
  const dictionary = await session.fetchInfoDictionary(AbortSignal.timeout(30_000), 3_000);
  bundle.hasInfoDictionary = true;
  session.offerInfoDictionary(dictionary.length);
  return dictionary;
}

function withoutDictionary(swarm: MemorySwarm, options: MemoryHostOptions = {}): MemoryHost {
  const host = swarm.add(new MemoryBundle(LARGE), options);
  host.bundle.hasInfoDictionary = false;
  return host;
}

function largeOrigin(swarm: MemorySwarm): MemoryHost {
  return swarm.add(MemoryBundle.seed(LARGE), { isOrigin: true, metadataSizeBytes: LARGE.infoDictionary.length });
}

function sentBy({ session }: MemoryHost): number {
  return [...session.peers].reduce((sum, { wire }) => sum + wire.sentBytes, 0) / LARGE.infoDictionary.length;
}

test("who gets the info dictionary offers it to peers that are connected already", async () => {
  const swarm = new MemorySwarm(13);
  const [first, second] = [withoutDictionary(swarm), withoutDictionary(swarm)];
  swarm.connect(first, second);
  const late = fetchAndOffer(second);
  await swarm.pass(1);
  swarm.connect(largeOrigin(swarm), first);
  await swarm.run(Promise.all([late, fetchAndOffer(first)]), 2);
  expect(Buffer.from(await late).equals(LARGE.infoDictionary)).toBe(true);
});

test("of many that lack the info dictionary few get it from the origin, and none waits long", async () => {
  const swarm = new MemorySwarm(14);
  const origin = largeOrigin(swarm);
  const mirrors = Array.from({ length: 20 }, () => withoutDictionary(swarm));
  swarm.connectAll();
  expect(await swarm.run(Promise.all(mirrors.map(fetchAndOffer)))).toBeLessThan(0.6);
  await swarm.pass(3);
  expect(sentBy(origin)).toBeLessThan(5);
});

test("who knows nobody else gets the info dictionary from the origin after its wait", async () => {
  const swarm = new MemorySwarm(15);
  const origin = largeOrigin(swarm);
  const mirrors = Array.from({ length: 8 }, () => withoutDictionary(swarm));
  for (const mirror of mirrors) swarm.connect(origin, mirror);
  const first = mirrors.slice(0, 4).map(fetchAndOffer);
  const others = mirrors.slice(4).map(fetchAndOffer);
  expect(await swarm.run(Promise.all(first))).toBeLessThan(0.2);
  expect(await swarm.run(Promise.all(others))).toBeLessThan(1.2);
});

test.each([
  ["says nothing", true],
  ["refuses", false],
])("a peer that offers the info dictionary and %s costs no more than the origin's wait", async (_, isSilent) => {
  const swarm = new MemorySwarm(16);
  const origin = largeOrigin(swarm);
  const liar = withoutDictionary(swarm, { metadataSizeBytes: LARGE.infoDictionary.length });
  if (isSilent) liar.bundle.infoDictionary = () => new Promise(() => undefined);
  const mirrors = Array.from({ length: 4 }, () => withoutDictionary(swarm));
  for (const mirror of mirrors) {
    swarm.connect(liar, mirror);
    swarm.connect(origin, mirror);
  }
  expect(await swarm.run(Promise.all(mirrors.map(fetchAndOffer)))).toBeLessThan(2);
  await swarm.pass(3);
  expect(sentBy(origin)).toBeLessThan(4.5);
});

test("a peer that drips the info dictionary keeps nobody from the origin", async () => {
  const swarm = new MemorySwarm(20);
  const origin = largeOrigin(swarm);
  const liar = swarm.add(new MemoryBundle(LARGE), { metadataSizeBytes: 16 * 1024 * KIB });
  const mirror = withoutDictionary(swarm);
  const [, toMirror] = swarm.connect(mirror, liar);
  const drip = (): void => {
    toMirror.sendMetadataBlock(drips++, 16 * 1024 * KIB, new Uint8Array(16 * KIB));
    swarm.clock.schedule(900, drip);
  };
  let drips = 0;
  const fetched = fetchAndOffer(mirror);
  drip();
  await swarm.pass(0.5);
  swarm.connect(mirror, origin);
  expect(await swarm.run(fetched)).toBeLessThan(3);
});

test("who asked two that say nothing, and then the origin, asks no more than one volunteer besides", async () => {
  const swarm = new MemorySwarm(21);
  const mirror = withoutDictionary(swarm);
  const silent = Array.from({ length: 6 }, () => {
    const host = withoutDictionary(swarm, { metadataSizeBytes: LARGE.infoDictionary.length });
    host.bundle.infoDictionary = () => new Promise(() => undefined);
    return host;
  });
  const asked = silent.map((host) => swarm.connect(mirror, host)[0]);
  const refused = expect(fetchAndOffer(mirror)).rejects.toMatchObject({ code: "no-source" });
  await swarm.run(refused);
  expect(asked.filter(({ sentBytes }) => sentBytes > 100)).toHaveLength(3);
});

test("one fetch of the info dictionary at a time, which ends with the session", async () => {
  const swarm = new MemorySwarm(22);
  const mirror = withoutDictionary(swarm);
  const first = expect(fetchAndOffer(mirror)).rejects.toMatchObject({ code: "no-source" });
  await expect(fetchAndOffer(mirror)).rejects.toMatchObject({ code: "busy" });
  mirror.session.close("shutting down");
  await first;
});

test("an info dictionary that nobody gives is given up after the silence", async () => {
  const swarm = new MemorySwarm(17);
  const [first, second] = [withoutDictionary(swarm), withoutDictionary(swarm)];
  swarm.connect(first, second);
  const fetched = fetchAndOffer(first);
  const refused = expect(fetched).rejects.toMatchObject({ code: "no-source" });
  const seconds = await swarm.run(refused);
  // Nobody was asked who may let us wait.
  expect(seconds).toBeGreaterThan(2.9);
  expect(seconds).toBeLessThan(3.3);
});

test("whoever offers the info dictionary is asked before the origin, and late comers hear of it", async () => {
  const swarm = new MemorySwarm(18);
  const origin = largeOrigin(swarm);
  const first = withoutDictionary(swarm);
  swarm.connect(origin, first);
  await swarm.run(fetchAndOffer(first));
  const sent = sentBy(origin);
  for (let comers = 0; comers < 6; comers++) {
    const late = withoutDictionary(swarm);
    swarm.connect(origin, late);
    swarm.connect(first, late);
    await swarm.pass(1);
    await swarm.run(fetchAndOffer(late));
  }
  expect(sentBy(origin) - sent).toBeLessThan(0.1);
});

test("a stock client, which can't say that it found the info dictionary elsewhere, waits for no turn", async () => {
  const swarm = new MemorySwarm(23);
  const origin = largeOrigin(swarm);
  const mirrors = Array.from({ length: 8 }, () => withoutDictionary(swarm));
  for (const mirror of mirrors) swarm.connect(origin, mirror);
  const others = Promise.all(mirrors.map(fetchAndOffer));
  const stock = withoutDictionary(swarm, { isStockClient: true });
  swarm.connect(origin, stock);
  expect(await swarm.run(stock.session.fetchInfoDictionary(AbortSignal.timeout(30_000)))).toBeLessThan(0.3);
  await swarm.run(others);
});

test("a block of the info dictionary that is asked for twice while it waits is given once", async () => {
  const swarm = new MemorySwarm(19);
  const origin = largeOrigin(swarm);
  const mirrors = Array.from({ length: 5 }, () => withoutDictionary(swarm));
  const wires = mirrors.map((mirror) => swarm.connect(mirror, origin)[0]);
  // Four are served at once.
  for (const wire of [...wires, wires[4]!, wires[4]!, wires[4]!]) wire.sendMetadataRequest(0);
  await swarm.pass(2);
  const blocks = (sentBy(origin) * LARGE.infoDictionary.length) / (16 * KIB);
  expect(Math.floor(blocks)).toBe(5);
});
