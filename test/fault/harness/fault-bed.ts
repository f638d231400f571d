import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RunningProgram, runPrsync, runPrsyncJson, type RunOptions, type RunResult } from "../../support/program.ts";
import { rsyncDifferences } from "../../support/rsync-referee.ts";
import { compareTransition, digestTree, type TreeDigest } from "../../support/tree-digest.ts";
import { makeNextTree, makeOldTree } from "./fault-tree.ts";
import {
  countCalls,
  runInjected,
  type CallName,
  type CallRange,
  type InjectedRun,
  type Injection,
} from "./injection.ts";
import { LoopDisk } from "./loop-disk.ts";

const DISK_BYTES = 48 * 2 ** 20;

/** Central with release 2, and per lane the image of a disk with a mirror that holds release 1. */
export class FaultBed implements AsyncDisposable {
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;
  /** What central publishes: release 2. */
  readonly tree: string;
  /** Release 1, as an ordinary tree. */
  readonly oldTree: string;
  readonly old: TreeDigest;
  readonly next: TreeDigest;
  readonly #central: RunningProgram;
  readonly #counts = new Map<string, Promise<ReadonlyMap<CallName, CallRange>>>();
  #copies = 0;

  private constructor(directory: string, central: RunningProgram) {
    this.directory = directory;
    this.env = { PRSYNC_STATE_HOME: join(directory, "state") };
    this.tree = join(directory, "tree");
    this.oldTree = join(directory, "old");
    this.old = digestTree(this.oldTree);
    this.next = digestTree(this.tree);
    this.#central = central;
  }

  /** @param lanes how many plays run at a time */
  static async create(lanes: number): Promise<FaultBed> {
    const directory = mkdtempSync(join(tmpdir(), "prsync-faults-"));
    const env = { PRSYNC_STATE_HOME: join(directory, "state") };
    const tree = join(directory, "tree");
    for (const path of [tree, join(directory, "old")]) mkdirSync(path);
    makeOldTree(tree);
    makeOldTree(join(directory, "old"));
    await runPrsyncJson(["publish", tree], { env });
    const words = ["serve", tree, "--listen", "127.0.0.1:0", "--peer-port", "0"];
    const central = await RunningProgram.start(words, { env });
    for (let lane = 0; lane < lanes; lane++) await fillDisk(directory, { lane, tree, env, url: central.ready.http });
    makeNextTree(tree);
    await runPrsyncJson(["publish", tree], { env });
    return new FaultBed(directory, central);
  }

  get url(): string {
    return this.#central.ready.http;
  }

  /** A ticket. */
  async invite(name: string): Promise<string> {
    return await invite({ ...this, url: this.url }, name);
  }

  /** A disk with a mirror that holds release 1, mounted. */
  mirror(lane: number, mountOptions?: string): MirrorDisk {
    const image = join(this.directory, `copy-${lane}-${this.#copies++}`);
    return new MirrorDisk(this, LoopDisk.copy(imageOf(this.directory, lane), image).mount(mountOptions));
  }

  /** An empty place for whatever a play needs. */
  emptyDirectory(): string {
    const path = join(this.directory, `place-${this.#copies++}`);
    mkdirSync(path);
    return path;
  }

