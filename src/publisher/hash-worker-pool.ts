import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { PublisherError } from "./errors.ts";
import type { HashBatch, HashBatchResult } from "./hash-worker.ts";

interface Waiting {
  readonly batch: HashBatch;
  readonly resolve: (result: HashBatchResult) => void;
  readonly reject: (error: Error) => void;
}

/** More threads than this only fight for the disk; two read ahead of each other even on one core. */
const MAX_THREADS = 8;
/** What a thread makes is sent at once and garbage then: more room only lets more of it lie about. */
const MAX_YOUNG_MEGABYTES = 8;

/**
 * Threads that hash files. One batch per thread at a time, the rest waits in order. A thread that dies fails the
 * batch it had and all that wait.
 */
export class HashWorkerPool implements AsyncDisposable {
  readonly size: number;
  readonly #idle: Worker[] = [];
  readonly #all: Worker[] = [];
  readonly #busy = new Map<Worker, Waiting>();
  readonly #queue: Waiting[] = [];
  #failure: Error | undefined;

  constructor(size: number = Math.min(MAX_THREADS, Math.max(2, availableParallelism()))) {
    this.size = size;
  }

  /** @throws PublisherError `hash-worker-failed` if a thread died */
  hash(batch: HashBatch): Promise<HashBatchResult> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      this.#queue.push({ batch, resolve, reject });
      this.#dispatch();
    });
  }

  #dispatch(): void {
    while (this.#queue.length > 0) {
      const worker = this.#idle.pop() ?? this.#start();
      if (worker === undefined) return;
      const waiting = this.#queue.shift()!;
      this.#busy.set(worker, waiting);
      worker.postMessage(waiting.batch);
    }
  }

  #start(): Worker | undefined {
    if (this.#all.length >= this.size) return undefined;
    const worker = startHashWorker();
    this.#all.push(worker);
    worker.on("message", (result: HashBatchResult) => {
      const waiting = this.#busy.get(worker);
      this.#busy.delete(worker);
      this.#idle.push(worker);
      this.#dispatch();
      waiting?.resolve(result);
    });
    worker.on("error", (error) => this.#fail(error));
    worker.on("exit", (code) => this.#fail(new Error(`exit code ${code}`)));
    return worker;
  }

  #fail(cause: unknown): void {
    this.#failure ??= new PublisherError("hash-worker-failed", "a hashing thread died", { cause });
    for (const { reject } of this.#busy.values()) reject(this.#failure);
    for (const { reject } of this.#queue.splice(0)) reject(this.#failure);
    this.#busy.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#failure ??= new PublisherError("hash-worker-failed", "the hashing threads were stopped");
    await Promise.all(this.#all.map((worker) => worker.terminate()));
  }
}

/** The one place that starts threads: `.ts` where types are stripped in development, `.js` in dist. */
function startHashWorker(): Worker {
  const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
  const resourceLimits = { maxYoungGenerationSizeMb: MAX_YOUNG_MEGABYTES };
  return new Worker(new URL(`./hash-worker${extension}`, import.meta.url), { resourceLimits });
}
