import { seededRandom } from "../../src/core/clock.ts";
import { SimHost } from "../../src/sim/sim-host.ts";
import type { SimWire, WireEnd } from "../../src/sim/sim-wire.ts";
import { VirtualClock } from "../../src/sim/virtual-clock.ts";
import type { BundleSession } from "../../src/swarm/bundle-session.ts";
import type { PeerOffences } from "../../src/swarm/peer-offences.ts";
import type { SourcePatience } from "../../src/swarm/running-download.ts";
import type { MemoryBundle } from "./memory-bundle.ts";

export const silentLog = { debug: (): void => {}, info: (): void => {}, warn: (): void => {} };

/** 20 Mbit/s. */
const LINK_BYTES_PER_SECOND = 2_500_000;

export interface MemoryHostOptions extends Partial<WireEnd> {
  readonly bytesPerSecond?: number;
  readonly patience?: SourcePatience;
}

/** A program of the memory swarm: a session of the real code with real bytes behind a simulated link. */
export interface MemoryHost {
  readonly host: SimHost;
  readonly end: WireEnd;
  readonly bundle: MemoryBundle;
  readonly session: BundleSession;
  readonly offences: PeerOffences;
}

/** Hosts under one virtual clock; everything in it follows from the seed. */
export class MemorySwarm {
  readonly clock = new VirtualClock({ waitsForPromises: true });
  readonly hosts: MemoryHost[] = [];
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  add(bundle: MemoryBundle, options: MemoryHostOptions = {}): MemoryHost {
    const { bytesPerSecond = LINK_BYTES_PER_SECOND, patience, isOrigin = false, ...end } = options;
    const host = new SimHost(bundle, {
      clock: this.clock,
      random: this.#random,
      peerId: this.hosts.length.toString(16).padStart(40, "0"),
      host: "memory",
      speed: { upBytesPerSecond: bytesPerSecond, downBytesPerSecond: 1e12, delayMs: 5 },
      isOrigin,
      end,
      ...(patience === undefined ? {} : { patience }),
    });
    const added = { host, end: host.end, bundle, session: host.session, offences: host.offences };
    this.hosts.push(added);
    return added;
  }

  connect(a: MemoryHost, b: MemoryHost): [SimWire, SimWire] {
    return a.host.connect(b.host);
  }

  connectAll(): void {
    this.hosts.forEach((a, index) => this.hosts.slice(index + 1).forEach((b) => this.connect(a, b)));
  }

  /** Lets virtual time pass until `work` is settled. @returns seconds it took; throws what it threw */
  async run(work: Promise<unknown>, limitSeconds = 600): Promise<number> {
    return await this.clock.run(work, limitSeconds);
  }

  async pass(seconds: number): Promise<void> {
    await this.clock.pass(seconds);
  }
}
