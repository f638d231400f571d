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
  { upload, isSlow = false }: { readonly upload?: BudgetClaim; readonly isSlow?: boolean } = {},
): Promise<{
  readonly clock: VirtualClock;
  readonly askers: readonly [Asker, Asker];
  readonly here: readonly [SimWire, SimWire];
}> {
  const clock = new VirtualClock({ waitsForPromises: true });
  const speed = { upBytesPerSecond: 1e6, downBytesPerSecond: 1e6, delayMs: 5 };
  const end = (peerId: string): WireEnd => ({ peerId, host: "memory", link: new SimLink(clock, speed) });
  const session = new BundleSession(bundle, {
    ...{
      clock,
      log: silentLog,
      random: seededRandom(1),
      isOrigin: false,
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
  return { clock, askers, here: [askers[0].here, askers[1].here] };
}

test("memory of a read serves again when its last block has gone, not before", async () => {
  const used: (Uint8Array | undefined)[] = [];
  class LentBundle extends MemoryBundle {
    override async readBlock(
      piece: number,
      offset: number,
      length: number,
      memory?: Uint8Array,
    ): Promise<Uint8Array | undefined> {
      used.push(memory);
      const bytes = await super.readBlock(piece, offset, length);
      if (bytes === undefined || memory === undefined) return bytes;
      memory.set(bytes);
      return memory;
    }
  }
  const content = new SampleContent([4 * KIB16], 4 * KIB16);
  const bundle = new LentBundle(content, [0]);
  const { clock, askers, here } = await served(bundle, { isSlow: true });
  const sent: (() => void)[] = [];
  const send = here[0].sendBlock.bind(here[0]);
  here[0].sendBlock = (piece, offset, bytes, onSent) => {
    send(piece, offset, bytes);
    sent.push(onSent!);
  };
  const ask = async (): Promise<void> => {
    for (const offset of [0, KIB16]) askers[0].wire.sendRequest({ piece: 0, offset, lengthBytes: KIB16 });
    await clock.pass(1);
  };
  await ask();
  sent[0]!();
  await ask();
  expect([used[0]?.length, used[1] === used[0]]).toEqual([2 * KIB16, false]);
  sent[1]!();
  await ask();
  expect(used[2]).toBe(used[0]);
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
