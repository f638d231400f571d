import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { spreadMoments, watchRun, type Moment, type WatchedRun } from "../support/killed-run.ts";
import { canMakeNetworks, TestNetwork, type TestHost } from "../support/network.ts";
import { RunningProgram, runPrsync, runPrsyncJson } from "../support/program.ts";
import { rsyncDifferences } from "../support/rsync-referee.ts";
import { makeFirstRelease, makeSecondRelease, randomBytesOf } from "../support/sample-tree.ts";
import { compareTransition, digestTree, type TreeDigest } from "../support/tree-digest.ts";

/** So many that putting them in place takes half a second or more. */
const SMALL_FILES = 1_000;
/** Each is killed once before and in the download, and once in activation; half of them also before. */
const MIRRORS = 8;
const EARLY_KILLS = MIRRORS / 2;
/** Of the link on which a download lasts longer than it takes to save its progress twice. */
const CRAWL_MEGABITS = 10;

interface Run {
  readonly host?: TestHost;
  /** Further options. */
  readonly words?: readonly string[];
}

/** Central and mirrors that hold release 1 while release 2 is out. Links as slow as the download is to be visible. */
describe.skipIf(!canMakeNetworks())("a sync that is killed", () => {
  const directory = mkdtempSync(join(tmpdir(), "prsync-killed-"));
  const tree = join(directory, "tree");
  const env = { PRSYNC_STATE_HOME: join(directory, "state") };
  let network: TestNetwork;
  let fast: TestHost;
  let slow: TestHost;
  let crawl: TestHost;
  let central: RunningProgram;
  let old: TreeDigest;
  let next: TreeDigest;
  let undisturbed: WatchedRun;
  /** One line per kill. */
  const table: string[] = [];

  beforeAll(async () => {
    network = new TestNetwork();
    const centralHost = network.addHost("central");
    fast = network.addHost("fast");
    slow = network.addHost("slow", "60mbit");
    crawl = network.addHost("crawl", `${CRAWL_MEGABITS}mbit`);
    makeFirstRelease(tree);
    writeSmallFiles(1);
    await runPrsyncJson(["publish", tree], { env });
    const listen = ["--listen", `${centralHost.address}:7380`, "--peer-port", "7382"];
    central = await RunningProgram.start(["serve", tree, ...listen], { enter: centralHost.enter, env });
    mkdirSync(join(directory, "mirrors"));
    const names = ["undisturbed", "again", "resumed", "elsewhere", ...numberedMirrors()];
    await Promise.all(names.map((name) => firstSync(name, `http://${centralHost.address}:7380`)));
    old = digestTree(tree);
    makeSecondRelease(tree);
    writeSmallFiles(2);
    await runPrsyncJson(["publish", tree], { env });
    next = digestTree(tree);
    undisturbed = await sync("undisturbed");
    expect(await rsyncDifferences(tree, mirror("undisturbed"), true)).toBe("");
  }, 120_000);

  afterAll(async () => {
    await central.stop();
    network[Symbol.dispose]();
    rmSync(directory, { recursive: true });
  });

  afterEach(() => {
    if (table.length > 0) console.log(table.splice(0).join("\n"));
  });

  test("at twenty moments leaves old or new files, and ends exact once it is let through", async () => {
    const early = spreadMoments(undisturbed, { from: "start", to: "reuse" }, EARLY_KILLS);
    const inDownload = spreadMoments(undisturbed, { from: "download", to: "download" }, MIRRORS);
    const killed: WatchedRun[] = [];
    for (const [index, name] of numberedMirrors().entries()) {
      const inActivation: Moment =
        index === 0
          ? { stage: "activate", afterMs: 0 }
          : { directory: join(mirror(name), "many"), placedFiles: (SMALL_FILES * index) / MIRRORS };
      const moments = [early[index], inDownload[index], inActivation].filter((moment) => moment !== undefined);
      for (const moment of moments) killed.push(await killAndCheck(name, moment));
      // All contents were there before activation began, so nothing of them comes a second time.
      expect(contentBytesOf(await finish(name))).toBeLessThan(100_000);
    }
    expect(killed.filter((run) => run.wasKilled).length).toBe(20);
    expect(killed.filter((run) => run.stage === "download").length).toBeGreaterThanOrEqual(5);
    expect(killed.filter((run) => run.stage === "activate").length).toBeGreaterThanOrEqual(5);
  }, 300_000);

  test("again and again, later each time, goes on from where it was", async () => {
    const kills = 8;
    for (let index = 0; index < kills; index++) {
      await killAndCheck("again", { stage: "start", afterMs: (undisturbed.lastedMs * (index + 1)) / (kills + 1) });
    }
    await finish("again");
  }, 120_000);

  test("late in the download fetches only the rest afterwards", async () => {
    const whole = contentBytesOf(undisturbed);
    const afterMs = (0.9 * whole * 8) / (CRAWL_MEGABITS * 1_000);
    const run = await sync("resumed", { host: crawl, moment: { stage: "download", afterMs } });
    expect(run).toMatchObject({ wasKilled: true, stage: "download" });
    const rest = contentBytesOf(await finish("resumed"));
    console.log(`whole download ${whole} bytes, after the kill ${rest}`);
    expect(rest).toBeLessThan(whole / 2);
  }, 120_000);

  test("and stages in another directory each time loses and leaves nothing", async () => {
    const places = ["one", "two"].map((name) => join(directory, "mirrors", name));
    for (const place of places) mkdirSync(place);
    const whole = contentBytesOf(undisturbed);
    const afterMs = (0.4 * whole * 8) / (CRAWL_MEGABITS * 1_000);
    for (const place of [places[0]!, "../two", undefined, places[0]!]) {
      const words = place === undefined ? [] : ["--temp-dir", place];
      await killAndCheck("elsewhere", { stage: "download", afterMs }, { host: crawl, words });
    }
    const early = { stage: "activate", afterMs: 0 } as const;
    await killAndCheck("elsewhere", early, { host: fast, words: ["--temp-dir", places[1]!] });
    const rest = contentBytesOf(await finish("elsewhere"));
    expect(rest).toBeLessThan(100_000);
    expect(places.flatMap((place) => readdirSync(place))).toEqual([]);
  }, 120_000);

  function mirror(name: string): string {
    return join(directory, "mirrors", name);
  }

  async function firstSync(name: string, centralUrl: string): Promise<void> {
    const ticket = (await runPrsync(["invite", tree, name, "--url", centralUrl], { env })).stdout.trim();
    await runPrsyncJson(["sync", ticket, mirror(name), "--peer-port", "0"], { enter: fast.enter, env });
  }

  /** Of a run on a link that makes the download last. */
  async function sync(name: string, how: Run & { moment?: Moment } = {}): Promise<WatchedRun> {
    const words = ["sync", mirror(name), "--delete", "--peer-port", "0", ...(how.words ?? [])];
    return await watchRun(words, { enter: (how.host ?? slow).enter, env }, how.moment);
  }

  async function killAndCheck(name: string, at: Moment, how: Run = {}): Promise<WatchedRun> {
    const run = await sync(name, { ...how, moment: at });
    const found = digestTree(mirror(name));
    const { wrong, switched, toSwitch } = compareTransition(found, old, next);
    const ended = run.wasKilled ? "killed" : "ended";
    const moment = `${ended} after ${Math.round(run.lastedMs)} ms in ${run.stage}`;
    table.push(`${name}: ${moment}, ${switched} of ${toSwitch} paths new`);
    expect(wrong).toEqual([]);
    // A repository's index comes after everything that it may name.
    if (found.get("dists/stable/Release") === next.get("dists/stable/Release")) expect(switched).toBe(toSwitch);
    return run;
  }

  /** The run that is let through: nothing is left of those before. */
  async function finish(name: string): Promise<WatchedRun> {
    const run = await sync(name, { host: fast });
    expect(await rsyncDifferences(tree, mirror(name), true)).toBe("");
    expect(readdirSync(join(mirror(name), ".prsync/staging"))).toEqual([]);
    return run;
  }

  function writeSmallFiles(release: number): void {
    mkdirSync(join(tree, "many"), { recursive: true });
    for (let index = 0; index < SMALL_FILES; index++) {
      writeFileSync(join(tree, `many/${index}`), randomBytesOf(release * 100_000 + index, 400));
    }
  }
});

function numberedMirrors(): string[] {
  return Array.from({ length: MIRRORS }, (_, index) => `mirror-${index}`);
}

function contentBytesOf(run: WatchedRun): number {
  const { bytes } = JSON.parse(run.stdout) as { bytes: { fromOrigin: number; fromPeers: number } };
  return bytes.fromOrigin + bytes.fromPeers;
}
