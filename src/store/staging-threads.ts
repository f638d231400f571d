import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { StoreError } from "./errors.ts";
import { StagingTaskRunner, type StagingTask, type StagingTaskResult } from "./staging-task.ts";
import { isSharedPiece, packPieces, PIECE_BATCH_BYTES, unpackPieceOutcomes } from "./piece-batch.ts";
import { BATCH_BYTES, isSmallWhole, packSmallFiles, unpackOutcomes } from "./small-file-batch.ts";
import type { StagingAnswers, StagingWork } from "./staging-thread.ts";

/** More only fight for the disk. */
const MAX_THREADS: number = Math.min(4, availableParallelism());
/** What a thread is given is garbage with its answer: left to itself V8 lets over 100 MB of it lie about. */
const MAX_YOUNG_MEGABYTES = 8;
/** So much is done on the spot before threads are worth their start (30 ms and 17 MB each). */
const ON_THE_SPOT_BYTES: number = 4 * 1024 * 1024;

interface Waiting {
  readonly task: StagingTask;
  readonly resolve: (result: StagingTaskResult) => void;
  readonly reject: (error: unknown) => void;
}

type SmallWaiting = Waiting & { readonly task: Extract<StagingTask, { kind: "whole" }> };
type PieceWaiting = Waiting & { readonly task: Extract<StagingTask, { kind: "piece" }> };

/** One is worked on while the answer to the other comes and the next is made… */
const MESSAGES_UNDER_WAY = 2;
/** …if so much waits; little of it waits for more. */
const WORTH_A_MESSAGE_BYTES: number = 512 * 1024;

/**
 * One thread. What comes while it is busy waits and then travels together: a message wakes the thread, which costs more
 * than many of the tasks. Small files go first, then whole pieces, then the rest, each in order; answers come in the order of what was sent.
 */
