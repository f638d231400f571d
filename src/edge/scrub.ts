import { displayPath, type RepoPath } from "../core/repo-path.ts";
import { scrubDueMs, type ScrubRound, scrubWork } from "../plan/scrub-pace.ts";
import type { Mirror } from "./mirror.ts";
import { verifyFile } from "./verify-held.ts";
import { Waker } from "./waker.ts";

/** Plain data, so that a restart goes on where the last run was. */
interface SavedRound extends ScrubRound {
  /** Last path that was read; "" at the beginning. */
  readonly after: string;
}

/** At least as often the clock and the mirror are looked at again. */
const LONGEST_PAUSE_MS = 3_600_000;
/** What a sync is doing to the disk has precedence. */
const PAUSE_IN_SYNC_MS = 10_000;
const SAVE_INTERVAL_MS = 60_000;

/** Reads every file that the mirror holds once in a period, evenly spread, for disks forget without telling. */
export class Scrub {
  readonly #mirror: Mirror;
  readonly #periodMs: number;
  readonly #onBad: () => void;
  readonly #waker: Waker;
  readonly #signal: AbortSignal;
  #lastSaveMs = -Infinity;

  /** @param on.onBad called when a file turned out to be wrong and was noted for the next sync */
  constructor(mirror: Mirror, periodMs: number, on: { readonly signal: AbortSignal; readonly onBad: () => void }) {
    this.#mirror = mirror;
    this.#periodMs = periodMs;
    this.#onBad = on.onBad;
    this.#signal = on.signal;
    this.#waker = new Waker(mirror.ports.clock);
  }

  /** Returns once the signal aborts. */
  async run(): Promise<void> {
    let round = this.#load();
    let last = { work: 0, endMs: this.#now() };
    try {
      while (!this.#signal.aborted) {
        await this.#pauseUntil(scrubDueMs(round, last, this.#periodMs));
        if (this.#signal.aborted) return;
        const path = this.#mirror.index.files.after(round.after as RepoPath);
        if (path === undefined) round = await this.#nextRound(round);
        else {
          const work = await this.#read(path);
          last = { work, endMs: this.#now() };
          round = { ...round, after: path, doneWork: round.doneWork + work };
        }
        this.#save(round);
      }
    } finally {
      this.#store(round);
    }
  }

  async #nextRound(done: SavedRound): Promise<SavedRound> {
    this.#mirror.ports.log.info({}, "every file was read, the next round begins in its time");
    await this.#pauseUntil(done.sinceMs + this.#periodMs);
    return this.#newRound();
  }

  /** @returns what it cost */
  async #read(path: RepoPath): Promise<number> {
    const { index, ports } = this.#mirror;
    const record = index.files.get(path);
    if (record === undefined) return 0;
    // What is known to be wrong waits for a sync already.
    if (index.manifest.entry(path) !== undefined && !index.files.isPending(path)) {
      const verdict = await verifyFile(path, record.content, { ...this.#mirror, signal: this.#signal });
      if (verdict !== "intact") {
        ports.log.warn({ path: displayPath(path), verdict }, "a file is not what it was");
        if (index.files.isPending(path)) this.#onBad();
      }
    }
    return scrubWork(1, record.stat.size);
  }

  async #pauseUntil(dueMs: number): Promise<void> {
    const { situation } = this.#mirror;
    while (!this.#signal.aborted) {
      const leftMs = dueMs - this.#now();
      const { isSyncing } = situation.load;
      if (leftMs <= 0 && !isSyncing) return;
      await this.#waker.pause(isSyncing ? PAUSE_IN_SYNC_MS : Math.min(leftMs, LONGEST_PAUSE_MS), this.#signal);
    }
  }

  #now(): number {
    return this.#mirror.ports.clock.wallMs();
  }

  #newRound(): SavedRound {
    const { files, bytes } = this.#mirror.index.files.totals();
    return { sinceMs: this.#now(), doneWork: 0, totalWork: scrubWork(files, bytes), after: "" };
  }

  #load(): SavedRound {
    const told = this.#mirror.index.facts.get("scrubRound");
    if (told === undefined) return this.#newRound();
    // Written by this program into its own index, and lost with it. A clock that was put back would stop it for long.
    const saved = JSON.parse(told) as SavedRound;
    return { ...saved, sinceMs: Math.min(saved.sinceMs, this.#now()) };
  }

  #save(round: SavedRound): void {
    if (this.#now() - this.#lastSaveMs < SAVE_INTERVAL_MS) return;
    this.#lastSaveMs = this.#now();
    this.#store(round);
  }

  #store(round: SavedRound): void {
    this.#mirror.index.facts.set("scrubRound", JSON.stringify(round));
  }
}
