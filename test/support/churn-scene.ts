import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "../../src/core/clock.ts";
import { ChangingTree } from "./changing-tree.ts";
import { ChurnTally, type ChurnReport } from "./churn-tally.ts";
import { fetchAsCustomer } from "./customer-fetch.ts";
import { freePort } from "./free-port.ts";
import { LoopbackCentral } from "./loopback-central.ts";
import { type PlainWebServer, servePlainly } from "./plain-web-server.ts";
import type { RunningProgram } from "./program.ts";

export interface ChurnOptions {
  readonly seed: number;
  readonly requests: number;
  /** Customers at once. */
  readonly concurrency: number;
  readonly files: number;
  /** In requests: a mirror is killed after so many, and comes back after as many again; the others follow in turn. */
  readonly killEvery: number;
  /** In requests: a release with a twentieth of the files and the index changed, every third one for all mirrors. */
  readonly publishEvery: number;
}

/** The shortest that `serve` takes. */
export const ANNOUNCE_INTERVAL_MS = 10_000;
const INDEX = "dists/stable/main/binary-amd64/Packages";
/** Every so many requests is for the index. */
const INDEX_EVERY = 20;

/** What each mirror is for. */
const STEADY = ["steady-1", "steady-2"];
const KILLED = ["killed-1", "killed-2"];
const PARTIAL = ["partial", "partial-by-name"];
const STALE = ["stale", "stale-by-name"];
/** Their customers meet a web server that gives out the directory and knows no contents. */
const BY_NAME = [PARTIAL[1]!, STALE[1]!];

/** Each release gives these the content of another package, which all mirrors of its directory hold under that name: `latest.iso`. */
const LATEST = ["pool/a/latest.deb", "pool/b/latest.deb"];
/** Every so many requests is for one of them. */
const LATEST_EVERY = 6;

/**
 * Central and eight mirrors as real programs: two that stay, two that are killed in turn and come back, two that hold half of the files and two
 * whose syncs fail most of the time, one of each behind a plain web server; releases come meanwhile. Customers, each from an address of its own,
 * fetch files and check every byte.
 */
export class ChurnScene implements AsyncDisposable {
  readonly #options: ChurnOptions;
  readonly #central = new LoopbackCentral("customers-churn");
  readonly #tree: ChangingTree;
  readonly #random: () => number;
  readonly #daemons = new Map<string, RunningProgram>();
  readonly #tickets = new Map<string, string>();
  readonly #hosts = new Map<string, string>();
  readonly #webServers = new Map<string, PlainWebServer>();
  #seed: number;
  #releases = 0;

  private constructor(options: ChurnOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.#seed = options.seed;
    const files = Array.from({ length: options.files }, (_, index) => `pool/${"ab"[index % 2]}/package-${index}.deb`);
    this.#tree = new ChangingTree(this.#central.tree, [INDEX, ...files, ...LATEST]);
  }

