import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { StoreError } from "./errors.ts";
import { StagingTaskRunner, type StagingTask, type StagingTaskResult } from "./staging-task.ts";
import { BATCH_BYTES, isSmallWhole, packSmallFiles, unpackOutcomes } from "./small-file-batch.ts";
import type { StagingAnswers, StagingWork } from "./staging-thread.ts";

/** More only fight for the disk. */
const MAX_THREADS: number = Math.min(4, availableParallelism());
/** So much is done on the spot before threads are worth their start (30 ms and 10 MB each). */
const ON_THE_SPOT_BYTES: number = 4 * 1024 * 1024;

interface Waiting {
  readonly task: StagingTask;
  readonly resolve: (result: StagingTaskResult) => void;
  readonly reject: (error: unknown) => void;
}

type SmallWaiting = Waiting & { readonly task: Extract<StagingTask, { kind: "whole" }> };

/**
 * One thread. What comes while it is busy waits and then travels together: a message wakes the thread, which costs more
 * than many of the tasks. Small files go before the rest, which keeps its order; answers come in the order of what was sent.
 */
class StagingThread {
  readonly #worker: Worker;
  #sent: readonly Waiting[] | undefined;
  #waiting: Waiting[] = [];
  #isScheduled = false;
  readonly #waitingSmall: SmallWaiting[] = [];
  /** Only one batch is on its way. */
  #memory: SharedArrayBuffer | undefined;
  #failure: StoreError | undefined;
  pendingCount = 0;
  /** Called when the last pending task is done. */
  onIdle: () => void = () => undefined;

  constructor() {
    this.#worker = startStagingThread();
    this.#worker.unref();
    this.#worker.on("message", (answers: StagingAnswers) => this.#settle(answers));
    this.#worker.on("error", (cause) => this.fail(cause));
    this.#worker.on("exit", (code) => this.fail(new Error(`exit code ${code}`)));
  }

