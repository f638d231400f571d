import { spawn, type ChildProcess } from "node:child_process";
import { hash } from "node:crypto";
import { once } from "node:events";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { FleetWorkload } from "../../src/sim/fleet-workload.ts";
import { RunningProgram, runPrsync, runPrsyncJson } from "../../test/support/program.ts";
import { CoreIdle } from "./core-idle.ts";
import type { CustomerResult, CustomersPlan, PlannedRequest } from "./release-day-customers.ts";
import type { ReleaseDayNetwork } from "./release-day-network.ts";
import { bytesOf, LEFT_OUT, pathOf, QUIET_SECONDS, writeRelease } from "./small-release-day.ts";

const PATIENCE_MS = 240_000;
/** The shortest that `serve` takes. */
export const ANNOUNCE_SECONDS = 10;
const LOOK_MS = 50;

export interface RealReleaseDayOptions {
  readonly workload: FleetWorkload;
  readonly network: ReleaseDayNetwork;
  /** What programs are told that their lines carry: bytes per second above TCP. */
  readonly centralBytesPerSecond: number;
  readonly mirrorUpBytesPerSecond: number;
  /** Empty. */
  readonly directory: string;
}

export interface RealReleaseDay {
  /** From the end of `publish` until the last daemon began with the release, and until the last one had it. */
  readonly toldSeconds: number;
  readonly completeSeconds: number;
  /** Left central's interface from `publish` until the last customer was served. */
  readonly centralSentBytes: number;
  readonly centralHost: string;
  /** In the order of the requests. */
  readonly results: readonly CustomerResult[];
  /** Share of its time that the busiest core had nothing to do, 0 … 1. */
  readonly idle: number;
}

/** Every other mirror is partial. */
export function isPartialMirror(mirror: number): boolean {
  return mirror % 2 === 1;
}

/** A release day in small of `prsync serve`, `prsync daemon` and customers, each on a host of its own. */
export async function playRealReleaseDay(options: RealReleaseDayOptions): Promise<RealReleaseDay> {
  const { workload, network, directory } = options;
  const tree = join(directory, "tree");
  const env = { PRSYNC_STATE_HOME: join(directory, "state") };
  const url = `http://${network.central.address}:7380`;
  writeRelease(tree, workload, 0);
  await runPrsyncJson(["publish", tree], { env });
  await using programs = new AsyncDisposableStack();
  const central = ["serve", tree, "--listen", `${network.central.address}:7380`];
  const setting = ["--announce-interval", `${ANNOUNCE_SECONDS}s`, "--bwlimit", limitOf(options.centralBytesPerSecond)];
  programs.use(await RunningProgram.start([...central, ...setting], { enter: network.central.enter, env }));
  const daemons = await startDaemons(options, { tree, env, url });
  for (const daemon of daemons) programs.use(daemon);
  await allKnown(`${url}/${pathOf(1)}?explain=json`, network);
  writeRelease(tree, workload, 1);
  const customers = programs.use(Customers.start(network, directory, planOf(workload, url)));
  customers.begin(0);
  await sleep(QUIET_SECONDS * 1000);
  const sentBefore = network.central.counters().sentBytes;
  const cores = CoreIdle.start();
  const logged = daemons.map(({ log }) => log.length);
  const { release } = await runPrsyncJson<{ release: number }>(["publish", tree], { env });
  const publishedMs = performance.now();
  customers.begin(1);
  const [told, complete] = await Promise.all([
    Promise.all(daemons.map((daemon, at) => stageLogged(daemon, logged[at]!))),
    Promise.all(daemons.map((daemon) => synced(daemon, release))),
  ]);
  const results = await customers.results(workload.requests.length);
  return {
    toldSeconds: (Math.max(...told) - publishedMs) / 1000,
    completeSeconds: (Math.max(...complete) - publishedMs) / 1000,
    centralSentBytes: network.central.counters().sentBytes - sentBefore,
    centralHost: new URL(url).host,
    results: results.toSorted((a, b) => a.number - b.number),
    idle: cores.lowest(),
  };
}

interface CentralPlace {
  readonly tree: string;
  readonly env: Readonly<Record<string, string>>;
  readonly url: string;
}

