import { Worker } from "node:worker_threads";
import { LogBlock } from "../analyze/log-block.ts";
import { LogBlocks } from "../analyze/log-blocks.ts";
import type { LogSource } from "../store/log-source.ts";
import { LogReadingError } from "./log-reading-error.ts";

/** One is filled, one read, one counted; one waits on either side. */
const BLOCKS = 5;
/** Reading makes no garbage. */
const MAX_YOUNG_MEGABYTES = 2;

/** A thread that reads the lines of logs while this one counts what they say: two cores work on one log. The first log starts it. */
export class LogReadingThread implements AsyncDisposable {
  readonly #count: (block: LogBlock) => void;
  #worker: Worker | undefined;
  #blocks: readonly LogBlock[] = [];
  #free: number[] = [];
  #inWork = 0;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  /** @param count is given each block that was read, in order, and keeps nothing of it */
  constructor(count: (block: LogBlock) => void) {
    this.#count = count;
  }

  #start(): Worker {
    const memory = Array.from({ length: BLOCKS }, () => LogBlock.memory());
    this.#blocks = memory.map((of) => new LogBlock(of));
    this.#free = memory.map((_, number) => number);
    const worker = startWorker(memory);
    worker.on("message", (number: number) => this.#take(number));
    worker.on("error", (cause: Error) => this.#fail(threadError(cause)));
    worker.on("exit", (code) => this.#fail(threadError(new Error(`exit code ${code}`))));
    return worker;
  }

  /**
   * Resolves when all of the log was counted.
   * @throws LogReadingError `log-thread-failed` (out of memory, say; then for all further logs, too); what `count` and `chunks` throw; the
   *   signal's reason
   */
  async readLog(chunks: AsyncIterable<Uint8Array> & Partial<LogSource>, signal: AbortSignal): Promise<void> {
    this.#worker ??= this.#start();
    const blocks = new LogBlocks({ next: () => this.#next(), read: (block) => this.#read(block) });
    for await (const chunk of chunks) {
      signal.throwIfAborted();
      await blocks.push(chunk);
    }
    signal.throwIfAborted();
    blocks.endLog(chunks.damage?.() !== undefined);
    while (this.#inWork > 0) await this.#change();
  }

  async #next(): Promise<LogBlock> {
    while (this.#free.length === 0) await this.#change();
    return this.#blocks[this.#free.pop()!]!;
  }

  #read(block: LogBlock): void {
    this.#inWork++;
    this.#worker!.postMessage(this.#blocks.indexOf(block));
  }

  #take(number: number): void {
    const block = this.#blocks[number]!;
    try {
      this.#count(block);
    } catch (error) {
      this.#fail(error);
    }
    block.clear();
    this.#free.push(number);
    this.#inWork--;
    this.#wake?.();
  }

  /** Until a block comes back. */
  async #change(): Promise<void> {
    await new Promise<void>((resolve) => {
      if (this.#failure === undefined) this.#wake = resolve;
      else resolve();
    });
    this.#assertAlive();
  }

  #assertAlive(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker?.terminate();
  }
}

function threadError(cause: Error): LogReadingError {
  return new LogReadingError("log-thread-failed", "the thread that reads logs died", { cause });
}

/** The one place that starts it: `.ts` where types are stripped in development, `.js` in dist. */
function startWorker(workerData: unknown): Worker {
  const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
  const resourceLimits = { maxYoungGenerationSizeMb: MAX_YOUNG_MEGABYTES };
  return new Worker(new URL(`./log-reading-worker${extension}`, import.meta.url), { workerData, resourceLimits });
}
