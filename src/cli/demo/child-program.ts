import { spawn, type ChildProcess } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { createInterface } from "node:readline";
import { ownProgram } from "../own-program.ts";

/** Time that a program has to end by itself before it is killed, milliseconds. */
const GRACE_MS = 8_000;
const LOG_LINES = 20;

/** A program of the demo ended otherwise than it should. */
export class ChildFailure extends Error {
  /** Its exit code; 20 if a signal ended it. */
  readonly exitCode: number;

  constructor(what: string, end: { readonly exitCode: number; readonly log: readonly string[] }) {
    super([`${what} ended with code ${end.exitCode}`, ...end.log].join("\n"));
    this.exitCode = end.exitCode;
  }
}

/** A JSON line of a program. */
export type ProgramEvent = Readonly<Record<string, unknown>>;

export interface ChildOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Ends every wait. */
  readonly signal: AbortSignal;
}

/** One of the real programs, started as a process of its own and understood by the JSON lines it prints. */
export class ChildProgram implements AsyncDisposable {
  readonly #what: string;
  readonly #child: ChildProcess;
  readonly #signal: AbortSignal;
  readonly #events: ProgramEvent[] = [];
  readonly #log: string[] = [];
  readonly #news = new EventEmitter();
  #isClosed = false;

  /** @param words the command line of Node: a script and its arguments */
  constructor(what: string, words: readonly string[], options: ChildOptions) {
    this.#what = what;
    this.#signal = options.signal;
    this.#news.setMaxListeners(0);
    this.#child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "pipe"], env: options.env });
    createInterface({ input: this.#child.stdout! }).on("line", (line) => {
      this.#events.push(JSON.parse(line) as ProgramEvent);
      this.#news.emit("news");
    });
    createInterface({ input: this.#child.stderr! }).on("line", (line) => {
      this.#log.push(line);
      if (this.#log.length > LOG_LINES) this.#log.shift();
    });
    this.#child.once("close", () => {
      this.#isClosed = true;
      this.#news.emit("news");
    });
  }

  /** `prsync WORDS --json` */
  static prsync(words: readonly string[], options: ChildOptions): ChildProgram {
    const [, main] = ownProgram();
    return new ChildProgram(`prsync ${words[0] ?? ""}`, [main!, ...words, "--json"], options);
  }

  /** The first event that fits, also one that was printed before. @throws ChildFailure if the program ends without it */
  async waitFor(fits: (event: ProgramEvent) => boolean): Promise<ProgramEvent> {
    for (;;) {
      const found = this.#events.find(fits);
      if (found !== undefined) return found;
      if (this.#isClosed) throw this.#failure();
      await once(this.#news, "news", { signal: this.#signal });
    }
  }

  /** Waits for the end of a program that prints one document. @throws ChildFailure unless it exits 0 */
  async document(): Promise<ProgramEvent> {
    while (!this.#isClosed) await once(this.#news, "news", { signal: this.#signal });
    const [document] = this.#events;
    if (this.#child.exitCode !== 0 || document === undefined) throw this.#failure();
    return document;
  }

  /** Asks the program to end, kills it if it does not, and waits. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    const closed = once(this.#child, "close");
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), GRACE_MS);
    await closed;
    clearTimeout(timer);
  }

  #failure(): ChildFailure {
    return new ChildFailure(this.#what, { exitCode: this.#child.exitCode ?? 20, log: this.#log });
  }
}
