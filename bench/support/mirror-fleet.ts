import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { canMakeNetworks, TestNetwork, type TestHost } from "../../test/support/network.ts";
import { run, RunningProgram, runPrsync, runPrsyncJson } from "../../test/support/program.ts";
import { rsyncDifferences } from "../../test/support/rsync-referee.ts";
import { RsyncHost } from "./rsync-host.ts";

/** What one release cost, all mirrors together unless said otherwise. */
export interface ReleaseRun {
  /** Bytes that left central's interface; undefined where all share one (loopback). */
  readonly centralSentBytes: number | undefined;
  /** Bytes of the release that a mirror had already, mean over the mirrors. */
  readonly reusedBytes: number;
  readonly publishSeconds: number | undefined;
  /** From the published release to the last mirror's end. */
  readonly syncSeconds: number;
}

/** A central and its mirrors, by one program; each on a host of its own where namespaces can be made. */
export interface Fleet extends AsyncDisposable {
  /** Brings the mirrors to what lies in the tree now, and checks that they are exact. */
  release(): Promise<ReleaseRun>;
}

export interface FleetOptions {
  readonly tree: string;
  /** For destinations, state and configuration. */
  readonly work: string;
  readonly mirrors: number;
}

/** Hosts in namespaces, or this one under several ports. */
class Hosts implements Disposable {
  readonly central: Pick<TestHost, "address" | "enter">;
  readonly mirrors: readonly Pick<TestHost, "address" | "enter">[];
  readonly #network: TestNetwork | undefined;
  readonly #centralHost: TestHost | undefined;

  constructor(mirrors: number) {
    const names = Array.from({ length: mirrors }, (_, index) => `mirror${index + 1}`);
    const here = { address: "127.0.0.1", enter: [] };
    if (!canMakeNetworks()) {
      this.central = here;
      this.mirrors = names.map(() => here);
      return;
    }
    this.#network = new TestNetwork();
    this.#centralHost = this.#network.addHost("central");
    this.central = this.#centralHost;
    this.mirrors = names.map((name) => this.#network!.addHost(name));
  }

  sentBytes(): number | undefined {
    return this.#centralHost?.counters().sentBytes;
  }

  [Symbol.dispose](): void {
    this.#network?.[Symbol.dispose]();
  }
}

interface Synced extends Record<string, unknown> {
  readonly bytes: { readonly reused: number };
}

/** `prsync serve` and daemons that follow it. */
export class PrsyncFleet implements Fleet {
  readonly #options: FleetOptions;
  readonly #hosts: Hosts;
  readonly #env: Readonly<Record<string, string>>;
  readonly #destinations: readonly string[];
  readonly #daemons: RunningProgram[] = [];
  #central: RunningProgram | undefined;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#hosts = new Hosts(options.mirrors);
    this.#env = { PRSYNC_STATE_HOME: join(options.work, "state") };
    this.#destinations = this.#hosts.mirrors.map((_, index) => join(options.work, `prsync-${index + 1}`));
  }

  async release(): Promise<ReleaseRun> {
    const before = this.#hosts.sentBytes() ?? 0;
    const start = performance.now();
    const { release } = await runPrsyncJson<{ release: number }>(["publish", this.#options.tree], { env: this.#env });
    const published = performance.now();
    if (this.#central === undefined) await this.#startAll();
    const synced = await this.#allSynced(release);
    const end = performance.now();
    const sent = this.#hosts.sentBytes();
    await assertExact(this.#options.tree, this.#destinations);
    return {
      centralSentBytes: sent === undefined ? undefined : sent - before,
      reusedBytes: mean(synced.map((event) => event.bytes.reused)),
      publishSeconds: (published - start) / 1000,
      syncSeconds: (end - published) / 1000,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of [...this.#daemons, this.#central]) await program?.stop();
    this.#hosts[Symbol.dispose]();
  }

  async #startAll(): Promise<void> {
    const { tree } = this.#options;
    const { address, enter } = this.#hosts.central;
    const words = ["serve", tree, "--listen", `${address}:0`, "--peer-port", "0", "--announce-interval", "10s"];
    this.#central = await RunningProgram.start(words, { enter, env: this.#env });
    const url = this.#central.ready.http;
    const start = async (host: Pick<TestHost, "address" | "enter">, index: number): Promise<void> => {
      const invited = await runPrsync(["invite", tree, `mirror${index + 1}`, "--url", url], { env: this.#env });
      const where = ["--listen", `${host.address}:0`, "--peer-port", "0"];
      const daemon = ["daemon", invited.stdout.trim(), this.#destinations[index]!, ...where];
      this.#daemons.push(await RunningProgram.start(daemon, { enter: host.enter, env: this.#env }));
    };
    await Promise.all(this.#hosts.mirrors.map(start));
  }

  async #allSynced(release: number): Promise<readonly Synced[]> {
    const isIt = (event: Record<string, unknown>): boolean =>
      event["event"] === "synced" && event["release"] === release;
    return (await Promise.all(this.#daemons.map((daemon) => daemon.waitFor(isIt, 600_000)))) as Synced[];
  }
}

/** An rsync daemon and `rsync -a --delete` of each mirror, all at the same time. */
export class RsyncFleet implements Fleet {
  readonly #options: FleetOptions;
  readonly #hosts: Hosts;
  readonly #destinations: readonly string[];
  #daemon: RsyncHost | undefined;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#hosts = new Hosts(options.mirrors);
    this.#destinations = this.#hosts.mirrors.map((_, index) => join(options.work, `rsync-${index + 1}`));
  }

  async release(): Promise<ReleaseRun> {
    if (this.#daemon === undefined) {
      for (const destination of this.#destinations) mkdirSync(destination);
      this.#daemon = await RsyncHost.start(this.#hosts.central, this.#options.tree, this.#options.work);
    }
    const { url } = this.#daemon;
    const before = this.#hosts.sentBytes() ?? 0;
    const start = performance.now();
    const outputs = await Promise.all(
      this.#hosts.mirrors.map(({ enter }, index) =>
        run("rsync", ["-a", "--delete", "--stats", url, `${this.#destinations[index]!}/`], { enter }),
      ),
    );
    const syncSeconds = (performance.now() - start) / 1000;
    const sent = this.#hosts.sentBytes();
    await assertExact(this.#options.tree, this.#destinations);
    return {
      centralSentBytes: sent === undefined ? undefined : sent - before,
      reusedBytes: mean(outputs.map((text) => statistic(text, "Total file size") - statistic(text, "Literal data"))),
      publishSeconds: undefined,
      syncSeconds,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon?.[Symbol.asyncDispose]();
    this.#hosts[Symbol.dispose]();
  }
}

async function assertExact(tree: string, destinations: readonly string[]): Promise<void> {
  for (const destination of destinations) {
    const differences = await rsyncDifferences(tree, destination);
    if (differences !== "") throw new Error(`a mirror differs from the tree:\n${differences}`);
  }
}

function statistic(output: string, name: string): number {
  const match = new RegExp(`^${name}: ([\\d,]+)`, "m").exec(output);
  if (match === null) throw new Error(`rsync did not print "${name}"`);
  return Number(match[1]!.replaceAll(",", ""));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
