import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { isSystemError, messageOf } from "../core/errors.ts";
import { DeltaError } from "../delta/errors.ts";
import type { MatchedRun } from "../delta/match-search.ts";
import { StoreError } from "../store/errors.ts";
import { SyncError } from "./errors.ts";
import type { SearchAnswer, SearchTask, UnreadableBasis } from "./search-worker.ts";

/** What to look for, and where. */
export interface BasisSearch {
  /** Encoded block signature, as it came. */
  readonly signature: Uint8Array;
  /** Of the target, from the signed manifest. */
  readonly contentLength: number;
  /** Open basis files, best first; not closed before the search ended. */
  readonly bases: readonly { readonly fd: number }[];
}

/** Which parts of the target lie where: hints, to be checked by piece and content hashes. */
export interface FoundMatches {
  /** Ascending by target offset, disjoint; `basis` counts from 0 in the order given. */
  readonly runs: readonly MatchedRun[];
  readonly unreadable: readonly UnreadableBasis[];
}

interface Waiting {
  readonly task: SearchTask;
  readonly signal: AbortSignal;
  readonly resolve: (found: FoundMatches) => void;
  readonly reject: (error: unknown) => void;
}

/** A search takes one core; more of them at once would take the disk from the customers. */
const MAX_THREADS = 2;
/** What it makes serves one search: left to itself V8 lets over 100 MB of garbage lie about. */
const MAX_YOUNG_MEGABYTES = 16;

/**
 * Threads that search basis files, so that a daemon goes on answering. They are started when first needed, keep no
 * process alive, and serve all syncs of a mirror in turn. A thread that dies fails the search it had; the next search
 * starts another.
 */
export class SearchPool implements AsyncDisposable {
  readonly #size: number;
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Waiting>();
  readonly #queue: Waiting[] = [];
  #isResting = false;
  #isClosed = false;

  constructor(size: number = Math.min(MAX_THREADS, Math.max(1, availableParallelism() - 1))) {
    this.#size = size;
  }

  /**
   * Searches the bases in the order given; stops early once all of the target was found. A basis that can't be read or
   * changes meanwhile costs matches, nothing else.
   * @throws DeltaError for a signature that can't be used; SyncError `search-failed` if the thread died; StoreError
   * `kernel-missing`; the signal's reason
   */
  async search({ signature, contentLength, bases }: BasisSearch, signal: AbortSignal): Promise<FoundMatches> {
    signal.throwIfAborted();
    const stop = new Int32Array(new SharedArrayBuffer(4));
    const task: SearchTask = { signature, contentLength, bases: bases.map(({ fd }) => fd), stop };
    const { promise, resolve, reject } = Promise.withResolvers<FoundMatches>();
    const waiting: Waiting = { task, signal, resolve, reject };
    const abort = (): void => this.#abort(waiting);
    signal.addEventListener("abort", abort);
    this.#queue.push(waiting);
    this.#isResting = false;
    this.#dispatch();
    try {
      return await promise;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** A search that runs ends at its next window: until then it reads from its descriptors. */
  #abort(waiting: Waiting): void {
    Atomics.store(waiting.task.stop, 0, 1);
    const place = this.#queue.indexOf(waiting);
    if (place < 0) return;
    this.#queue.splice(place, 1);
    waiting.reject(waiting.signal.reason);
  }

  #dispatch(): void {
    if (this.#isClosed) {
      for (const { reject } of this.#queue.splice(0)) reject(stoppedError());
    }
    while (this.#queue.length > 0 && this.#busy.size < this.#size) {
      const worker = this.#idle.pop() ?? this.#start();
      const waiting = this.#queue.shift()!;
      this.#busy.set(worker, waiting);
      worker.ref();
      worker.postMessage(waiting.task);
    }
  }

  #start(): Worker {
    const worker = startSearchWorker();
    worker.on("message", (answer: SearchAnswer) => {
      const waiting = this.#release(worker);
      worker.unref();
      if (this.#isResting) void worker.terminate();
      else this.#idle.push(worker);
      if (waiting !== undefined) settle(waiting, answer);
      this.#dispatch();
    });
    worker.on("error", (error) => this.#bury(worker, error));
    worker.on("exit", (code) => this.#bury(worker, new Error(`exit code ${code}`)));
    return worker;
  }

  #release(worker: Worker): Waiting | undefined {
    const waiting = this.#busy.get(worker);
    this.#busy.delete(worker);
    return waiting;
  }

  #bury(worker: Worker, cause: unknown): void {
    const place = this.#idle.indexOf(worker);
    if (place >= 0) this.#idle.splice(place, 1);
    this.#release(worker)?.reject(this.#isClosed ? stoppedError() : searchError(cause));
    this.#dispatch();
  }

  /** Ends the threads that have nothing to do, the others once they are done, unless more comes. */
  rest(): void {
    this.#isResting = true;
    for (const worker of this.#idle.splice(0)) void worker.terminate();
  }

  /** Searches that run are ended; who waits for one learns that it was stopped. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#dispatch();
    await Promise.all([...this.#idle, ...this.#busy.keys()].map((worker) => worker.terminate()));
  }
}

function settle({ signal, resolve, reject }: Waiting, answer: SearchAnswer): void {
  switch (answer.outcome) {
    case "searched":
      resolve({ runs: answer.runs, unreadable: answer.unreadable });
      return;
    case "bad-signature":
      reject(new DeltaError(answer.code, answer.message));
      return;
    case "stopped":
      reject(signal.reason);
  }
}

function stoppedError(): SyncError {
  return new SyncError("stopping", "the search threads are stopped");
}

/** Errors lose their class on the way between threads, not their code. */
function searchError(cause: unknown): Error {
  if (isSystemError(cause, "kernel-missing")) return new StoreError("kernel-missing", messageOf(cause), { cause });
  return new SyncError("search-failed", `a thread that searches basis files died: ${messageOf(cause)}`, { cause });
}

/** The one place that starts threads of a mirror: `.ts` where types are stripped in development, `.js` in dist. */
function startSearchWorker(): Worker {
  const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
  const resourceLimits = { maxYoungGenerationSizeMb: MAX_YOUNG_MEGABYTES };
  return new Worker(new URL(`./search-worker${extension}`, import.meta.url), { resourceLimits });
}
