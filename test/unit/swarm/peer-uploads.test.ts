import { expect, test } from "vitest";
import { seededRandom } from "../../../src/core/clock.ts";
import { SimLink } from "../../../src/sim/network.ts";
import { SimWire, type WireEnd } from "../../../src/sim/sim-wire.ts";
import { VirtualClock } from "../../../src/sim/virtual-clock.ts";
import { BundleSession } from "../../../src/swarm/bundle-session.ts";
import type { BudgetClaim } from "../../../src/swarm/fair-budget.ts";
import { PeerOffences } from "../../../src/swarm/peer-offences.ts";
import { DEFAULT_SOURCE_PATIENCE } from "../../../src/swarm/running-download.ts";
import { MemoryBundle, SampleContent } from "../../support/memory-bundle.ts";
import { silentLog } from "../../support/memory-swarm.ts";
import { PeerRecorder } from "../../support/peer-recorder.ts";
import { NOWHERE } from "../../support/scripted-download.ts";

const KIB16 = 16_384;
const CONTENT = new SampleContent([2 * KIB16], KIB16);

interface Asker {
  readonly wire: SimWire;
  readonly heard: PeerRecorder;
}

/** A session that gives, and two peers that it has unchoked. */
async function served(
  bundle: MemoryBundle,
  {
    upload,
    isSlow = false,
    isOrigin = false,
  }: { readonly upload?: BudgetClaim; readonly isSlow?: boolean; readonly isOrigin?: boolean } = {},
): Promise<{
  readonly clock: VirtualClock;
  readonly askers: readonly [Asker, Asker];
  readonly here: readonly [SimWire, SimWire];
  readonly connect: (name: string) => Asker;
}> {
  const clock = new VirtualClock({ waitsForPromises: true });
  const speed = { upBytesPerSecond: 1e6, downBytesPerSecond: 1e6, delayMs: 5 };
  const end = (peerId: string): WireEnd => ({ peerId, host: "memory", link: new SimLink(clock, speed) });
  const session = new BundleSession(bundle, {
    ...{
      clock,
      log: silentLog,
      random: seededRandom(1),
      isOrigin,
      patience: DEFAULT_SOURCE_PATIENCE,
      ...NOWHERE,
    },
    offences: new PeerOffences(clock),
    // Slow: what came in 10 ms is answered together.
    defer: isSlow ? (act) => clock.schedule(10, act) : queueMicrotask,
    onUploaded: () => undefined,
    onDownloaded: () => undefined,
    ...(upload === undefined ? {} : { bandwidth: { upload, download: undefined } }),
  });
  const connect = (name: string): Asker & { readonly here: SimWire } => {
    const [here, wire] = SimWire.pair(end("here"), end(name), bundle.layout.pieceLength);
    here.listener = session.join(here);
    const heard = new PeerRecorder();
    wire.listener = heard;
    wire.sendInterested();
    return { wire, heard, here };
  };
  const askers = [connect("first"), connect("second")] as const;
  await clock.pass(0.1);
  return { clock, askers, here: [askers[0].here, askers[1].here], connect };
}

/** Notes what memory it was lent; lays what is read there, over marks that nobody may see. */
class LentBundle extends MemoryBundle {
  readonly lent: (Uint8Array | undefined)[] = [];
  override async readBlock(
    piece: number,
    offset: number,
    length: number,
    memory?: Uint8Array,
  ): Promise<Uint8Array | undefined> {
    this.lent.push(memory);
    const bytes = await super.readBlock(piece, offset, length);
    if (bytes === undefined || memory === undefined) return bytes;
    memory.fill(0xee).set(bytes);
    return memory;
  }
}

/** Blocks that the first asker was sent, and how each is taken by the kernel. */
interface Sent {
  readonly bytes: Uint8Array;
  readonly onSent: (() => void) | undefined;
}

function sentBy(wire: SimWire): Sent[] {
  const sent: Sent[] = [];
  const send = wire.sendBlock.bind(wire);
  wire.sendBlock = (piece, offset, bytes, onSent) => {
    send(piece, offset, bytes);
    sent.push({ bytes, onSent });
  };
  return sent;
}

const LARGE = new SampleContent([4 * KIB16], 4 * KIB16);
const TWO_BLOCKS = [0, KIB16].map((offset) => ({ piece: 0, offset, lengthBytes: KIB16 }));

