import type { CancelTimer } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { SyncSummary } from "../report/sync-summary.ts";
import { StoreError } from "../store/errors.ts";
import { isIndexDamaged } from "../store/mirror-index-schema.ts";
import { SyncError } from "./errors.ts";
import { firstPollDelayMs, nextPollDelayMs, retryDelayMs } from "./polling.ts";
import { releaseEvents } from "./release-events.ts";
import { runSync, type SyncOutcome } from "./sync-job.ts";
import type { SyncOptions } from "./sync-options.ts";
import { SILENT_PROGRESS, type SyncProgress } from "./sync-progress.ts";
import type { Mirror } from "./mirror.ts";
import { Scrub } from "./scrub.ts";
import { isWholeReleaseVerified } from "./verified-release.ts";
import { verifyAdopted } from "./verify-held.ts";
import { Waker } from "./waker.ts";

export interface DaemonOptions {
  /** Between two polls of central, milliseconds; events come in between. */
  readonly pollIntervalMs: number;
  /** Poll at once after the start, overdue or not. */
  readonly isImmediate: boolean;
  readonly sync: SyncOptions;
  /** Read every file again within so many milliseconds; left out: never. */
  readonly scrubPeriodMs?: number;
  /** Runs a sync and whatever belongs before and after it; left out: the sync alone. */
  readonly synchronise?: typeof runSync;
}

/** Whom a daemon tells what it did. */
export interface DaemonReport {
  onSynced(outcome: SyncOutcome): void;
  onFailed(error: unknown, retryInMs: number): void;
}

/** A file that turned out changed is seldom alone, and may be written to still: mend them together. */
const MEND_DELAY_MS = 5_000;

interface SyncOrder {
  readonly progress: SyncProgress;
  readonly resolve: (summary: SyncOutcome) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Follows the releases of central until its signal aborts: by events, by polling, when the tracker tells of a release, when a
 * file turns out changed, and when a person asks. One sync at a time; a central that is down is retried for ever.
 */
export class MirrorDaemon {
  readonly #mirror: Mirror;
  readonly #options: DaemonOptions;
  readonly #report: DaemonReport;
  readonly #waker: Waker;
  #orders: SyncOrder[] = [];
  #pushedTimestamp: Uint8Array | undefined;
  /** What the last event since then told; an event is not signed, so it counts for one try. */
  #pushedRelease = 0;
  /** The release that made the last try impossible, 0 none. */
  #refusedRelease = 0;
  #failures = 0;
  #isSyncing = false;
  #verifying: Promise<void> | undefined;
  /** Files that were believed by size and time are there since {@link #verifying} began to look. */
  #hasAdopted = false;
  /** What {@link #verifying} found was not said, because a sync was under way. */
  #isVerdictOwed = false;
  #cancelMending: CancelTimer | undefined;
  /** Files turned out to be wrong since the last sync began. */
  #isMendingDue = false;
  #lastSummary: SyncSummary | undefined;
  #lastError: string | undefined;
  /** Ends what runs beside the syncs. */
  readonly #end = new AbortController();
  readonly #signal: AbortSignal;

  constructor(mirror: Mirror, options: DaemonOptions, report: DaemonReport) {
    this.#mirror = mirror;
    this.#options = options;
    this.#report = report;
    this.#signal = AbortSignal.any([mirror.ports.signal, this.#end.signal]);
    this.#waker = new Waker(mirror.ports.clock);
  }

  get lastSummary(): SyncSummary | undefined {
    return this.#lastSummary;
  }

  /** Why the last try failed; undefined if it did not. */
  get lastError(): string | undefined {
    return this.#lastError;
  }

  /** A person asks to sync now. */
  syncNow(progress: SyncProgress): Promise<SyncOutcome> {
    return new Promise((resolve, reject) => {
      this.#orders.push({ progress, resolve, reject });
      this.#waker.wake();
    });
  }

