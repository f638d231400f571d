import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** A process that prints JSON lines and ends by itself or at SIGTERM; killed at disposal if it still runs. */
export class LinkProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #exited: Promise<unknown[]>;
  readonly #name: string;
  #log = "";

  constructor(command: string, words: readonly string[]) {
    this.#name = `${command} ${words.join(" ")}`;
    this.#child = spawn(command, words, { stdio: ["ignore", "pipe", "pipe"] });
    this.#exited = once(this.#child, "close");
    this.#exited.catch(() => {});
    this.#child.stderr!.on("data", (chunk) => (this.#log += String(chunk)));
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** The next line. @throws Error with its log if it ends before */
  async next<T>(): Promise<T> {
    const line = (await this.#lines.next()) as IteratorResult<string, undefined>;
    if (line.done !== true) return JSON.parse(line.value) as T;
    await this.#exited;
    throw new Error(`${this.#name} ended with ${this.#child.exitCode ?? this.#child.signalCode}: ${this.#log}`);
  }

  /** Ends it by SIGTERM; resolves to its last line. */
  async stop<T>(): Promise<T> {
    this.#child.kill("SIGTERM");
    const last = await this.next<T>();
    await this.#exited;
    return last;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await this.#exited.catch(() => {});
  }
}