  /**
   * Which call of a run to hit.
   * @param run names what is counted; counted once
   * @param how.fraction 0…1 of the calls of the run's busiest thread, those of its start left out
   */
  async callNumber(run: string, call: CallName, how: { fraction: number; count: CountedRun }): Promise<number> {
    const counts = this.#counts.get(run) ?? how.count();
    this.#counts.set(run, counts);
    const { from, to } = (await counts).get(call)!;
    return Math.min(to, from + Math.floor(how.fraction * (to - from + 1)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#central.stop();
    // What a play that failed left mounted must not take the results of all others with it.
    for (const line of readFileSync("/proc/mounts", "utf8").split("\n").reverse()) {
      const point = line.split(" ")[1];
      if (point?.startsWith(`${this.directory}/`) === true) spawnSync("umount", ["-l", point], { stdio: "ignore" });
    }
    rmSync(this.directory, { recursive: true });
  }
}

export type CountedRun = () => Promise<ReadonlyMap<CallName, CallRange>>;

/** A mirror on a disk of its own, and beside it what nobody may touch. */
export class MirrorDisk implements AsyncDisposable {
  readonly bed: FaultBed;
  readonly disk: LoopDisk;

  constructor(bed: FaultBed, disk: LoopDisk) {
    this.bed = bed;
    this.disk = disk;
  }

  get destination(): string {
    return join(this.disk.path, "mirror");
  }

  get state(): string {
    return join(this.disk.path, "state");
  }

  /** Words of the sync that all plays let run, in one way or another. */
  get words(): readonly string[] {
    return ["sync", this.destination, "--state", this.state, "--delete", "--peer-port", "0", "--json"];
  }

  async sync(options: RunOptions = {}): Promise<RunResult> {
    return await runPrsync(this.words, options);
  }

  async syncInjected(injection: Injection): Promise<InjectedRun> {
    return await runInjected(this.words, injection);
  }

  async countCalls(calls: readonly CallName[]): Promise<ReadonlyMap<CallName, CallRange>> {
    return await countCalls(this.words, calls);
  }

  /** What is wrong with a tree between the releases, and with what lies beside it; empty if all is well. */
  findDamage(): string[] {
    const found = digestTree(this.destination);
    const { wrong, switched, toSwitch } = compareTransition(found, this.bed.old, this.bed.next);
    const isIndexNew = found.get(INDEX_FILE) === this.bed.next.get(INDEX_FILE);
    const early = isIndexNew && switched < toSwitch ? [`${INDEX_FILE} came before what it may name`] : [];
    return [...wrong, ...early, ...this.findTouchedCanary()];
  }

  /** What rsync would change to make it release 2; "" if nothing. */
  async differencesToRelease(): Promise<string> {
    return await rsyncDifferences(this.bed.tree, this.destination, true);
  }

  findTouchedCanary(): string[] {
    const names = readdirSync(join(this.disk.path, "canary"));
    const isIntact = names.length === 1 && digestTree(join(this.disk.path, "canary")).get("bird") === CANARY_DIGEST;
    return isIntact ? [] : ["what lies beside the mirror was changed"];
  }

  /** The run that is let through: exact, and nothing is left of those before. */
  async finish(): Promise<string[]> {
    const result = await this.sync();
    if (result.code !== 0) return [`the next run ended with ${result.code}: ${result.stderr.trim()}`];
    const differences = await this.differencesToRelease();
    const left = readdirSync(join(this.destination, ".prsync/staging"));
    return [
      ...(differences === "" ? [] : [`after the next run rsync would change:\n${differences}`]),
      ...(left.length === 0 ? [] : [`the next run left ${left.join(", ")}`]),
      ...this.findTouchedCanary(),
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.disk[Symbol.asyncDispose]();
  }
}

const INDEX_FILE = "dists/stable/Release";
const CANARY = "alive\n";
/** SHA-256 of {@link CANARY}, as {@link digestTree} tells it. */
const CANARY_DIGEST = "file f22225688f860f7f66e651cd1d27d8859f979195bc514b13dee4c22f70526234";

interface Lane {
  readonly lane: number;
  readonly tree: string;
  readonly env: Readonly<Record<string, string>>;
  readonly url: string;
}

async function fillDisk(directory: string, { lane, ...central }: Lane): Promise<void> {
  const disk = LoopDisk.format(imageOf(directory, lane), { bytes: DISK_BYTES }).mount();
  mkdirSync(join(disk.path, "canary"));
  writeFileSync(join(disk.path, "canary/bird"), CANARY);
  const ticket = await invite(central, `lane-${lane}`);
  const words = ["sync", ticket, join(disk.path, "mirror"), "--state", join(disk.path, "state"), "--peer-port", "0"];
  await runPrsyncJson(words);
  await disk.unmount();
}

async function invite(central: Pick<Lane, "tree" | "env" | "url">, name: string): Promise<string> {
  const words = ["invite", central.tree, name, "--url", central.url];
  return (await runPrsync(words, { env: central.env })).stdout.trim();
}

function imageOf(directory: string, lane: number): string {
  return join(directory, `lane-${lane}`);
}