test("memory of a read serves again when its last block has gone, not before", async () => {
  const bundle = new LentBundle(LARGE, [0]);
  const { clock, askers, here } = await served(bundle, { isSlow: true });
  const sent = sentBy(here[0]);
  const ask = async (): Promise<void> => {
    for (const request of TWO_BLOCKS) askers[0].wire.sendRequest(request);
    await clock.pass(1);
  };
  await ask();
  sent[0]!.onSent!();
  await ask();
  const { lent } = bundle;
  expect([lent[0]?.length, lent[1] === lent[0]]).toEqual([2 * KIB16, false]);
  sent[1]!.onSent!();
  await ask();
  expect(lent[2]).toBe(lent[0]);
});

test("bytes that the storage gives without the memory it was lent stay its own", async () => {
  class CachedBundle extends LentBundle {
    readonly cached: Uint8Array = LARGE.piece(0).slice(0, 2 * KIB16);
    override async readBlock(...[, , , memory]: Parameters<LentBundle["readBlock"]>): Promise<Uint8Array> {
      this.lent.push(memory);
      return this.cached;
    }
  }
  const bundle = new CachedBundle(LARGE, [0]);
  const { clock, askers, here } = await served(bundle, { isSlow: true });
  const sent = sentBy(here[0]);
  for (let round = 0; round < 3; round++) {
    for (const request of TWO_BLOCKS) askers[0].wire.sendRequest(request);
    await clock.pass(1);
    for (const { onSent } of sent) onSent?.();
  }
  expect(sent.map(({ onSent }) => onSent)).toEqual(Array(6).fill(undefined));
  const { lent, cached } = bundle;
  expect(lent.map((memory) => memory === cached)).toEqual([false, false, false]);
  // What was lent in vain serves again.
  expect([lent[0]?.length, lent[1] === lent[0], lent[2] === lent[0]]).toEqual([2 * KIB16, true, true]);
});

test("padding is zeros, and no memory is lent that is longer than the read", async () => {
  const content = new SampleContent([2 * KIB16 + 100, KIB16], 4 * KIB16);
  const bundle = new LentBundle(content, [0]);
  const { clock, askers, here } = await served(bundle, { isSlow: true });
  const sent = sentBy(here[0]);
  for (const request of [...TWO_BLOCKS, { piece: 0, offset: 2 * KIB16, lengthBytes: KIB16 }])
    askers[0].wire.sendRequest(request);
  await clock.pass(1);
  const expected = Buffer.alloc(3 * KIB16);
  expected.set(content.piece(0));
  expect(Buffer.concat(sent.map(({ bytes }) => bytes)).equals(expected)).toBe(true);
  expect(bundle.lent).toEqual([undefined]);
});

test("memory of a read whose requests were all cancelled meanwhile serves again", async () => {
  const reads: (() => void)[] = [];
  class SlowBundle extends LentBundle {
    override async readBlock(...read: Parameters<LentBundle["readBlock"]>): Promise<Uint8Array | undefined> {
      await new Promise<void>((resolve) => reads.push(resolve));
      return await super.readBlock(...read);
    }
  }
  const bundle = new SlowBundle(LARGE, [0]);
  const { clock, askers } = await served(bundle, { isSlow: true });
  for (let round = 0; round < 2; round++) {
    for (const request of TWO_BLOCKS) askers[0].wire.sendRequest(request);
    await clock.pass(1);
    for (const request of TWO_BLOCKS) askers[0].wire.sendCancel(request);
    await clock.pass(1);
    reads[round]!();
    await clock.pass(1);
  }
  expect([bundle.lent[0]?.length, bundle.lent[1] === bundle.lent[0]]).toEqual([2 * KIB16, true]);
});

test("no memory waits where no peer is left: neither what waited, nor reads and blocks that come to an end later", async () => {
  const reads: (() => void)[] = [];
  class SlowBundle extends LentBundle {
    override async readBlock(...read: Parameters<LentBundle["readBlock"]>): Promise<Uint8Array | undefined> {
      const bytes = await super.readBlock(...read);
      await new Promise<void>((resolve) => reads.push(resolve));
      return bytes;
    }
  }
  const content = new SampleContent([4 * KIB16, 4 * KIB16, 4 * KIB16], 4 * KIB16);
  const bundle = new SlowBundle(content, [0, 1, 2]);
  const { clock, askers, here, connect } = await served(bundle, { isSlow: true });
  const sent = sentBy(here[0]);
  const ask = async (asker: Asker, piece: number): Promise<void> => {
    for (const request of TWO_BLOCKS) asker.wire.sendRequest({ ...request, piece });
    await clock.pass(1);
  };
  for (const piece of [0, 1, 2]) await ask(askers[0], piece);
  for (const read of reads.splice(0)) read();
  await clock.pass(1);
  // Two come back, and one of these is taken for a read; the blocks of the third are under way.
  for (const { onSent } of sent.slice(0, 4)) onSent!();
  await ask(askers[1], 2);
  expect([sent.length, bundle.lent.length, new Set(bundle.lent).size]).toEqual([6, 4, 3]);
  for (const { wire } of askers) wire.close("gone");
  await clock.pass(1);
  for (const read of reads.splice(0)) read();
  for (const { onSent } of sent.slice(4)) onSent!();
  await clock.pass(1);
  const next = connect("third");
  await clock.pass(30);
  const before = new Set(bundle.lent);
  for (const piece of [0, 1, 2]) await ask(next, piece);
  expect(bundle.lent).toHaveLength(7);
  expect(bundle.lent.slice(4).filter((memory) => before.has(memory))).toEqual([]);
});

