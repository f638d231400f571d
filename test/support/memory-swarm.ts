import { setImmediate } from "node:timers/promises";
import { seededRandom } from "../../src/core/clock.ts";
import { BundleSession, TICK_MS } from "../../src/swarm/bundle-session.ts";
import { PeerOffences } from "../../src/swarm/peer-offences.ts";
import { DEFAULT_SOURCE_PATIENCE, type SourcePatience } from "../../src/swarm/running-download.ts";
import { ManualClock } from "./manual-clock.ts";
import type { MemoryBundle } from "./memory-bundle.ts";
import { type MemoryEnd, MemoryLink, MemoryWire } from "./memory-wire.ts";

export const silentLog = { debug: (): void => {}, info: (): void => {}, warn: (): void => {} };

/** 20 Mbit/s. */
const LINK_BYTES_PER_SECOND = 2_500_000;

export interface MemoryHostOptions extends Omit<Partial<MemoryEnd>, "link" | "peerId"> {
  readonly bytesPerSecond?: number;
  readonly patience?: SourcePatience;
}

/** A program of the memory swarm: a session of the real code behind a link. */
export interface MemoryHost {
  readonly end: MemoryEnd;
  readonly bundle: MemoryBundle;
  readonly session: BundleSession;
  readonly offences: PeerOffences;
}

/** Hosts under one virtual clock; everything in it follows from the seed. */
export class MemorySwarm {
  readonly clock = new ManualClock();
  readonly hosts: MemoryHost[] = [];
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  add(bundle: MemoryBundle, options: MemoryHostOptions = {}): MemoryHost {
    const { bytesPerSecond = LINK_BYTES_PER_SECOND, patience = DEFAULT_SOURCE_PATIENCE, ...end } = options;
    const peerId = this.hosts.length.toString(16).padStart(40, "0");
    const offences = new PeerOffences();
    const session = new BundleSession(bundle, {
      clock: this.clock,
      random: this.#random,
      log: silentLog,
      offences,
      isOrigin: options.isOrigin ?? false,
      patience,
      onUploaded: () => {},
    });
    const host = { end: { ...end, peerId, link: new MemoryLink(bytesPerSecond) }, bundle, session, offences };
    this.hosts.push(host);
    return host;
  }

  connect(a: MemoryHost, b: MemoryHost): [MemoryWire, MemoryWire] {
    const [atA, atB] = MemoryWire.pair(a.end, b.end, { clock: this.clock, delayMs: 10 });
    atA.listener = a.session.join(atA);
    atB.listener = b.session.join(atB);
    return [atA, atB];
  }

  connectAll(): void {
    this.hosts.forEach((a, index) => this.hosts.slice(index + 1).forEach((b) => this.connect(a, b)));
  }

  /** Lets virtual time pass until `work` is settled. @returns seconds it took; throws what it threw */
  async run(work: Promise<unknown>, limitSeconds = 600): Promise<number> {
    const startMs = this.clock.monotonicMs();
    const watched = work.then(
      () => "done" as const,
      (error: unknown) => ({ error }),
    );
    let outcome: "done" | "running" | { error: unknown } = "running";
    void watched.then((settled) => (outcome = settled));
    const passed = (): number => (this.clock.monotonicMs() - startMs) / 1000;
    for (let step = 0; outcome === "running" && passed() < limitSeconds; step++) {
      this.clock.advance(2);
      if (step % (TICK_MS / 2) === 0) for (const host of this.hosts) host.session.tick();
      await setImmediate();
    }
    if (outcome === "running") throw new Error(`still running after ${limitSeconds} virtual seconds`);
    if (outcome !== "done") throw (outcome as { error: unknown }).error;
    return passed();
  }

  async pass(seconds: number): Promise<void> {
    const endMs = this.clock.monotonicMs() + seconds * 1000;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.clock.schedule(endMs - this.clock.monotonicMs(), resolve);
    await this.run(promise, seconds + 10);
  }
}
