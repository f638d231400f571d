import type { Clock } from "../core/clock.ts";
import type { RepoPath } from "../core/repo-path.ts";
import { displayPath } from "../core/repo-path.ts";
import type { ConfinedDirectory } from "../store/confined-directory.ts";
import type { FileToHash, PendingChanges } from "../store/publish-index-pending.ts";
import type { PublishIndex } from "../store/publish-index.ts";
import type { HashOutcome, HashSettings } from "./hash-file.ts";
import type { HashWorkerPool } from "./hash-worker-pool.ts";
import type { HashRecorder } from "./record-hashed.ts";

/** What hashing needs. */
export interface HashContext {
  readonly root: ConfinedDirectory;
  readonly index: PublishIndex;
  readonly pending: PendingChanges;
  readonly recorder: HashRecorder;
  readonly pool: HashWorkerPool;
  readonly settings: HashSettings;
  readonly clock: Clock;
  readonly onHash: (doneBytes: number, totalBytes: number, files: number) => void;
  readonly warn: (line: string) => void;
}

/** One message to a thread carries so many small files or so many bytes. */
const BATCH_FILES = 64;
const BATCH_BYTES = 4 * 1024 * 1024;
/** Readings of a file that changes meanwhile, and the pause before each further one (C08). */
const MAX_ATTEMPTS = 4;
const PAUSE_MS = 250;
/** Results between two commits: what a kill costs. */
const COMMIT_EVERY = 500;

/**
 * Reads every file that may have changed and records what it holds. A file that changes while it is read is tried
 * again; after that it is marked as failed in `pending`, for settle-failures.ts.
 * @returns files and bytes read
 */
export async function hashChanged(context: HashContext): Promise<{ readonly files: number; readonly bytes: number }> {
  const run = new HashRun(context);
  await run.hash(context.pending.filesToHash(false));
  // Members of hard-link groups whose first path could not speak for them.
  await run.hash(context.pending.filesToHash(true));
  for (let attempt = 2; attempt <= MAX_ATTEMPTS && run.toRetry.length > 0; attempt++) {
    await pause(context.clock);
    await run.hash(run.takeRetries());
  }
  run.giveUp();
  return { files: run.files, bytes: run.bytes };
}

class HashRun {
  readonly #context: HashContext;
  readonly #totalBytes: number;
  readonly #root: string;
  toRetry: { readonly file: FileToHash; readonly why: "changed" | "vanished" }[] = [];
  files = 0;
  bytes = 0;
  #uncommitted = 0;

  constructor(context: HashContext) {
    this.#context = context;
    this.#totalBytes = context.pending.workLeft().bytes;
    using pinned = context.root.pinDirectory(undefined);
    this.#root = pinned.procPath;
  }

  takeRetries(): FileToHash[] {
    return this.toRetry.splice(0).map(({ file }) => file);
  }

  async hash(files: Iterable<FileToHash>): Promise<void> {
    const { database } = this.#context.index;
    const waiting = new Set(this.toRetry.map(({ file }) => file.path));
    const inFlight = new Set<Promise<void>>();
    database.exec("BEGIN IMMEDIATE");
    try {
      for (const batch of batchesOf(files)) {
        const fresh = batch.filter((file) => !waiting.has(file.path));
        const task = this.#hashBatch(fresh);
        inFlight.add(task);
        // One that failed stays, so that whoever waits next hears of it.
        task.then(
          () => inFlight.delete(task),
          () => undefined,
        );
        // Twice as many as threads, so that none waits for the next message.
        if (inFlight.size >= 2 * this.#context.pool.size) await Promise.race(inFlight);
      }
      await Promise.all(inFlight);
    } finally {
      await Promise.allSettled(inFlight);
      database.exec("COMMIT");
    }
  }

  async #hashBatch(files: readonly FileToHash[]): Promise<void> {
    if (files.length === 0) return;
    const { pool, settings } = this.#context;
    const outcomes = await pool.hash({ root: this.#root, settings, paths: files.map((file) => file.path) });
    files.forEach((file, i) => this.#accept(file, outcomes[i]!));
    this.#context.onHash(this.bytes, Math.max(this.bytes, this.#totalBytes), this.files);
    if (this.#uncommitted < COMMIT_EVERY) return;
    this.#uncommitted = 0;
    this.#context.index.database.exec("COMMIT; BEGIN IMMEDIATE");
  }

  #accept(file: FileToHash, outcome: HashOutcome): void {
    this.#uncommitted++;
    switch (outcome.outcome) {
      case "hashed":
        this.files++;
        this.bytes += Number(outcome.stats.size);
        if (!this.#context.recorder.record(file, outcome)) this.toRetry.push({ file, why: "changed" });
        return;
      case "unreadable":
        this.#context.pending.fail(file.path, `can't be read: ${outcome.reason}`);
        return;
      case "changed":
      case "vanished":
        this.toRetry.push({ file, why: outcome.outcome });
    }
  }

  giveUp(): void {
    for (const { file, why } of this.toRetry.splice(0)) {
      if (why === "changed") this.#context.pending.fail(file.path, "changed again and again while it was read");
      else this.#leaveOut(file.path);
    }
  }

  /** Deleted, or replaced by something else, after the scan: the next publish sees what it is then. */
  #leaveOut(path: RepoPath): void {
    this.#context.warn(`"${displayPath(path)}" vanished while it was published and is left out`);
    this.#context.pending.leaveOut(path);
  }
}

function* batchesOf(files: Iterable<FileToHash>): Generator<FileToHash[]> {
  let batch: FileToHash[] = [];
  let bytes = 0;
  for (const file of files) {
    batch.push(file);
    bytes += file.size;
    if (batch.length < BATCH_FILES && bytes < BATCH_BYTES) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}

function pause(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.schedule(PAUSE_MS, resolve));
}
