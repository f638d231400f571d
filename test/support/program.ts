import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { createInterface } from "node:readline";

const PRSYNC = resolve(import.meta.dirname, "../../bin/prsync.cjs");

export interface RunResult {
  /** Exit code, or the signal's name. */
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Words before the command, such as those of a {@link TestHost}. */
  readonly enter?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs `prsync WORDS` to its end. */
export async function runPrsync(words: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const child = start(words, options);
  return await collect(child);
}

/** Runs `prsync WORDS --json` and parses its one document. @throws Error with everything it printed unless it exits 0 */
export async function runPrsyncJson<T>(words: readonly string[], options: RunOptions = {}): Promise<T> {
  const result = await runPrsync([...words, "--json"], options);
  if (result.code !== 0) throw new Error(`prsync ${words.join(" ")} ended with ${result.code}: ${result.stderr}`);
  return JSON.parse(result.stdout) as T;
}

/** Any other program to its end; throws unless it exits 0. */
export async function run(command: string, words: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await collect(spawnEntered([command, ...words], options));
  if (result.code !== 0)
    throw new Error(`${command} ${words.join(" ")} ended with ${result.code}: ${result.stderr}${result.stdout}`);
  return result.stdout;
}

export interface ReadyEvent {
  readonly event: "ready";
  readonly http: string;
  readonly peer: string;
}

/** A `serve` or `daemon` that has told that it is ready; killed at disposal if it still runs. */
export class RunningProgram implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly ready: ReadyEvent;
  /** JSON lines it printed so far, the ready line included. */
  readonly events: readonly Record<string, unknown>[];
  readonly #log: string[];

  private constructor(
    child: ChildProcess,
    ready: ReadyEvent,
    output: { events: Record<string, unknown>[]; log: string[] },
  ) {
    this.child = child;
    this.ready = ready;
    this.events = output.events;
    this.#log = output.log;
  }

  /** @throws Error with its log if it ends before it is ready */
  static async start(words: readonly string[], options: RunOptions = {}): Promise<RunningProgram> {
    const child = start([...words, "--json"], options);
    const output = { events: [] as Record<string, unknown>[], log: [] as string[] };
    createInterface({ input: child.stderr! }).on("line", (line) => output.log.push(line));
    const ready = await new Promise<ReadyEvent>((resolveReady, reject) => {
      createInterface({ input: child.stdout! }).on("line", (line) => {
        const event = JSON.parse(line) as Record<string, unknown>;
        output.events.push(event);
        if (event["event"] === "ready") resolveReady(event as unknown as ReadyEvent);
      });
      child.once("exit", (code, signal) => {
        reject(new Error(`prsync ${words.join(" ")} ended with ${code ?? signal}:\n${output.log.join("\n")}`));
      });
      child.once("error", reject);
    });
    return new RunningProgram(child, ready, output);
  }

  get log(): string {
    return this.#log.join("\n");
  }

  /** Waits for an event that fits. @throws Error with the log after `timeoutMs` */
  async waitFor(
    fits: (event: Record<string, unknown>) => boolean,
    timeoutMs = 60_000,
  ): Promise<Record<string, unknown>> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const found = this.events.find(fits);
      if (found !== undefined) return found;
      if (performance.now() > deadline || this.child.exitCode !== null) {
        throw new Error(`no such event; events: ${JSON.stringify(this.events)}\nlog:\n${this.log}`);
      }
      await new Promise((wake) => setTimeout(wake, 50));
    }
  }

  /** Ends it by a signal and waits. Resolves to its exit code, or the signal's name. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | string> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill(signal);
      await once(this.child, "exit");
    }
    return this.child.exitCode ?? this.child.signalCode ?? "unknown";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGKILL");
  }
}

/** Starts `prsync WORDS` and leaves it to the caller, for tests that kill it. */
export function start(words: readonly string[], options: RunOptions = {}): ChildProcess {
  return spawnEntered([process.execPath, PRSYNC, ...words], options);
}

function spawnEntered(words: readonly string[], options: RunOptions): ChildProcess {
  const [command, ...rest] = [...(options.enter ?? []), ...words];
  return spawn(command!, rest, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...options.env } });
}

/** Everything a program prints until it ends. */
export async function collect(child: ChildProcess): Promise<RunResult> {
  let stdout = "";
  let stderr = "";
  child.stdout!.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr!.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  return { code: code ?? signal ?? "unknown", stdout, stderr };
}