  /** Returns once the signal aborts. @throws StoreError `index-damaged`, `staging-removed`: the next start makes anew what is lost */
  async run(): Promise<void> {
    const { signal } = this.#mirror.ports;
    const stop = (): void => this.#waker.wake();
    signal.addEventListener("abort", stop);
    const following = [this.#followEvents(), this.#scrub()];
    try {
      await this.#syncAlways();
    } finally {
      signal.removeEventListener("abort", stop);
      this.#end.abort(stopping());
      this.#cancelMending?.();
      for (const order of this.#orders.splice(0)) order.reject(stopping());
      await Promise.all([...following, this.#verifying]);
    }
  }

  async #syncAlways(): Promise<void> {
    const { signal, clock, random } = this.#mirror.ports;
    const { situation, index } = this.#mirror;
    situation.onNews = () => this.#waker.wake();
    situation.onChanged = () => this.#mendSoon();
    const first = {
      lastPollMs: index.facts.get("lastPollMs"),
      nowMs: clock.wallMs(),
      intervalMs: this.#options.pollIntervalMs,
    };
    const delayMs = this.#options.isImmediate || this.#hasWork() ? 0 : firstPollDelayMs(first, random);
    let nextMs = clock.monotonicMs() + delayMs;
    while (!signal.aborted) {
      await this.#waker.sleep(Math.max(0, nextMs - clock.monotonicMs()));
      if (signal.aborted) break;
      if (this.#isDue(nextMs)) nextMs = clock.monotonicMs() + (await this.#syncOnce());
    }
  }

  /** False if what woke us was settled by the sync that ran meanwhile: a release is told by event, announce and poll. */
  #isDue(nextMs: number): boolean {
    const { ports, situation } = this.#mirror;
    const isTime = ports.clock.monotonicMs() >= nextMs;
    const toldRelease = Math.max(situation.announcedRelease, this.#pushedRelease);
    const isNewer = toldRelease > this.#settledRelease;
    return isTime || isNewer || this.#isMendingDue || this.#orders.length > 0;
  }

  /** What the last run left to do, or other options than it went by: that can't wait for the next poll. */
  #hasWork(): boolean {
    const { index, selected } = this.#mirror;
    const selectsOthers = selected.isNew || index.facts.get("lastWholeWalkMs") === 0;
    return selectsOthers || index.files.pending().length > 0 || index.manifest.next() !== undefined;
  }

  /** @returns how long to wait until the next try */
  async #syncOnce(): Promise<number> {
    const { random, log } = this.#mirror.ports;
    const orders = this.#orders.splice(0);
    const pushedTimestamp = this.#pushedTimestamp;
    this.#pushedTimestamp = undefined;
    this.#pushedRelease = 0;
    this.#isSyncing = true;
    this.#isMendingDue = false;
    try {
      const progress = orders[0]?.progress ?? SILENT_PROGRESS;
      const { sync, synchronise = runSync } = this.#options;
      const outcome = await synchronise(this.#mirror, { ...sync, pushedTimestamp }, progress);
      this.#lastSummary = outcome.summary;
      this.#lastError = undefined;
      for (const order of orders) order.resolve(outcome);
      this.#report.onSynced(outcome);
      this.#afterSync(outcome);
      const nextPollMs = nextPollDelayMs(this.#options.pollIntervalMs, random);
      if (outcome.failures.length > 0) return Math.min(nextPollMs, retryDelayMs(++this.#failures, random));
      this.#failures = 0;
      return nextPollMs;
    } catch (error) {
      const isEnding = this.#mirror.ports.signal.aborted;
      for (const order of orders) order.reject(isEnding ? stopping() : error);
      if (isEnding) return 0;
      // Each further try would read the same damaged pages, or write to a directory that is gone; a new start has others.
      if (isIndexDamaged(error) || isStagingRemoved(error)) throw error;
      const retryInMs = this.#retryInMs(error);
      this.#lastError = messageOf(error);
      this.#report.onFailed(error, retryInMs);
      log.debug({ reason: messageOf(error) }, "sync failed");
      if (this.#isVerdictOwed) this.#startVerifying();
      return retryInMs;
    } finally {
      this.#isSyncing = false;
    }
  }

  /** What the release itself makes impossible is not tried again with it before the next poll. */
  #retryInMs(error: unknown): number {
    const { ports, index } = this.#mirror;
    if (!isTooSmall(error)) return retryDelayMs(++this.#failures, ports.random);
    this.#failures = 0;
    // Not the newest that was told of: that may be one of which an announce told meanwhile.
    this.#refusedRelease = index.manifest.next()?.release ?? 0;
    return nextPollDelayMs(this.#options.pollIntervalMs, ports.random);
  }

  /** A later one than this is news. */
  get #settledRelease(): number {
    return Math.max(this.#refusedRelease, this.#mirror.index.facts.get("heldRelease") ?? 0);
  }

  /** Tells the tracker, and begins to look at what was only believed so far; that may take hours, releases do not wait for it. */
  #afterSync(outcome: SyncOutcome): void {
    const { announcer, index } = this.#mirror;
    void announcer.announceNow(outcome.summary.previous === outcome.summary.release ? undefined : "completed");
    if (index.files.hasUnverified() || this.#isVerdictOwed) this.#startVerifying();
  }

  #startVerifying(): void {
    this.#hasAdopted = true;
    this.#verifying ??= this.#verifyBelieved().finally(() => {
      this.#verifying = undefined;
    });
  }

  async #verifyBelieved(): Promise<void> {
    const { announcer, index, holdings, ports, selected } = this.#mirror;
    try {
      let wrong = 0;
      let isComplete = false;
      this.#isVerdictOwed = false;
      while (this.#hasAdopted) {
        this.#hasAdopted = false;
        wrong += await verifyAdopted(this.#mirror, this.#signal);
        isComplete = await isWholeReleaseVerified(index, selected.selection, this.#signal);
      }
      // A sync under way may have settled it before this was known, and be at its hooks.
      if (this.#isSyncing) this.#isVerdictOwed = true;
      else holdings.isComplete = isComplete;
      if (wrong > 0) this.#mend();
      void announcer.announceNow();
    } catch (error) {
      if (this.#signal.aborted) return;
      ports.log.warn({ reason: messageOf(error) }, "looking at adopted files failed, the next sync goes on");
    }
  }

  /** A scrub that fails, on a full disk for instance, ends no daemon. */
  async #scrub(): Promise<void> {
    const { scrubPeriodMs } = this.#options;
    if (scrubPeriodMs === undefined) return;
    const { ports } = this.#mirror;
    const on = { signal: this.#signal, onBad: (): void => this.#mendSoon() };
    while (!this.#signal.aborted) {
      try {
        await new Scrub(this.#mirror, scrubPeriodMs, on).run();
      } catch (error) {
        if (this.#signal.aborted) return;
        ports.log.warn({ reason: messageOf(error) }, "the scrub failed, it goes on later");
        await this.#waker.pause(retryDelayMs(1, ports.random), this.#signal);
      }
    }
  }

  #mendSoon(): void {
    this.#cancelMending ??= this.#mirror.ports.clock.schedule(MEND_DELAY_MS, () => {
      this.#cancelMending = undefined;
      this.#mend();
    });
  }

  #mend(): void {
    this.#isMendingDue = true;
    this.#waker.wake();
  }

  async #followEvents(): Promise<void> {
    const { ports, http, identity, situation } = this.#mirror;
    let failures = 0;
    while (!this.#signal.aborted) {
      try {
        for await (const event of releaseEvents(http, identity.centralUrl, this.#signal)) {
          failures = 0;
          const isUnderWay = this.#isSyncing && event.release <= situation.announcedRelease;
          if (isUnderWay || event.release <= this.#settledRelease) continue;
          await this.#waker.pause(ports.random() * event.spreadMs, this.#signal);
          this.#pushedTimestamp = event.timestamp;
          this.#pushedRelease = event.release;
          this.#waker.wake();
        }
      } catch (error) {
        if (this.#signal.aborted) return;
        ports.log.debug({ reason: messageOf(error) }, "event stream ended");
      }
      await this.#waker.pause(retryDelayMs(++failures, ports.random), this.#signal);
    }
  }
}

function isTooSmall(error: unknown): boolean {
  return error instanceof SyncError && error.code === "quota-too-small";
}

function isStagingRemoved(error: unknown): boolean {
  return error instanceof StoreError && error.code === "staging-removed";
}

function stopping(): SyncError {
  return new SyncError("stopping", "the running daemon was asked to end");
}
