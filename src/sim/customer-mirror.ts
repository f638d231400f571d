import type { Random } from "../core/clock.ts";
import type { VolunteerLoad } from "../delivery/delivery-volunteer.ts";
import type { VolunteerAnnounce } from "../tracker/volunteer-announce.ts";
import { CustomerLine } from "./customer-line.ts";
import type { FluidGroup, FluidLine } from "./fluid-line.ts";
import { MirrorAnnouncer, type MirrorState } from "./mirror-announcer.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** Connections by which a mirror synchronises at a time: the swarm's upload slots. */
export const SYNC_CONNECTIONS = 16;

/** A synchronisation that takes so many bytes of the line, up for others or down. */
export interface MirrorSync {
  readonly startSeconds: number;
  readonly bytes: number;
}

/** What a mirror had to do. */
export interface MirrorWork {
  readonly upBytesPerSecond: number;
  /** Of all customers sent there. */
  readonly assignedBytes: number;
  readonly syncBytes: number;
}

export interface CustomerMirrorOptions {
  readonly id: string;
  readonly upBytesPerSecond: number;
  readonly syncs: readonly MirrorSync[];
  readonly intervalMs: number;
  readonly random: Random;
  /** Tells the tracker. */
  readonly announce: (id: string, announce: VolunteerAnnounce) => void;
}

/**
 * A full mirror that serves customers: one line, shared fairly by every customer's connection and by those of its own
 * synchronisation, and the announces of a daemon.
 */
export class CustomerMirror {
  readonly id: string;
  readonly line: FluidLine;
  readonly sync: FluidGroup;
  readonly #clock: VirtualClock;
  readonly #options: CustomerMirrorOptions;
  readonly #customers: CustomerLine;
  readonly #announcer: MirrorAnnouncer;

  constructor(clock: VirtualClock, options: CustomerMirrorOptions) {
    this.#clock = clock;
    this.#options = options;
    this.id = options.id;
    this.#customers = new CustomerLine(clock, options.upBytesPerSecond);
    this.line = this.#customers.line;
    this.sync = this.line.group({ weight: SYNC_CONNECTIONS, capBytesPerSecond: Infinity });
    this.#announcer = new MirrorAnnouncer(clock, { ...options, state: () => this.#state() });
  }

  /** Announces from now on, and synchronises when it is time. */
  start(): void {
    this.#announcer.start();
    for (const { startSeconds, bytes } of this.#options.syncs)
      this.#clock.schedule(startSeconds * 1000, () => this.#synchronise(bytes));
  }

  /** A customer's transfer of so many bytes begins. */
  serve(bytes: number, capBytesPerSecond: number, onDone: () => void): void {
    this.#customers.serve(bytes, capBytesPerSecond, onDone);
  }

  get load(): VolunteerLoad {
    return {
      customers: this.#customers.customers,
      customerBytes: this.#customers.customerBytesLeft,
      syncBytes: this.sync.leftBytes,
      capacityBytesPerSecond: this.line.bytesPerSecond,
    };
  }

  /** What a transfer of so many bytes adds to the response times of all customers here, its own included, came no other after it. */
  addedSeconds(bytes: number, capBytesPerSecond: number): number {
    const sync = Math.min(SYNC_CONNECTIONS * bytes * this.sync.count, this.sync.leftBytes);
    let others = 0;
    for (const left of this.#customers.leftOfEach()) others += Math.min(left, bytes);
    const ownSeconds = Math.max((bytes + others + sync) / this.line.bytesPerSecond, bytes / capBytesPerSecond);
    return ownSeconds + others / this.line.bytesPerSecond;
  }

  /** What it did for customers and for itself. */
  get work(): MirrorWork {
    const { assignedBytes } = this.#customers;
    return { upBytesPerSecond: this.line.bytesPerSecond, assignedBytes, syncBytes: this.sync.sentBytes };
  }

  #synchronise(bytes: number): void {
    this.sync.start(bytes, () => this.#announcer.announce("completed"));
    this.#announcer.syncStarted();
  }

  #state(): MirrorState {
    return {
      release: 1,
      isSyncing: this.sync.count > 0,
      bytesLeft: this.sync.leftBytes,
      customers: this.#customers.customers,
      customerBytesLeft: this.#customers.customerBytesLeft,
      holdings: { base: 0, completeRelease: 1, bundles: new Map() },
    };
  }
}