  /** Until all mirrors hold the first release and central knows them. */
  static async start(options: ChurnOptions): Promise<ChurnScene> {
    const scene = new ChurnScene(options);
    await scene.#publish(scene.#tree.paths);
    const words = ["--announce-interval", `${ANNOUNCE_INTERVAL_MS / 1_000}s`, "--request-rate", "0"];
    await scene.#central.serve(words);
    const names = [...STEADY, ...KILLED, ...PARTIAL, ...STALE];
    for (const name of names) scene.#hosts.set(name, `127.0.0.1:${await freePort()}`);
    for (const name of BY_NAME) scene.#webServers.set(name, await servePlainly(scene.#central.mirror(name)));
    await Promise.all(names.map((name) => scene.#startMirror(name)));
    for (const daemon of scene.#daemons.values()) await daemon.waitFor(({ event }) => event === "synced", 120_000);
    const deadline = performance.now() + 60_000;
    while ((await scene.#unfit()) > PARTIAL.length) {
      if (performance.now() > deadline) throw new Error("central did not get to know all mirrors within a minute");
      await pause();
    }
    return scene;
  }

  /** All requests. Kills, returns and releases come at fixed numbers of them, while others are under way; these wait only for the last but one. */
  async run(): Promise<ChurnReport> {
    const { requests, concurrency, killEvery, publishEvery } = this.#options;
    const byName = [...this.#webServers.values()].map(({ url }) => new URL(url).host);
    const central = new URL(this.#central.url).host;
    const tally = new ChurnTally({ central, byName, silenceMs: 2 * ANNOUNCE_INTERVAL_MS });
    const startedMs = performance.now();
    let number = 0;
    let events: Promise<void> = Promise.resolve();
    let waiting = 0;
    const happen = (event: () => Promise<void>): void => {
      waiting++;
      events = events.then(event).finally(() => waiting--);
    };
    const customer = async (): Promise<void> => {
      while (number < requests) {
        // Else quick customers would all be gone before the first release came.
        if (waiting > 1) await events;
        const turn = ++number;
        if (turn % publishEvery === 0) happen(() => this.#publishSome());
        if (turn % killEvery === 0) {
          const step = turn / killEvery - 1;
          happen(() => this.#killOrReturn(step, tally));
        }
        await this.#fetchOne(turn, tally);
      }
    };
    await Promise.all(Array.from({ length: concurrency }, customer));
    await events;
    return tally.report({ releases: this.#releases, seconds: (performance.now() - startedMs) / 1_000 });
  }

  async #fetchOne(turn: number, tally: ChurnTally): Promise<void> {
    const path = this.#pathOf(turn);
    // 127.1.0.0 and up: a new customer each time, for as long as central remembers one.
    const address = `127.${1 + ((turn >> 16) & 63)}.${(turn >> 8) & 255}.${turn & 255}`;
    for (let attempt = 1; attempt <= 2; attempt++) {
      const startMs = performance.now();
      const outcome = await fetchAsCustomer(`${this.#central.url}/${path}`, address);
      const span = [startMs, performance.now()] as const;
      const isRight = outcome.kind === "file" && this.#tree.held(path, outcome.sha256, span);
      tally.note(outcome, { isRight, attempt, span, path });
      if (outcome.kind !== "cut") return;
    }
  }

  #pathOf(turn: number): string {
    if (turn % INDEX_EVERY === 0) return INDEX;
    return this.#oneOf(turn % LATEST_EVERY === 0 ? LATEST : this.#tree.paths.slice(1));
  }

  #oneOf(paths: readonly string[]): string {
    return paths[Math.floor(this.#random() * paths.length)]!;
  }

  async #killOrReturn(step: number, tally: ChurnTally): Promise<void> {
    const name = KILLED[(step >> 1) % KILLED.length]!;
    const host = this.#hosts.get(name)!;
    if (step % 2 === 1) {
      await this.#startMirror(name);
      tally.returned(host);
      return;
    }
    tally.killed(host);
    await this.#daemons.get(name)!.stop("SIGKILL");
  }

  async #publishSome(): Promise<void> {
    const files = this.#tree.paths.slice(1, -LATEST.length);
    const changed = files.filter(() => this.#random() < 0.05);
    const unchanged = files.filter((path) => path.startsWith("pool/a/") && !changed.includes(path));
    for (const path of LATEST) this.#tree.copy(this.#oneOf(unchanged), path);
    // Every third release reaches the mirror that else stays behind.
    if (this.#releases % 3 === 0) rmSync(this.#holdBack, { force: true });
    else writeFileSync(this.#holdBack, "");
    await this.#publish([INDEX, ...changed]);
  }

  async #publish(paths: readonly string[]): Promise<void> {
    for (const path of paths) this.#tree.change(path, ++this.#seed, 20_000 + Math.floor(this.#random() * 40_000));
    await this.#central.publish();
    this.#tree.published();
    this.#releases++;
  }

  async #startMirror(name: string): Promise<void> {
    const words = ["--listen", this.#hosts.get(name)!];
    const web = this.#webServers.get(name);
    if (web !== undefined) words.push("--public-url", web.url);
    if (PARTIAL.includes(name)) words.push("--exclude", "/pool/b");
    if (STALE.includes(name)) words.push("--pre-sync", `test ! -e '${this.#holdBack}'`);
    // The same ticket again, as a unit file keeps it.
    const ticket = this.#tickets.get(name) ?? (await this.#central.invite(name));
    this.#tickets.set(name, ticket);
    this.#daemons.set(name, await this.#central.daemon(name, words, ticket));
  }

  get #holdBack(): string {
    return join(this.#central.directory, "hold-back");
  }

  /** Mirrors that get no customers now, for a file that the partial mirrors lack. */
  async #unfit(): Promise<number> {
    const answer = await fetch(`${this.#central.url}/${this.#tree.paths[2]!}?explain=json`);
    return ((await answer.json()) as { readonly rejected: readonly unknown[] }).rejected.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#daemons.values()].map((daemon) => daemon.stop("SIGKILL")));
    await Promise.all([...this.#webServers.values()].map((server) => server[Symbol.asyncDispose]()));
    await this.#central[Symbol.asyncDispose]();
  }
}

function pause(): Promise<void> {
  return new Promise((wake) => setTimeout(wake, 200));
}
