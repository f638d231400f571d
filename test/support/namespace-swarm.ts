import { join } from "node:path";
import { TestNetwork, type TestHost } from "./network.ts";
import { RunningProgram, runPrsync, runPrsyncJson } from "./program.ts";

/** One mirror of a {@link NamespaceSwarm}; its daemon may be ended and started again. */
export interface SwarmMirror {
  readonly host: TestHost;
  readonly destination: string;
  daemon: RunningProgram;
}

export interface OneSync {
  readonly host: TestHost;
  readonly destination: string;
  readonly summary: SyncSummary;
  /** What it said of its peers, too. */
  readonly log: string;
}

/** Of the one document of `sync --json`. */
export interface SyncSummary {
  readonly seconds: number;
  readonly bytes: { readonly received: number; readonly fromPeers: number; readonly fromOrigin: number };
}

export interface NamespaceSwarmOptions {
  /** For TREE, state and destinations. */
  readonly directory: string;
  readonly serveWords?: readonly string[];
  /** Both directions of each host, in the words of tc; none: as fast as the machine. */
  readonly rate?: string;
  readonly usesIpv6?: boolean;
}

export interface MirrorChange {
  /** Changes the host before the daemon starts there. */
  readonly prepare?: (host: TestHost) => void;
  /** Further words of the daemon; those that tell its host's address are made of it. */
  readonly words?: readonly string[] | ((host: TestHost) => readonly string[]);
}

/** A real central and real daemons, each on a host of its own. */
export class NamespaceSwarm implements AsyncDisposable {
  readonly tree: string;
  readonly env: Readonly<Record<string, string>>;
  readonly network: TestNetwork = new TestNetwork();
  readonly centralHost: TestHost;
  readonly mirrors: SwarmMirror[] = [];
  readonly #options: NamespaceSwarmOptions;
  readonly #addressOf: (host: TestHost) => string;
  #central: RunningProgram | undefined;

  constructor(options: NamespaceSwarmOptions) {
    this.#options = options;
    this.tree = join(options.directory, "tree");
    this.env = { PRSYNC_STATE_HOME: join(options.directory, "state") };
    this.centralHost = this.network.addHost("central", options.rate);
    this.#addressOf = (host) => (options.usesIpv6 === true ? `[${host.address6}]` : host.address);
  }

  async publish(): Promise<number> {
    return (await runPrsyncJson<{ release: number }>(["publish", this.tree], { env: this.env })).release;
  }

  async serve(): Promise<void> {
    const words = ["serve", this.tree, "--listen", `${this.#addressOf(this.centralHost)}:7380`];
    const more = this.#options.serveWords ?? ["--announce-interval", "10s"];
    this.#central = await RunningProgram.start([...words, ...more], { enter: this.centralHost.enter, env: this.env });
  }

  async addMirror(name: string, { prepare, words = [] }: MirrorChange = {}): Promise<SwarmMirror> {
    const host = this.network.addHost(name, this.#options.rate);
    prepare?.(host);
    const destination = join(this.#options.directory, name);
    const start = [await this.#invite(name), destination, ...wordsFor(host, words)];
    const mirror = { host, destination, daemon: await this.#startDaemon(host, start) };
    this.mirrors.push(mirror);
    return mirror;
  }

  /** A mirror that syncs once, on a host of its own, while others run. */
  async syncOnce(name: string, { prepare, words = [] }: MirrorChange = {}): Promise<OneSync> {
    const host = this.network.addHost(name, this.#options.rate);
    prepare?.(host);
    const destination = join(this.#options.directory, name);
    const start = ["sync", await this.#invite(name), destination, "--verbose", "--json", ...wordsFor(host, words)];
    const { code, stdout, stderr } = await runPrsync(start, { enter: host.enter, env: this.env });
    if (code !== 0) throw new Error(`the sync of ${name} ended with ${code}: ${stderr}`);
    return { host, destination, summary: JSON.parse(stdout) as SyncSummary, log: stderr };
  }

  /** After its daemon ended, however. */
  async restart(mirror: SwarmMirror): Promise<void> {
    mirror.daemon = await this.#startDaemon(mirror.host, [mirror.destination]);
  }

  /** Waits until every daemon told that it holds the release. */
  async allSynced(release: number, timeoutMs = 120_000): Promise<void> {
    const isIt = (event: Record<string, unknown>): boolean =>
      event["event"] === "synced" && event["release"] === release && event["failed"] === 0;
    await Promise.all(this.mirrors.map(({ daemon }) => daemon.waitFor(isIt, timeoutMs)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.mirrors.map(({ daemon }) => daemon.stop("SIGKILL")));
    await this.#central?.stop();
    this.network[Symbol.dispose]();
  }

  async #invite(name: string): Promise<string> {
    const url = `http://${this.#addressOf(this.centralHost)}:7380`;
    return (await runPrsync(["invite", this.tree, name, "--url", url], { env: this.env })).stdout.trim();
  }

  #startDaemon(host: TestHost, words: readonly string[]): Promise<RunningProgram> {
    return RunningProgram.start(["daemon", ...words, "--now", "--verbose"], { enter: host.enter, env: this.env });
  }
}

function wordsFor(host: TestHost, words: NonNullable<MirrorChange["words"]>): readonly string[] {
  return typeof words === "function" ? words(host) : words;
}