  run(task: StagingTask): Promise<StagingTaskResult> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      if (this.pendingCount++ === 0) this.#worker.ref();
      if (isSmallWhole(task)) this.#waitingSmall.push({ task, resolve, reject });
      else this.#waiting.push({ task, resolve, reject });
      if (this.#sent !== undefined || this.#isScheduled) return;
      this.#isScheduled = true;
      setImmediate(() => this.#send());
    });
  }

  fail(cause: unknown): void {
    this.#failure ??= new StoreError("staging-thread-failed", "a thread that stages contents died", { cause });
    const lost = [...(this.#sent ?? []), ...this.#waitingSmall.splice(0), ...this.#waiting];
    for (const { reject } of lost) reject(this.#failure);
    this.#sent = undefined;
    this.#waiting = [];
    this.pendingCount = 0;
    this.onIdle();
  }

  stop(): void {
    this.fail(new Error("stopped"));
    void this.#worker.terminate();
  }

  #send(): void {
    this.#isScheduled = false;
    if (this.#waiting.length + this.#waitingSmall.length === 0) return;
    const small = this.#takeSmall();
    const others = this.#waiting;
    this.#waiting = [];
    this.#sent = [...small, ...others];
    const tasks = others.map(({ task }) => task);
    const packed = (): StagingWork["small"] =>
      packSmallFiles(
        small.map(({ task }) => task),
        (this.#memory ??= new SharedArrayBuffer(BATCH_BYTES)),
      );
    const work: StagingWork = { small: small.length === 0 ? undefined : packed(), tasks };
    this.#worker.postMessage(work, tasks.flatMap(ownMemoryOf));
  }

  /** As many small files as fit into a batch. */
  #takeSmall(): readonly SmallWaiting[] {
    let [count, room] = [0, BATCH_BYTES];
    for (; count < this.#waitingSmall.length; count++) {
      room -= this.#waitingSmall[count]!.task.bytes.length;
      if (room < 0) break;
    }
    return this.#waitingSmall.splice(0, count);
  }

  #settle({ small, tasks }: StagingAnswers): void {
    const batch = this.#sent ?? [];
    this.#sent = undefined;
    this.#send();
    this.pendingCount -= batch.length;
    if (this.pendingCount === 0) this.#worker.unref();
    const answers = [...(small === undefined ? [] : unpackOutcomes(small)), ...tasks];
    batch.forEach(({ resolve, reject }, index) => {
      const answer = answers[index]!;
      if ("result" in answer) resolve(answer.result);
      else reject(Object.assign(new Error(answer.failure.message), answer.failure));
    });
    if (this.pendingCount === 0) this.onIdle();
  }
}

/**
 * Hashes and writes staged contents on other threads, so that neither a slow disk nor a hash holds the event loop. What
 * is little is done at once, on the spot. The memory of bytes that are handed over moves to the other thread, but for whole
 * small contents: it must not be shared (as that of a pool is), nor be used afterwards.
 */
export class StagingThreads {
  readonly #threads: StagingThread[] = [];
  readonly #onTheSpot = new StagingTaskRunner();
  #doneBytes = 0;
  /** Thread of each growing SHA-256; undefined: on the spot. */
  readonly #homes = new Map<number, StagingThread | undefined>();

  /** @throws (rejects) system errors of the disk; StoreError `staging-thread-failed` */
  async run(task: Extract<StagingTask, { kind: "whole" | "piece" }>): Promise<StagingTaskResult> {
    const thread = this.#threadFor(task.kind === "whole" ? task.bytes.length : task.lengthBytes);
    return thread === undefined ? this.#onTheSpot.run(task) : thread.run(task);
  }

  /** Tasks of one key run in order. @param lengthBytes of the whole content */
  async runPrefix(
    task: Extract<StagingTask, { readonly key: number }>,
    lengthBytes: number,
  ): Promise<StagingTaskResult> {
    if (!this.#homes.has(task.key)) {
      if (task.kind === "forget") return undefined;
      this.#homes.set(task.key, this.#threadFor(lengthBytes));
    }
    const home = this.#homes.get(task.key);
    if (task.kind === "forget") this.#homes.delete(task.key);
    return await (home === undefined ? this.#onTheSpot.run(task) : home.run(task));
  }

  /** Takes no more tasks; calls `then` once those under way are done. */
  end(then: () => void): void {
    const stopIfIdle = (): void => {
      if (this.#threads.some((thread) => thread.pendingCount > 0)) return;
      for (const thread of this.#threads) thread.onIdle = () => undefined;
      for (const thread of this.#threads.splice(0)) thread.stop();
      then();
    };
    for (const thread of this.#threads) thread.onIdle = stopIfIdle;
    stopIfIdle();
  }

  #threadFor(bytes: number): StagingThread | undefined {
    this.#doneBytes += bytes;
    if (this.#doneBytes <= ON_THE_SPOT_BYTES) return undefined;
    const idlest = this.#threads.reduce<StagingThread | undefined>(
      (best, thread) => (best === undefined || thread.pendingCount < best.pendingCount ? thread : best),
      undefined,
    );
    const mayStart = this.#threads.length < MAX_THREADS;
    if (idlest !== undefined && (idlest.pendingCount === 0 || !mayStart)) return idlest;
    const started = new StagingThread();
    this.#threads.push(started);
    return started;
  }
}

/** Memory that moves to the other thread. */
function ownMemoryOf(task: StagingTask): ArrayBuffer[] {
  if (task.kind === "whole") return [task.bytes.buffer as ArrayBuffer];
  if (task.kind === "piece") return [...new Set(task.received.map(({ bytes }) => bytes.buffer as ArrayBuffer))];
  return [];
}

/** `.ts` where types are stripped in development, `.js` in dist. */
function startStagingThread(): Worker {
  const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
  return new Worker(new URL(`./staging-thread${extension}`, import.meta.url));
}