test("a bug while a block is given costs the connection that asked for it, and no other", async () => {
  class BuggyBundle extends MemoryBundle {
    override async readBlock(piece: number, offset: number, length: number): Promise<Uint8Array | undefined> {
      return piece === 0 ? (null as never) : await super.readBlock(piece, offset, length);
    }
  }
  const { clock, askers } = await served(new BuggyBundle(CONTENT, [0, 1]));
  askers[0].wire.sendRequest({ piece: 0, offset: 0, lengthBytes: KIB16 });
  askers[1].wire.sendRequest({ piece: 1, offset: 0, lengthBytes: KIB16 });
  await clock.pass(1);
  expect(await askers[0].heard.closed).toContain("internal error");
  expect(askers[1].heard.events).toContain(`block 1 0 ${KIB16}`);
  expect(askers[1].heard.events.filter((event) => event.startsWith("close"))).toEqual([]);
});

test("a bug after all that came in one turn was heard costs the connection that was heard first", async () => {
  let bugs = 1;
  const buggy: BudgetClaim = {
    stepBytes: KIB16,
    tryTake: () => {
      if (bugs-- > 0) throw new Error("a bug");
      return true;
    },
    lookAgainMs: () => 0,
    giveBack: () => undefined,
    leave: () => undefined,
  };
  const { clock, askers } = await served(MemoryBundle.seed(CONTENT), { upload: buggy });
  askers[0].wire.sendRequest({ piece: 0, offset: 0, lengthBytes: KIB16 });
  await clock.pass(0.5);
  askers[1].wire.sendRequest({ piece: 1, offset: 0, lengthBytes: KIB16 });
  await clock.pass(0.5);
  expect(await askers[0].heard.closed).toContain("a bug");
  expect(askers[1].heard.events).toContain(`block 1 0 ${KIB16}`);
});

test.each([
  ["until it says that it has it", 3, 4.5],
  ["for five seconds", undefined, 7],
])(
  "what the origin gave to one peer may wait in the kernel: nobody else gets the piece %s",
  async (_until, haveAfterSeconds, givenAfterSeconds) => {
    const { clock, askers } = await served(new MemoryBundle(CONTENT, [0, 1]), { isOrigin: true });
    const [first, second] = askers;
    const request = { piece: 0, offset: 0, lengthBytes: KIB16 };
    first.wire.sendRequest(request);
    await clock.pass(0.1);
    expect(first.heard.blocks).toHaveLength(1);
    let seconds = 0;
    for (; second.heard.blocks.length === 0; seconds += 0.5) {
      if (seconds === haveAfterSeconds) first.wire.sendHave(0);
      second.wire.sendRequest(request);
      await clock.pass(0.5);
    }
    // Within a second of the first answer after that all answers are the same: requests for a piece come in bursts.
    expect(Math.abs(seconds - givenAfterSeconds)).toBeLessThanOrEqual(0.5);
  },
);

test("who is refused by the budget asks again when it is told that something may pass, without a tick", async () => {
  const askedMs: number[] = [];
  let isOpen = false;
  const { clock, askers } = await served(MemoryBundle.seed(CONTENT), {
    upload: {
      stepBytes: KIB16,
      tryTake: (_, nowMs) => {
        askedMs.push(nowMs);
        return isOpen;
      },
      lookAgainMs: () => 7,
      giveBack: () => undefined,
      leave: () => undefined,
    },
  });
  askers[0].wire.sendRequest({ piece: 0, offset: 0, lengthBytes: KIB16 });
  await clock.pass(1);
  const first = askedMs.length;
  expect(first).toBeGreaterThan(0);
  isOpen = true;
  await clock.pass(8);
  expect(askers[0].heard.events).toContain(`block 0 0 ${KIB16}`);
});
