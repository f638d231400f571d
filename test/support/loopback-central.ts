import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RunningProgram, runPrsync, runPrsyncJson } from "./program.ts";

/** The document of `prsync sync --json`, as far as tests read it. */
export interface Synced {
  readonly release: number;
  readonly previous: number;
  readonly files: Readonly<Record<"total" | "kept" | "copied" | "delta" | "fetched", number>>;
  readonly bytes: {
    readonly total: number;
    readonly received: number;
    readonly fromPeers: number;
    readonly fromOrigin: number;
    readonly metadata: number;
  };
}

/** A temporary directory with a TREE that a real `prsync serve` serves on loopback, and mirrors beside it. */
export class LoopbackCentral implements AsyncDisposable {
  readonly directory: string;
  readonly tree: string;
  readonly env: Readonly<Record<string, string>>;
  #program: RunningProgram | undefined;
  readonly #mirrors = new Set<string>();

  constructor(purpose: string) {
    this.directory = mkdtempSync(join(tmpdir(), `prsync-${purpose}-`));
    this.tree = join(this.directory, "tree");
    this.env = { PRSYNC_STATE_HOME: join(this.directory, "state") };
    mkdirSync(this.tree);
  }

  /** Number of the release that is current afterwards. @param enter words before the command */
  async publish(enter: readonly string[] = []): Promise<number> {
    return (await runPrsyncJson<{ current: number }>(["publish", this.tree], { env: this.env, enter })).current;
  }

  /** Needs a release. */
  async serve(options: readonly string[] = []): Promise<RunningProgram> {
    const words = ["serve", this.tree, "--listen", "127.0.0.1:0", "--peer-port", "0", ...options];
    this.#program = await RunningProgram.start(words, { env: this.env });
    return this.#program;
  }

  get isServing(): boolean {
    return this.#program !== undefined;
  }

  /** Base URL of the running serve. */
  get url(): string {
    return this.#program!.ready.http;
  }

  /** Where mirror `name` lies. */
  mirror(name: string): string {
    return join(this.directory, name);
  }

  /** `prsync sync` of mirror `name`, which is invited the first time. @param enter words before the command */
  async sync(name: string, options: readonly string[] = ["--delete"], enter: readonly string[] = []): Promise<Synced> {
    const ticket = this.#mirrors.has(name) ? [] : [await this.invite(name)];
    this.#mirrors.add(name);
    const words = ["sync", ...ticket, this.mirror(name), "--peer-port", "0", ...options];
    return await runPrsyncJson<Synced>(words, { env: this.env, enter });
  }

  /** A daemon on this host as mirror `name`, which is invited unless a ticket is given. */
  async daemon(name: string, options: readonly string[] = [], ticket?: string): Promise<RunningProgram> {
    const words = [
      "daemon",
      ticket ?? (await this.invite(name)),
      this.mirror(name),
      "--listen",
      "127.0.0.1:0",
      "--peer-port",
      "0",
    ];
    return await RunningProgram.start([...words, ...options], { env: this.env });
  }

  /** A ticket. */
  async invite(name: string): Promise<string> {
    const words = ["invite", this.tree, name, "--url", this.url];
    return (await runPrsync(words, { env: this.env })).stdout.trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program?.stop();
    rmSync(this.directory, { recursive: true });
  }
}