class StagingThread {
  readonly #worker: Worker;
  /** By message. */
  readonly #sent: (readonly Waiting[])[] = [];
  #waiting: Waiting[] = [];
  #isScheduled = false;
  readonly #waitingSmall: SmallWaiting[] = [];
  readonly #waitingPieces: PieceWaiting[] = [];
  /** Of small files: only one batch of them is on its way. */
  #memory: SharedArrayBuffer | undefined;
  #isMemoryUsed = false;
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
      else if (isSharedPiece(task)) this.#waitingPieces.push({ task, resolve, reject });
      else this.#waiting.push({ task, resolve, reject });
      if (this.#isBusy || this.#isScheduled) return;
      this.#isScheduled = true;
      setImmediate(() => this.#send());
    });
  }

  fail(cause: unknown): void {
    this.#failure ??= new StoreError("staging-thread-failed", "a thread that stages contents died", { cause });
    const unsent = [...this.#waitingSmall.splice(0), ...this.#waitingPieces.splice(0), ...this.#waiting];
    for (const { reject } of [...this.#sent.splice(0).flat(), ...unsent]) reject(this.#failure);
    this.#waiting = [];
    this.pendingCount = 0;
    this.onIdle();
  }

  stop(): void {
    this.fail(new Error("stopped"));
    void this.#worker.terminate();
  }

  get #isBusy(): boolean {
    if (this.#sent.length === 0 || this.#sent.length === MESSAGES_UNDER_WAY) return this.#sent.length > 0;
    return this.#waitingPieces.length * (this.#waitingPieces[0]?.task.lengthBytes ?? 0) < WORTH_A_MESSAGE_BYTES;
  }

  #send(): void {
    this.#isScheduled = false;
    if (this.#isBusy) return;
    const small = this.#isMemoryUsed ? [] : takeUpTo(BATCH_BYTES, this.#waitingSmall, ({ bytes }) => bytes.length);
    const pieces = takeUpTo(PIECE_BATCH_BYTES, this.#waitingPieces, ({ lengthBytes }) => lengthBytes);
    const others = this.#waiting;
    if (small.length + pieces.length + others.length === 0) return;
    this.#waiting = [];
    this.#isMemoryUsed ||= small.length > 0;
    this.#sent.push([...small, ...pieces, ...others]);
    const tasks = others.map(({ task }) => task);
    const packed = (): StagingWork["small"] =>
      packSmallFiles(
        small.map(({ task }) => task),
        (this.#memory ??= new SharedArrayBuffer(BATCH_BYTES)),
      );
    const work: StagingWork = {
      small: small.length === 0 ? undefined : packed(),
      pieces: pieces.length === 0 ? undefined : packPieces(pieces.map(({ task }) => task)),
      tasks,
    };
    this.#worker.postMessage(work, tasks.flatMap(ownMemoryOf));
  }

  #settle({ small, pieces, tasks }: StagingAnswers): void {
    const batch = this.#sent.shift() ?? [];
    if (small !== undefined) this.#isMemoryUsed = false;
    this.#send();
    this.pendingCount -= batch.length;
    if (this.pendingCount === 0) this.#worker.unref();
    const answers = [
      ...(small === undefined ? [] : unpackOutcomes(small)),
      ...(pieces === undefined ? [] : unpackPieceOutcomes(pieces)),
      ...tasks,
    ];
    batch.forEach(({ resolve, reject }, index) => {
      const answer = answers[index]!;
      if ("result" in answer) resolve(answer.result);
      else reject(Object.assign(new Error(answer.failure.message), answer.failure));
    });
    if (this.pendingCount === 0) this.onIdle();
  }
}

/** Takes out the first ones, as many as fit. */
function takeUpTo<Of extends Waiting>(bytes: number, waiting: Of[], lengthOf: (task: Of["task"]) => number): Of[] {
  let [count, room] = [0, bytes];
  for (; count < waiting.length; count++) {
    room -= lengthOf(waiting[count]!.task);
    // One that is larger than all room goes alone.
    if (room < 0 && count > 0) break;
  }
  return waiting.splice(0, count);
}

/**
 * Hashes and writes staged contents on other threads, so that neither a slow disk nor a hash holds the event loop. What
 * is little is done at once, on the spot. The memory of bytes that are handed over moves to the other thread, but for whole
 * small contents and shared memory: it must not be that of a pool, nor be used afterwards; shared memory not before the answer.
 */
export class StagingThreads {
  readonly #threads: StagingThread[] = [];
  readonly #onTheSpot = new StagingTaskRunner();
  #doneBytes = 0;
  /** Thread of each growing SHA-256; undefined: on the spot. */
  readonly #homes = new Map<number, StagingThread | undefined>();
  #isResting = false;

  /** @throws (rejects) system errors of the disk; StoreError `staging-thread-failed` */
  async run(task: Extract<StagingTask, { kind: "whole" | "piece" }>): Promise<StagingTaskResult> {
    const thread = this.#threadFor(task.kind === "whole" ? task.bytes.length : task.lengthBytes);
    return thread === undefined ? this.#onTheSpot.run(task) : thread.run(task);
  }

  /** Tasks of one key run in order, but for pieces, which go before. @param lengthBytes of the whole content */
  async runPrefix(
    task: Extract<StagingTask, { readonly key: number }> | (PieceWaiting["task"] & { readonly key: number }),
    lengthBytes: number,
  ): Promise<StagingTaskResult> {
    if (!this.#homes.has(task.key)) {
      if (task.kind === "forget") return undefined;
      this.#homes.set(task.key, this.#threadFor(lengthBytes));
    }
    const home = this.#homes.get(task.key);
    if (task.kind === "forget") this.#homes.delete(task.key);
    else this.#isResting = false;
    return await (home === undefined ? this.#onTheSpot.run(task) : home.run(task));
  }

  /** Growing SHA-256s that were neither ended nor forgotten. */
  get prefixCount(): number {
    return this.#homes.size;
  }

  /** Ends the threads that have nothing to do, the others once they are done, unless more comes: that starts anew, on the spot at first. */
  rest(): void {
    this.#isResting = true;
    const homes = new Set(this.#homes.values());
    const isNeeded = (thread: StagingThread): boolean => thread.pendingCount > 0 || homes.has(thread);
    const needed = this.#threads.filter(isNeeded);
    for (const thread of this.#threads.splice(0, this.#threads.length, ...needed)) {
      if (!isNeeded(thread)) thread.stop();
    }
    for (const thread of needed) thread.onIdle = () => void (this.#isResting && this.rest());
    if (needed.length === 0) this.#doneBytes = 0;
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
    this.#isResting = false;
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
  const handedOver =
    task.kind === "whole" ? [task.bytes] : task.kind === "piece" ? task.received.map((r) => r.bytes) : [];
  return [...new Set(handedOver.map(({ buffer }) => buffer))].filter((memory) => memory instanceof ArrayBuffer);
}

/** `.ts` where types are stripped in development, `.js` in dist. */
function startStagingThread(): Worker {
  const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
  const resourceLimits = { maxYoungGenerationSizeMb: MAX_YOUNG_MEGABYTES };
  return new Worker(new URL(`./staging-thread${extension}`, import.meta.url), { resourceLimits });
}
