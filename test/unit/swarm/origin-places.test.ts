import { expect, test } from "vitest";
import { seededRandom } from "../../../src/core/clock.ts";
import { SimLink } from "../../../src/sim/network.ts";
import { SimWire, type WireEnd } from "../../../src/sim/sim-wire.ts";
import { VirtualClock } from "../../../src/sim/virtual-clock.ts";
import { BundleSession, TICK_MS } from "../../../src/swarm/bundle-session.ts";
import { UNCHOKE_SLOTS } from "../../../src/swarm/choker.ts";
import { PeerOffences } from "../../../src/swarm/peer-offences.ts";
import { DEFAULT_SOURCE_PATIENCE } from "../../../src/swarm/running-download.ts";
import { TrackedSites, viewOfOrigin } from "../../../src/swarm/site-view.ts";
import { MemoryBundle, SampleContent } from "../../support/memory-bundle.ts";
import { silentLog } from "../../support/memory-swarm.ts";
import { PeerRecorder } from "../../support/peer-recorder.ts";

const PIECE = 65_536;
const BLOCK = 16_384;
const BLOCKS_PER_PIECE = PIECE / BLOCK;
const SITES = 40;
/** Four pieces for each site: with fewer there are no homes. */
const CONTENT = new SampleContent([4 * SITES * PIECE], PIECE);
const UP = 625_000;
/** What a piece takes of the origin's line, headers included. */
const PIECE_SECONDS = (PIECE * (1514 / 1448)) / UP;
const READS = { upBytesPerSecond: UP, downBytesPerSecond: 4 * UP, delayMs: 5 };
/** What is on its way to it stays there: its connection's window fills, and nothing more leaves. */
const DOES_NOT_READ = { ...READS, downBytesPerSecond: 1e-3 };

const SITE_NAMES = Array.from({ length: SITES }, (_, site) => `site ${site}`);

/** An origin, and one volunteer of each site that asks it for two pieces as soon as it may. */
function originOf(homes: readonly string[], { doesRead, doesAsk }: Partial<Habits> = {}): Scene {
  const clock = new VirtualClock({ waitsForPromises: true });
  const sites = new TrackedSites();
  sites.note([], viewOfOrigin(homes));
  const session = new BundleSession(MemoryBundle.seed(CONTENT), {
    ...{ clock, log: silentLog, random: seededRandom(1), patience: DEFAULT_SOURCE_PATIENCE, ownId: "origin" },
    ...{ isOrigin: true, sites, offences: new PeerOffences(clock) },
    defer: queueMicrotask,
    onUploaded: () => undefined,
    onDownloaded: () => undefined,
  });
  const origin: WireEnd = { peerId: "origin", host: "memory", link: new SimLink(clock, READS) };
  const volunteers = SITE_NAMES.map((site, index) => {
    const link = new SimLink(clock, doesRead?.(index) !== false ? READS : DOES_NOT_READ);
    const [here, wire] = SimWire.pair(origin, { peerId: `volunteer ${index}`, host: "memory", site, link }, PIECE);
    here.listener = session.join(here);
    const volunteer = new Volunteer(wire, 2 * index, doesAsk === false ? 0 : 2 * BLOCKS_PER_PIECE);
    wire.listener = volunteer;
    if (doesAsk !== false) wire.sendInterested();
    return volunteer;
  });
  const tick = (): void => {
    session.tick();
    clock.schedule(TICK_MS, tick);
  };
  tick();
  return { clock, volunteers };
}

interface Habits {
  /** By default all do. */
  readonly doesRead: (site: number) => boolean;
  /** False: nobody is interested, and asks for nothing where it may. */
  readonly doesAsk: boolean;
}

interface Scene {
  readonly clock: VirtualClock;
  readonly volunteers: readonly Volunteer[];
}

/** Asks for the blocks it lacks of two pieces whenever it may. */
class Volunteer extends PeerRecorder {
  readonly wire: SimWire;
  readonly #firstPiece: number;
  readonly #blockCount: number;

  constructor(wire: SimWire, firstPiece: number, blockCount: number) {
    super();
    this.#blockCount = blockCount;
    this.wire = wire;
    this.#firstPiece = firstPiece;
  }

  override onUnchoke(): void {
    super.onUnchoke();
    // Blocks come in order.
    for (let block = this.blocks.length; block < this.#blockCount; block++) {
      const piece = this.#firstPiece + Math.floor(block / BLOCKS_PER_PIECE);
      this.wire.sendRequest({ piece, offset: (block % BLOCKS_PER_PIECE) * BLOCK, lengthBytes: BLOCK });
    }
  }
}

/** Whole pieces that each site got. */
function piecesOf({ volunteers }: Scene): number[] {
  return volunteers.map(({ blocks }) => Math.floor(blocks.length / BLOCKS_PER_PIECE));
}

function unchokedCount({ volunteers }: Scene): number {
  return volunteers.filter(({ events }) => events.includes("unchoke")).length;
}

test("where sites wait for what each other brings, each has a piece of the origin before the last are done", async () => {
  const scene = originOf(SITE_NAMES);
  await scene.clock.pass(SITES * PIECE_SECONDS * 1.75);
  expect(Math.min(...piecesOf(scene))).toBeGreaterThan(0);
  expect(unchokedCount(scene)).toBe(SITES);
});

test("sites that the tracker did not name have no places beside the slots, whatever volunteers call theirs", async () => {
  const scene = originOf(["a home", "another home"]);
  await scene.clock.pass(1);
  expect(unchokedCount(scene)).toBe(UNCHOKE_SLOTS);
});

test("a gateway that does not read costs nobody else: all other sites have what they asked for as soon as the line gives it", async () => {
  const doesRead = (site: number): boolean => site >= SITES / 4;
  const scene = originOf(SITE_NAMES, { doesRead });
  await scene.clock.pass(2 * SITES * PIECE_SECONDS * 1.1);
  const pieces = piecesOf(scene);
  expect(pieces.filter((_, site) => doesRead(site))).toEqual(Array<number>((SITES * 3) / 4).fill(2));
});

test("who wants nothing any more holds no slot, though nobody waited when it said so", async () => {
  const { clock, volunteers } = originOf([], { doesAsk: false });
  for (const { wire } of volunteers.slice(0, UNCHOKE_SLOTS)) wire.sendInterested();
  await clock.pass(0.2);
  expect(unchokedCount({ clock, volunteers })).toBe(UNCHOKE_SLOTS);
  for (const { wire } of volunteers.slice(0, UNCHOKE_SLOTS)) wire.sendUninterested();
  await clock.pass(0.2);
  const late = volunteers[UNCHOKE_SLOTS]!;
  late.wire.sendInterested();
  await clock.pass(0.2);
  expect(late.events).toContain("unchoke");
});
