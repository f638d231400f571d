import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { MemoryBundle, SampleContent } from "../../support/memory-bundle.ts";
import { SwarmTown } from "../../support/swarm-program.ts";
import { handshakeBytes } from "../../support/wire-frames.ts";

const MIB = 2 ** 20;
const CONTENT = new SampleContent([20 * MIB + 5, 1, 12 * MIB - 70_000, 65_536], 64 * 1024, 3);
const SMALL = new SampleContent([700_000, 3], 64 * 1024, 4);
const ALL = [...Array(CONTENT.layout.pieceCount).keys()];
const SMALL_ALL = [...Array(SMALL.layout.pieceCount).keys()];

test("an origin and three volunteers end exact over real sockets, the origin sends little more than one copy", async () => {
  const town = new SwarmTown();
  await using origin = await town.open([MemoryBundle.seed(CONTENT)], { isOrigin: true });
  const bundles = [0, 1, 2].map(() => new MemoryBundle(CONTENT));
  await using first = await town.open([bundles[0]!]);
  await using second = await town.open([bundles[1]!]);
  await using third = await town.open([bundles[2]!]);
  const programs = [first, second, third];
  for (const { node } of programs) node.setPeers([origin.known, ...programs.map(({ known }) => known)]);
  await Promise.all(programs.map(({ node }, index) => node.download(bundles[index]!, CONTENT.wanted(ALL))));
  expect(bundles.map((bundle) => bundle.held.isFull)).toEqual([true, true, true]);
  expect(bundles.flatMap((bundle) => bundle.wrongPieces())).toEqual([]);
  expect(origin.node.counters.sentBytes / CONTENT.dataBytes).toBeLessThan(1.6);
  const counters = programs.map(({ node }) => node.counters);
  for (const each of counters) {
    expect(each.receivedFromPeersBytes + each.receivedFromOriginBytes).toBe(each.receivedBytes);
    expect(each.receivedBytes).toBeGreaterThan(CONTENT.dataBytes);
    expect(each.receivedBytes).toBeLessThan(CONTENT.dataBytes * 1.1);
  }
  const fromOrigin = counters.reduce((sum, each) => sum + each.receivedFromOriginBytes, 0);
  expect(Math.abs(fromOrigin - origin.node.counters.sentBytes)).toBeLessThan(MIB / 4);
});

test("counters keep what closed connections moved, and closing takes less than a second", async () => {
  const town = new SwarmTown();
  const bundle = new MemoryBundle(SMALL);
  const seed = await town.open([MemoryBundle.seed(SMALL)]);
  await using mirror = await town.open([bundle]);
  mirror.node.setPeers([seed.known]);
  await mirror.node.download(bundle, SMALL.wanted(SMALL_ALL));
  expect(mirror.node.connections()).toMatchObject([{ peerId: seed.known.id, bundleNumber: 1, isOrigin: false }]);
  const startMs = performance.now();
  await seed.node[Symbol.asyncDispose]();
  expect(performance.now() - startMs).toBeLessThan(1000);
  await sleep(50);
  expect(mirror.node.connections()).toEqual([]);
  expect(mirror.node.counters.receivedBytes).toBeGreaterThan(SMALL.dataBytes);
  expect(seed.node.counters.uploadedBytes).toBe(SMALL.dataBytes);
});

test("the info dictionary comes from a peer", async () => {
  const town = new SwarmTown();
  const empty = new MemoryBundle(SMALL);
  empty.hasInfoDictionary = false;
  await using seed = await town.open([MemoryBundle.seed(SMALL)]);
  await using mirror = await town.open([empty]);
  mirror.node.setPeers([seed.known]);
  const dictionary = await mirror.node.fetchInfoDictionary(SMALL.infoHash, 1, { signal: AbortSignal.timeout(5000) });
  expect(Buffer.from(dictionary).equals(SMALL.infoDictionary)).toBe(true);
  await expect(mirror.node.fetchInfoDictionary("00".repeat(20), 9)).rejects.toMatchObject({ code: "unknown-bundle" });
});

test("a mirror that is empty itself hears of pieces as the other completes them", async () => {
  const town = new SwarmTown();
  const [near, far] = [new MemoryBundle(SMALL), new MemoryBundle(SMALL)];
  await using seed = await town.open([MemoryBundle.seed(SMALL)]);
  await using middle = await town.open([near]);
  await using end = await town.open([far]);
  end.node.setPeers([middle.known]);
  middle.node.setPeers([seed.known]);
  const waiting = end.node.download(far, SMALL.wanted(SMALL_ALL));
  await sleep(300);
  await middle.node.download(near, SMALL.wanted(SMALL_ALL));
  await waiting;
  expect(far.held.isFull).toBe(true);
  expect(far.wrongPieces()).toEqual([]);
});

test("without peers a download fails with no-source, an aborted one with its reason", async () => {
  const town = new SwarmTown();
  const bundle = new MemoryBundle(SMALL);
  await using mirror = await town.open([bundle], { patience: { noSourceMs: 300, noProgressMs: 1000 } });
  await expect(mirror.node.download(bundle, SMALL.wanted([0, 1]))).rejects.toMatchObject({ code: "no-source" });
  const signal = AbortSignal.abort(new Error("changed my mind"));
  await expect(mirror.node.download(bundle, SMALL.wanted([0, 1]), { signal })).rejects.toThrow("changed my mind");
});

