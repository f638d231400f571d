import type { CancelTimer, Random } from "../core/clock.ts";
import type { VolunteerLoad } from "../delivery/delivery-volunteer.ts";
import { jitteredIntervalSeconds } from "../tracker/announce-answer.ts";
import type { VolunteerAnnounce } from "../tracker/volunteer-announce.ts";
import { FluidLine, type FluidGroup } from "./fluid-line.ts";
import { SYNCING_INTERVALS_MS } from "./syncing-intervals.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** Connections by which a mirror synchronises at a time: the swarm's upload slots. */
export const SYNC_CONNECTIONS = 16;
const REPOSITORY = "51".repeat(16);

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
 * synchronisation, and the announces of a daemon at the moments at which a daemon sends them.
 */
export class CustomerMirror {
  readonly id: string;
  readonly line: FluidLine;
  readonly sync: FluidGroup;
  readonly #clock: VirtualClock;
  readonly #options: CustomerMirrorOptions;
  /** By what a customer's own line takes. */
  readonly #customers = new Map<number, FluidGroup>();
  /** Of customers, ever, done or not. */
  assignedBytes = 0;
  #syncAnnounces = 0;
  #cancelNext: CancelTimer = () => undefined;

  constructor(clock: VirtualClock, options: CustomerMirrorOptions) {
    this.#clock = clock;
    this.#options = options;
    this.id = options.id;
    this.line = new FluidLine(clock, options.upBytesPerSecond);
    this.sync = this.line.group({ weight: SYNC_CONNECTIONS, capBytesPerSecond: Infinity });
  }

  /** Announces from now on, and synchronises when it is time. Daemons were not all started at the same moment. */
  start(): void {
    this.#announce("started");
    this.#clock.schedule(this.#options.random() * this.#options.intervalMs, () => this.#announce());
    for (const { startSeconds, bytes } of this.#options.syncs)
      this.#clock.schedule(startSeconds * 1000, () => this.#synchronise(bytes));
  }

  /** A customer's transfer of so many bytes begins. */
  serve(bytes: number, capBytesPerSecond: number, onDone: () => void): void {
    this.assignedBytes += bytes;
    let group = this.#customers.get(capBytesPerSecond);
    if (group === undefined) {
      group = this.line.group({ weight: 1, capBytesPerSecond });
      this.#customers.set(capBytesPerSecond, group);
    }
    group.start(bytes, onDone);
  }

  get customers(): number {
    return sumOf(this.#customers, (group) => group.count);
  }

  get customerBytesLeft(): number {
    return sumOf(this.#customers, (group) => group.leftBytes);
  }

  get load(): VolunteerLoad {
    return {
      customers: this.customers,
      customerBytes: this.customerBytesLeft,
      syncBytes: this.sync.leftBytes,
      capacityBytesPerSecond: this.line.bytesPerSecond,
    };
  }

  /** What a transfer of so many bytes adds to the response times of all customers here, its own included, came no other after it. */
  addedSeconds(bytes: number, capBytesPerSecond: number): number {
    const sync = Math.min(SYNC_CONNECTIONS * bytes * this.sync.count, this.sync.leftBytes);
    let others = 0;
    for (const group of this.#customers.values()) {
      for (const left of group.leftOfEach()) others += Math.min(left, bytes);
    }
    const ownSeconds = Math.max((bytes + others + sync) / this.line.bytesPerSecond, bytes / capBytesPerSecond);
    return ownSeconds + others / this.line.bytesPerSecond;
  }

  /** What it did for customers and for itself. */
  get work(): MirrorWork {
    const { assignedBytes } = this;
    return { upBytesPerSecond: this.line.bytesPerSecond, assignedBytes, syncBytes: this.sync.sentBytes };
  }

  #synchronise(bytes: number): void {
    this.sync.start(bytes, () => this.#announce("completed"));
    this.#syncAnnounces = 0;
    this.#announce();
  }

  #announce(event?: "started" | "completed"): void {
    this.#cancelNext();
    this.#options.announce(this.id, this.#announceOf(event));
    this.#cancelNext = this.#clock.schedule(this.#nextMs(), () => this.#announce());
  }

  /** As `edge/announcer.ts` does it; central spreads the interval. */
  #nextMs(): number {
    const { intervalMs, random } = this.#options;
    const spreadMs = jitteredIntervalSeconds(intervalMs, random) * 1000;
    if (this.sync.count === 0) return spreadMs;
    const soonMs = SYNCING_INTERVALS_MS[this.#syncAnnounces++] ?? SYNCING_INTERVALS_MS.at(-1)!;
    return Math.min(soonMs, spreadMs);
  }

  #announceOf(event: VolunteerAnnounce["event"]): VolunteerAnnounce {
    const bytesLeft = Math.round(this.sync.leftBytes);
    return {
      peerId: this.id,
      port: 7382,
      uploadedBytes: 0,
      downloadedBytes: 0,
      leftBytes: bytesLeft,
      event,
      repository: REPOSITORY,
      release: 1,
      isSyncing: this.sync.count > 0,
      bytesLeft,
      customers: this.customers,
      customerBytesLeft: Math.round(this.customerBytesLeft),
      uploadBytesPerSecond: 0,
      uploadCapacityBytesPerSecond: Math.round(this.#options.upBytesPerSecond),
      site: undefined,
      url: `http://${this.id}.example.org`,
      customersFrom: "any",
      isOnlyRedirected: false,
      expectedMs: undefined,
      border: undefined,
      transfers: undefined,
      holdings: { base: 0, completeRelease: 1, bundles: new Map() },
    };
  }
}

function sumOf(groups: ReadonlyMap<number, FluidGroup>, valueOf: (group: FluidGroup) => number): number {
  let sum = 0;
  for (const group of groups.values()) sum += valueOf(group);
  return sum;
}