/** Mirrors that have the first release already, as if copied there by other means. */
async function startDaemons(
  { network, directory, mirrorUpBytesPerSecond }: RealReleaseDayOptions,
  { tree, env, url }: CentralPlace,
): Promise<readonly RunningProgram[]> {
  const daemons = network.mirrors.map(async ({ address, enter }, mirror) => {
    const destination = join(directory, `mirror-${mirror}`);
    const parts = isPartialMirror(mirror) ? ["a"] : ["a", "b"];
    for (const part of parts)
      cpSync(join(tree, "pool", part), join(destination, "pool", part), { recursive: true, preserveTimestamps: true });
    const ticket = (await runPrsync(["invite", tree, `m${mirror}`, "--url", url], { env })).stdout.trim();
    const words = ["daemon", ticket, destination, "--customers", "any", "--listen", `${address}:7381`, "--verbose"];
    const selection = isPartialMirror(mirror) ? ["--exclude", LEFT_OUT] : [];
    const limit = ["--bwlimit", limitOf(mirrorUpBytesPerSecond)];
    const daemon = await RunningProgram.start([...words, ...limit, ...selection], { enter, env });
    await synced(daemon, 1);
    return daemon;
  });
  return await Promise.all(daemons);
}

/** Upload only, in KiB/s. */
function limitOf(bytesPerSecond: number): string {
  return `${Math.floor(bytesPerSecond / 1024)}:0`;
}

/** Until central sends customers of a file that partial mirrors lack to all others. */
async function allKnown(url: string, { customers, mirrors }: ReleaseDayNetwork): Promise<void> {
  const partial = mirrors.filter((_, mirror) => isPartialMirror(mirror)).length;
  const script = `fetch(process.argv[1]).then((answer) => answer.json()).then(({ rejected }) => console.log(rejected.length))`;
  const deadlineMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const words = [...customers.enter, process.execPath, "-e", script, url];
    const child = spawn(words[0]!, words.slice(1), { stdio: ["ignore", "pipe", "ignore"] });
    let text = "";
    for await (const chunk of child.stdout) text += String(chunk);
    if (Number(text) === partial) return;
    if (performance.now() > deadlineMs) throw new Error(`central does not know all mirrors: ${text}`);
    await sleep(1000);
  }
}

/** @returns when it was seen */
async function synced(daemon: RunningProgram, release: number): Promise<number> {
  await daemon.waitFor((event) => event["event"] === "synced" && event["release"] === release, PATIENCE_MS);
  return performance.now();
}

/** The first stage of a run that was logged after so many characters. @returns when it was seen */
async function stageLogged(daemon: RunningProgram, from: number): Promise<number> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  while (!daemon.log.slice(from).includes("sync stage")) {
    if (performance.now() > deadlineMs) throw new Error(`no run began:\n${daemon.log.slice(from)}`);
    await sleep(LOOK_MS);
  }
  return performance.now();
}

function planOf({ requests, files }: FleetWorkload, url: string): CustomersPlan {
  const digests = files.map(({ bytes }, file) => hash("sha256", bytesOf(file, bytes), "hex"));
  const planned = requests.map(({ atSeconds, file }, number): PlannedRequest => ({
    number,
    atSeconds,
    url: `${url}/${pathOf(file)}`,
    sha256: digests[file]!,
  }));
  const quiet = planned.filter(({ atSeconds }) => atSeconds < QUIET_SECONDS);
  const surge = planned.slice(quiet.length).map((one) => ({ ...one, atSeconds: one.atSeconds - QUIET_SECONDS }));
  return { parts: [quiet, surge] };
}

/** The process of `release-day-customers.ts`. */
class Customers implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #results: CustomerResult[] = [];

  private constructor(child: ChildProcess) {
    this.#child = child;
    createInterface({ input: child.stdout! }).on("line", (line) =>
      this.#results.push(JSON.parse(line) as CustomerResult),
    );
  }

  static start({ customers }: ReleaseDayNetwork, directory: string, plan: CustomersPlan): Customers {
    mkdirSync(directory, { recursive: true });
    const path = join(directory, "customers.json");
    writeFileSync(path, JSON.stringify(plan));
    const words = [...customers.enter, process.execPath, join(import.meta.dirname, "release-day-customers.ts"), path];
    return new Customers(spawn(words[0]!, words.slice(1), { stdio: ["pipe", "pipe", "inherit"] }));
  }

  begin(part: number): void {
    this.#child.stdin!.write(`${part}\n`);
  }

  async results(count: number): Promise<readonly CustomerResult[]> {
    const deadlineMs = performance.now() + PATIENCE_MS;
    while (this.#results.length < count) {
      if (performance.now() > deadlineMs) throw new Error(`${this.#results.length} of ${count} requests ended`);
      await sleep(LOOK_MS);
    }
    return this.#results;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }
}
