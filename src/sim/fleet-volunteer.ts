import type { Random } from "../core/clock.ts";
import type { ContentPlace } from "../tracker/content-holders.ts";
import { CustomerLine } from "./customer-line.ts";
import { FleetHoldings } from "./fleet-holdings.ts";
import type { FleetFile } from "./fleet-workload.ts";
import type { MirrorState } from "./mirror-announcer.ts";
import type { Placement } from "./placement.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** A volunteer is there from one moment to another. */
export interface Session {
  readonly fromSeconds: number;
  readonly toSeconds: number;
}

/** It takes everything from central, once a day, and looks at all files before. */
export interface DailyRsync {
  readonly secondOfDay: number;
  readonly walkSeconds: number;
}

export interface FleetVolunteerPlan {
  readonly upBytesPerSecond: number;
  readonly downBytesPerSecond: number;
  readonly site?: string | undefined;
  /** In order; a mirror that stays has one from 0 to Infinity. */
  readonly sessions: readonly Session[];
  readonly placement: Placement;
  /** It has what it is to have before the first moment. */
  readonly isFilled: boolean;
  /** Left out: it follows releases, and takes part in the swarm. */
  readonly rsync?: DailyRsync;
}

export interface FleetVolunteerContext {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly files: readonly FleetFile[];
  readonly places: readonly ContentPlace[];
  /** Number of the bundle of each file ({@link bundlesOf}). */
  readonly bundleOf: readonly number[];
}

/**
 * A volunteer of a fleet: what it has, what it still fetches, and the line by which it serves customers. As a mirror does it fetches bundle by
 * bundle (`edge/bundle-turns.ts`), and its customers get files when they are whole (`edge/arrived-contents.ts`). Pieces of a bundle come in no
 * order: its files are taken to be whole when all that is wanted of it is there (in the simulated swarm, after 0.97 of that time).
 */
export class FleetVolunteer {
  readonly plan: FleetVolunteerPlan;
  readonly customers: CustomerLine;
  /** For customers. */
  readonly holdings: FleetHoldings;
  /** Fetched, of a bundle of which more is to come. */
  readonly #staged = new Set<number>();
  readonly #context: FleetVolunteerContext;
  isOnline = false;
  /** It knows of this many releases. */
  releases = 0;
  /** Still to be fetched. */
  leftBytes = 0;
  /** Fetched of other files than it began with, ever. */
  fetchedBytes = 0;
  #queue: number[] = [];
  /** Of the first of the queue. */
  #headBytes = 0;

  constructor(plan: FleetVolunteerPlan, context: FleetVolunteerContext) {
    this.plan = plan;
    this.#context = context;
    this.customers = new CustomerLine(context.clock, plan.upBytesPerSecond);
    this.holdings = new FleetHoldings(context.places);
  }

  /** What it fetches next; undefined if it has everything. */
  get head(): number | undefined {
    return this.#queue[0];
  }

  /** It has bytes to give to others: whole files, or pieces of one. */
  get hasAnything(): boolean {
    return this.#headBytes > 0 || this.#heldCount > 0 || this.#staged.size > 0;
  }

  #heldCount = 0;

  /** For customers, or for peers only. */
  hasWhole(file: number): boolean {
    return this.holdings.has(file) || this.#staged.has(file);
  }

  /** Has them from now on, without a transfer. */
  fill(files: readonly number[]): void {
    for (const file of files) this.#hold(file, true);
  }

  /** What it is to have changed: drops the rest, and queues what is missing, the newest release first, by bundle, within one in an order of its own. */
  retarget(wanted: readonly number[]): void {
    const isWanted = new Set(wanted);
    const first = this.head;
    this.#context.files.forEach((_, file) => {
      if (!isWanted.has(file) && this.holdings.has(file)) this.#hold(file, false);
    });
    for (const file of this.#staged) if (!isWanted.has(file)) this.#staged.delete(file);
    const missing = wanted.filter((file) => !this.hasWhole(file));
    const keyed = missing.map((file) => {
      const key = file === first ? -1 : this.#context.bundleOf[file]! + this.#context.random();
      return [key, file] as const;
    });
    const releaseOf = (file: number): number => (file === first ? Infinity : this.#context.files[file]!.release);
    const newestFirst = (a: number, b: number): number =>
      releaseOf(a) === releaseOf(b) ? 0 : releaseOf(b) - releaseOf(a);
    this.#queue = keyed.sort(([a, x], [b, y]) => newestFirst(x, y) || a - b).map(([, file]) => file);
    if (this.head !== first) this.#headBytes = 0;
    this.leftBytes = this.#queue.reduce((sum, file) => sum + this.#context.files[file]!.bytes, 0) - this.#headBytes;
    this.#holdWhole();
  }

  /** Bytes of the queue came. @returns files that are whole by them */
  receive(bytes: number): readonly number[] {
    const done: number[] = [];
    this.fetchedBytes += Math.min(bytes, this.leftBytes);
    this.leftBytes = Math.max(0, this.leftBytes - bytes);
    this.#headBytes += bytes;
    for (;;) {
      const file = this.#queue[0];
      if (file === undefined) this.#headBytes = 0;
      // Floating point must not leave a byte of the last file for ever.
      if (file === undefined || (this.#headBytes < this.#context.files[file]!.bytes && this.leftBytes > 0.5)) break;
      this.#queue.shift();
      this.#headBytes = Math.max(0, this.#headBytes - this.#context.files[file]!.bytes);
      this.#staged.add(file);
      done.push(file);
    }
    if (this.#queue.length === 0) this.leftBytes = 0;
    if (done.length > 0) this.#holdWhole();
    return done;
  }

  /** For its announces. */
  state(): MirrorState {
    return {
      release: this.leftBytes > 0 ? Math.max(1, this.releases - 1) : this.releases,
      isSyncing: this.leftBytes > 0,
      bytesLeft: this.leftBytes,
      customers: this.customers.customers,
      customerBytesLeft: this.customers.customerBytesLeft,
      holdings: this.holdings.report(),
    };
  }

  /** The bundle that is being fetched is that of the next file. */
  #holdWhole(): void {
    const { bundleOf } = this.#context;
    const underWay = this.head === undefined ? undefined : bundleOf[this.head];
    for (const file of this.#staged) {
      if (bundleOf[file] === underWay) continue;
      this.#staged.delete(file);
      this.#hold(file, true);
    }
  }

  #hold(file: number, isHeld: boolean): void {
    if (this.holdings.has(file) !== isHeld) this.#heldCount += isHeld ? 1 : -1;
    this.holdings.set(file, isHeld);
  }
}
