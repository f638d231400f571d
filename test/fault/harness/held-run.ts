import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import { isSystemError } from "../../../src/core/errors.ts";
import { start, type RunOptions } from "../../support/program.ts";
import { StraceLog, type CallName } from "./injection.ts";

/** A program that stands still in the n-th call of a kind, until it is let on or killed. */
export class HeldRun implements Disposable {
  readonly #child: ChildProcess;
  readonly #log: StraceLog;
  readonly #ended: Promise<unknown[]>;
  #stderr = "";
  #stopped: number | undefined;

  private constructor(child: ChildProcess, log: StraceLog) {
    this.#child = child;
    this.#log = log;
    this.#ended = once(child, "close");
    child.stdout!.resume();
    child.stderr!.setEncoding("utf8").on("data", (text: string) => (this.#stderr += text));
  }

  /** Resolves once it stands still, or is over. */
  static async start(
    words: readonly string[],
    moment: { readonly call: CallName; readonly when: number },
    options: RunOptions = {},
  ): Promise<HeldRun> {
    const log = new StraceLog();
    const enter = log.words({ call: moment.call, effect: "signal=SIGSTOP", when: String(moment.when) });
    const env = { ...options.env, UV_THREADPOOL_SIZE: "1" };
    const run = new HeldRun(start(words, { ...options, enter, env }), log);
    await run.#untilStopped();
    return run;
  }

  /** False if the run ended before that call. */
  get isHeld(): boolean {
    return this.#stopped !== undefined;
  }

  /** Lets it run to its end. */
  async letOn(): Promise<{ readonly code: number | string; readonly stderr: string }> {
    // strace counts for each thread: another one may come to its n-th call and stop all again.
    const timer = setInterval(() => this.#signal("SIGCONT"), 50);
    const [code, signal] = (await this.#ended) as [number | null, string | null];
    clearInterval(timer);
    return { code: code ?? signal ?? "unknown", stderr: this.#stderr };
  }

  async kill(): Promise<void> {
    this.#signal("SIGKILL");
    await this.#ended;
  }

  [Symbol.dispose](): void {
    // Where the play failed before it let it on.
    this.#signal("SIGKILL");
    this.#log[Symbol.dispose]();
  }

  #signal(name: NodeJS.Signals): void {
    if (this.#stopped === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    try {
      process.kill(this.#stopped, name);
    } catch (error) {
      // It ended just now, and strace a moment after it.
      if (!isSystemError(error, "ESRCH")) throw error;
    }
  }

  async #untilStopped(): Promise<void> {
    while (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#stopped = this.#log.stopped();
      if (this.#stopped !== undefined) return;
      await setTimeout(10);
    }
  }
}
