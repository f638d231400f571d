import type { CancelTimer, Random } from "../core/clock.ts";
import { jitteredIntervalSeconds } from "../tracker/announce-answer.ts";
import type { HoldingsReport } from "../tracker/holdings.ts";
import type { VolunteerAnnounce } from "../tracker/volunteer-announce.ts";
import { SYNCING_INTERVALS_MS } from "./syncing-intervals.ts";
import type { VirtualClock } from "./virtual-clock.ts";

const REPOSITORY = "51".repeat(16);

/** What an announce says of a mirror. */
export interface MirrorState {
  readonly release: number;
  readonly isSyncing: boolean;
  /** Of its synchronisation. */
  readonly bytesLeft: number;
  readonly customers: number;
  readonly customerBytesLeft: number;
  readonly holdings: HoldingsReport;
}

export interface MirrorAnnouncerOptions {
  readonly id: string;
  readonly site?: string | undefined;
  readonly upBytesPerSecond: number;
  readonly intervalMs: number;
  readonly random: Random;
  readonly state: () => MirrorState;
  /** Tells the tracker. */
  readonly announce: (id: string, announce: VolunteerAnnounce) => void;
}

/** The announces of a daemon at the moments at which a daemon sends them. */
export class MirrorAnnouncer {
  readonly #clock: VirtualClock;
  readonly #options: MirrorAnnouncerOptions;
  /** At the last announce. */
  #isSyncing = false;
  #syncAnnounces = 0;
  #cancelNext: CancelTimer = () => undefined;
  #cancelFirst: CancelTimer = () => undefined;

  constructor(clock: VirtualClock, options: MirrorAnnouncerOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  /** Announces from now on. Daemons were not all started at the same moment. */
  start(): void {
    this.announce("started");
    this.#cancelFirst = this.#clock.schedule(this.#options.random() * this.#options.intervalMs, () => this.announce());
  }

  /** A synchronisation began: announces come fast at first. */
  syncStarted(): void {
    this.#syncAnnounces = 0;
    this.announce();
  }

  announce(event?: "started" | "completed"): void {
    this.#cancelNext();
    this.#options.announce(this.#options.id, this.#announceOf(event));
    this.#cancelNext = this.#clock.schedule(this.#nextMs(), () => this.announce());
  }

  /** The machine is gone, without a farewell. */
  stop(): void {
    this.#cancelFirst();
    this.#cancelNext();
  }

  /** As `edge/announcer.ts` does it while peers come and go; central spreads the interval. */
  #nextMs(): number {
    const { intervalMs, random } = this.#options;
    const spreadMs = jitteredIntervalSeconds(intervalMs, random) * 1000;
    if (!this.#isSyncing) return spreadMs;
    const soonMs = SYNCING_INTERVALS_MS[this.#syncAnnounces++] ?? SYNCING_INTERVALS_MS.at(-1)!;
    return Math.min(soonMs, spreadMs);
  }

  #announceOf(event: VolunteerAnnounce["event"]): VolunteerAnnounce {
    const { id, site, upBytesPerSecond, state } = this.#options;
    const { release, isSyncing, bytesLeft, customers, customerBytesLeft, holdings } = state();
    this.#isSyncing = isSyncing;
    return {
      peerId: id,
      port: 7382,
      uploadedBytes: 0,
      downloadedBytes: 0,
      leftBytes: Math.round(bytesLeft),
      event,
      repository: REPOSITORY,
      release,
      isSyncing,
      bytesLeft: Math.round(bytesLeft),
      customers,
      customerBytesLeft: Math.round(customerBytesLeft),
      uploadBytesPerSecond: 0,
      uploadCapacityBytesPerSecond: Math.round(upBytesPerSecond),
      site,
      url: `http://${id}.example.org`,
      customersFrom: "any",
      isOnlyRedirected: false,
      volatileQuotaBytes: undefined,
      isByName: false,
      expectedMs: undefined,
      border: undefined,
      transfers: undefined,
      known: undefined,
      holdings,
    };
  }
}