test("a revoked volunteer is neither called nor kept", async () => {
  const town = new SwarmTown();
  const bundle = new MemoryBundle(SMALL);
  await using seed = await town.open([MemoryBundle.seed(SMALL)]);
  await using mirror = await town.open([bundle], { patience: { noSourceMs: 300, noProgressMs: 1000 } });
  mirror.node.setPeers([seed.known]);
  await mirror.node.download(bundle, SMALL.wanted([0]));
  expect(mirror.node.connections().length).toBe(1);
  town.revoked.add(seed.known.id);
  mirror.node.setPeers([seed.known]);
  expect(mirror.node.connections()).toEqual([]);
  await expect(mirror.node.download(bundle, SMALL.wanted([1]))).rejects.toMatchObject({ code: "no-source" });
});

test("a stock client that claims a volunteer's id does not take its place", async () => {
  const town = new SwarmTown();
  const bundle = new MemoryBundle(SMALL);
  await using seed = await town.open([MemoryBundle.seed(SMALL)], { allowsStockClients: () => true });
  await using mirror = await town.open([bundle]);
  mirror.node.setPeers([seed.known]);
  await mirror.node.download(bundle, SMALL.wanted([0]));
  const impostor = connect(seed.node.port, "127.0.0.1");
  const claim = { infoHash: SMALL.infoHash, peerId: mirror.known.id, isFast: false, isExtended: false };
  impostor.write(handshakeBytes(claim));
  await once(impostor, "data");
  await mirror.node.download(bundle, SMALL.wanted([1]));
  expect(seed.node.connections().map(({ isStockClient }) => isStockClient)).toEqual([false, true]);
  impostor.destroy();
});

test("a closed program takes no download", async () => {
  const town = new SwarmTown();
  const bundle = new MemoryBundle(SMALL);
  const mirror = await town.open([bundle]);
  await mirror.node[Symbol.asyncDispose]();
  await expect(mirror.node.download(bundle, SMALL.wanted([0]))).rejects.toMatchObject({ code: "no-source" });
});

test("two volunteers that call each other keep one connection and both end exact", async () => {
  const town = new SwarmTown();
  const even = new MemoryBundle(
    SMALL,
    SMALL_ALL.filter((piece) => piece % 2 === 0),
  );
  const odd = new MemoryBundle(
    SMALL,
    SMALL_ALL.filter((piece) => piece % 2 === 1),
  );
  await using left = await town.open([even]);
  await using right = await town.open([odd]);
  left.node.setPeers([right.known]);
  right.node.setPeers([left.known]);
  await Promise.all([
    left.node.download(even, SMALL.wanted(SMALL_ALL)),
    right.node.download(odd, SMALL.wanted(SMALL_ALL)),
  ]);
  expect([even.held.isFull, odd.held.isFull]).toEqual([true, true]);
  expect([left.node.connections().length, right.node.connections().length]).toEqual([1, 1]);
});

test("more connections from one address than allowed are closed at once, and a free place is given again", async () => {
  const town = new SwarmTown();
  const limits = { connections: 200, connectionsPerAddress: 3, activeBundles: 8 };
  await using program = await town.open([MemoryBundle.seed(SMALL)], { limits });
  const sockets = [0, 1, 2].map(() => connect(program.node.port, "127.0.0.1"));
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  const extra = connect(program.node.port, "127.0.0.1").resume();
  extra.on("error", () => {});
  await once(extra, "close");
  expect(sockets.map((socket) => socket.destroyed)).toEqual([false, false, false]);
  sockets[0]!.destroy();
  await sleep(50);
  const next = connect(program.node.port, "127.0.0.1");
  await once(next, "connect");
  await sleep(50);
  expect(next.destroyed || next.readableEnded).toBe(false);
  for (const socket of [...sockets, next]) socket.destroy();
});

test("whoever speaks something else than BitTorrent is let go at the first byte that tells", async () => {
  const town = new SwarmTown();
  await using program = await town.open([MemoryBundle.seed(SMALL)]);
  const socket = connect(program.node.port, "127.0.0.1");
  socket.write("\x13Bit");
  await sleep(50);
  expect(socket.destroyed || socket.readableEnded).toBe(false);
  const ended = once(
    socket.resume().on("error", () => {}),
    "close",
  );
  const startMs = performance.now();
  socket.write("s");
  await ended;
  expect(performance.now() - startMs).toBeLessThan(1_000);
});

test("closing lets go at once of peers that are being called", async () => {
  const town = new SwarmTown();
  const bundle = new MemoryBundle(SMALL);
  await using mirror = await town.open([bundle]);
  await using server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  mirror.node.setPeers([{ id: "5e".repeat(20), host: "127.0.0.1", port, isOrigin: false, mayHold: () => true }]);
  const called = once(server, "connection");
  const failed = expect(mirror.node.download(bundle, SMALL.wanted([0]))).rejects.toThrow();
  const [silent] = (await called) as [Socket];
  const hungUp = once(silent.resume(), "close");
  const startMs = performance.now();
  await mirror.node[Symbol.asyncDispose]();
  await Promise.all([hungUp, failed]);
  expect(performance.now() - startMs).toBeLessThan(1_000);
});
