import { existsSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { predictSync } from "../../../src/edge/dry-run.ts";
import type { Mirror } from "../../../src/edge/mirror.ts";
import { runSync } from "../../../src/edge/sync-job.ts";
import { SILENT_PROGRESS } from "../../../src/edge/sync-progress.ts";
import { lookAgain, verifyMirror } from "../../../src/edge/verify-mirror.ts";
import type { SelectionSettings } from "../../../src/filter/selection.ts";
import { StoreError } from "../../../src/store/errors.ts";
import { TamperingProxy } from "../../support/tampering-proxy.ts";
import { CentralFixture } from "../../support/central-fixture.ts";
import { MirrorFixture, sync, SYNC_OPTIONS } from "./mirror-fixture.ts";

const QUOTA = 1_000;
const NEVER = new AbortController().signal;
const SETTINGS = { rules: [], ruleFiles: {}, quotaBytes: QUOTA };

class QuotaWorld {
  readonly central = new CentralFixture();
  fixture!: MirrorFixture;
  mirror!: Mirror;

  /** A file of so many bytes that is so many days old. */
  put(path: string, bytes: number, daysOld: number): void {
    this.central.write(path, path[path.length - 1]!.repeat(bytes));
    const seconds = 1_700_000_000 - daysOld * 86_400;
    utimesSync(`${this.central.treePath}/${path}`, seconds, seconds);
  }

  /** Three files of so many bytes each, the first 3 days old, the last 1. */
  putThree(paths: readonly [string, string, string], bytes: number): void {
    for (const [index, path] of paths.entries()) this.put(path, bytes, 3 - index);
  }

  async start(settings: SelectionSettings = SETTINGS): Promise<void> {
    await this.central.publish();
    await this.central.serve();
    this.fixture = new MirrorFixture(this.central);
    this.mirror = await this.fixture.open({ selection: settings });
  }

  async reopen(selection?: SelectionSettings): Promise<void> {
    await this.mirror[Symbol.asyncDispose]();
    this.mirror = await this.fixture.open(selection === undefined ? {} : { selection });
  }

  async publish(): Promise<void> {
    await this.central.publish();
    await this.central.program.refreshNow();
  }

  held(): string[] {
    return readdirSync(this.fixture.destination).filter((name) => name !== ".prsync");
  }
}

test("a mirror keeps the newest files within its quota, release after release, and index files always", async () => {
  const world = new QuotaWorld();
  world.put("InRelease", 100, 90);
  world.putThree(["a", "b", "c"], 400);
  await world.start();
  const first = await sync(world.mirror);
  expect(world.held()).toEqual(["InRelease", "b", "c"]);
  expect(first.summary.files.total).toBe(3);
  expect(first.summary.bytes.total).toBe(900);
  world.put("d", 400, 0);
  await world.publish();
  const foretold = await predictSync(world.mirror, SYNC_OPTIONS, SILENT_PROGRESS);
  expect(foretold.summary.files).toMatchObject({ fetched: 1, removed: 1 });
  expect((await sync(world.mirror)).summary.files).toMatchObject({ total: 3, fetched: 1, removed: 1 });
  expect(world.held()).toEqual(["InRelease", "c", "d"]);
  const again = await sync(world.mirror, { rescanMs: 0 });
  expect(again.summary.files).toMatchObject({ kept: 3, fetched: 0, removed: 0 });
  expect(await verifyMirror(world.mirror, NEVER)).toMatchObject({ files: 3, bad: [] });
  rmSync(`${world.central.treePath}/d`);
  await world.publish();
  await sync(world.mirror);
  expect(world.held()).toEqual(["InRelease", "b", "c"]);
});

test("a quota below the index files is refused before anything is done", async () => {
  const world = new QuotaWorld();
  world.put("Packages.gz", QUOTA + 1, 1);
  world.put("a", 1, 1);
  await world.start();
  await expect(sync(world.mirror)).rejects.toMatchObject({ code: "quota-too-small" });
  expect(existsSync(world.fixture.at("a"))).toBe(false);
});

test("it counts what the filter rules leave, and is remembered", async () => {
  const world = new QuotaWorld();
  world.putThree(["a", "b", "c.iso"], 500);
  await world.start({ ...SETTINGS, rules: [{ option: "exclude", value: "*.iso" }] as never });
  await sync(world.mirror);
  expect(world.held()).toEqual(["a", "b"]);
  await world.mirror[Symbol.asyncDispose]();
  world.put("z", 500, 0);
  await world.publish();
  await sync(await world.fixture.open());
  expect(world.held()).toEqual(["b", "z"]);
});

/** Holds a, b and c of 400 bytes each; c is the youngest. */
async function threeFiles(settings?: SelectionSettings): Promise<QuotaWorld> {
  const world = new QuotaWorld();
  world.putThree(["a", "b", "c"], 400);
  await world.start(settings);
  await sync(world.mirror);
  return world;
}

test.each([
  ["smaller", { ...SETTINGS, quotaBytes: 1_300 }, SETTINGS, 3],
  ["larger", SETTINGS, { ...SETTINGS, quotaBytes: 2_000 }, 2],
  ["no", SETTINGS, { rules: [], ruleFiles: {} }, 2],
])(
  "verify judges by the quota of the last sync, not by a %s one that none went by",
  async (_, before, after, files) => {
    const world = await threeFiles(before);
    await world.reopen(after);
    expect(await verifyMirror(world.mirror, NEVER)).toMatchObject({ files, bad: [] });
  },
);

test("verify goes by what is recorded where the remembered quota was never cut", async () => {
  const world = await threeFiles();
  await world.mirror[Symbol.asyncDispose]();
  const restored = { rules: [], ruleFiles: {}, quotaBytes: 2_000 };
  writeFileSync(join(world.fixture.directory, "state/selection.json"), JSON.stringify(restored));
  rmSync(world.fixture.at("b"));
  await world.reopen();
  const { files, bad } = await verifyMirror(world.mirror, NEVER);
  expect([files, bad]).toEqual([2, [{ path: "b", verdict: "missing" }]]);
});

test("a selection that is refused is not remembered", async () => {
  const world = new QuotaWorld();
  world.put("Packages.gz", QUOTA + 1, 1);
  await world.start({ rules: [], ruleFiles: {} });
  await sync(world.mirror);
  await world.reopen(SETTINGS);
  await expect(sync(world.mirror)).rejects.toMatchObject({ code: "quota-too-small" });
  await world.reopen();
  expect((await sync(world.mirror)).summary.files).toMatchObject({ total: 1, kept: 1 });
});

test("a selection whose run ends before it changes anything is not remembered", async () => {
  const world = await threeFiles();
  await world.reopen({ rules: [], ruleFiles: {} });
  const full = new StoreError("disk-full", "no room for this plan");
  const refuse = (): never => {
    throw full;
  };
  await expect(runSync(world.mirror, SYNC_OPTIONS, { ...SILENT_PROGRESS, onPlan: refuse })).rejects.toBe(full);
  await world.reopen();
  expect((await sync(world.mirror, { plan: { removal: "all" } })).summary.files).toMatchObject({ total: 2, kept: 2 });
});

test("the options of a first run hold whatever ends it, and protect what is there from a bare --delete", async () => {
  const world = new QuotaWorld();
  world.put("a", 400, 1);
  await world.start({ rules: [{ option: "exclude", value: "/local" }], ruleFiles: {} });
  writeFileSync(world.fixture.at("local"), "somebody's own");
  await world.reopen();
  await sync(world.mirror, { plan: { removal: "all" } });
  expect(world.held()).toEqual(["a", "local"]);
  const later = { rules: [], ruleFiles: {}, quotaBytes: 400 };
  await world.reopen(later);
  await world.reopen();
  expect(world.mirror.selected.selection.settings.rules).toHaveLength(1);
});

test("a bad file is mended once the right bytes are there, and not wanted once the release has none", async () => {
  const world = await threeFiles();
  for (const name of ["b", "c"]) rmSync(world.fixture.at(name));
  const { bad } = await verifyMirror(world.mirror, NEVER);
  expect(bad.map(({ path }) => path)).toEqual(["b", "c"]);
  expect(await lookAgain(world.mirror, bad, NEVER)).toEqual({ unmended: ["b", "c"], unwanted: [] });
  rmSync(`${world.central.treePath}/c`);
  await world.publish();
  await sync(world.mirror);
  expect(await lookAgain(world.mirror, bad, NEVER)).toEqual({ unmended: [], unwanted: ["c"] });
  expect(world.held()).toEqual(["a", "b"]);
});

test("after a run without removals the look that removes what moved out of the quota is owed", async () => {
  const world = await threeFiles();
  world.put("d", 400, 0);
  await world.publish();
  await sync(world.mirror, { plan: { removal: "none" } });
  expect(world.held()).toEqual(["b", "c", "d"]);
  expect(world.mirror.index.facts.get("lastWholeWalkMs")).toBe(0);
  await sync(world.mirror);
  expect(world.held()).toEqual(["c", "d"]);
  expect(world.mirror.index.facts.get("lastWholeWalkMs")).toBeGreaterThan(0);
});

const VOLATILE = { ...SETTINGS, role: "volatile" as const };

/** Releases 1 with x and y, and 2 with z, whose file is the oldest by mtime; a mirror has room for two. */
async function volatileWorld(): Promise<{ world: QuotaWorld; proxy: TamperingProxy }> {
  const world = new QuotaWorld();
  world.put("x", 400, 1);
  world.put("y", 400, 2);
  await world.central.publish();
  world.put("z", 400, 90);
  await world.central.publish();
  await world.central.serve();
  const proxy = await TamperingProxy.start(world.central.program.httpUrl);
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  world.fixture = new MirrorFixture(world.central, "mirror", proxy.url);
  return { world, proxy };
}

test("a volatile mirror holds what the newest releases brought, whatever the files' own times are", async () => {
  const { world } = await volatileWorld();
  world.mirror = await world.fixture.open({ selection: VOLATILE });
  const first = await sync(world.mirror);
  expect(world.held()).toEqual(["x", "z"]);
  expect(first.summary.bytes.total).toBe(800);
  world.put("w", 400, 95);
  await world.publish();
  expect((await sync(world.mirror)).summary.files).toMatchObject({ total: 2, fetched: 1, removed: 1 });
  expect(world.held()).toEqual(["w", "z"]);
  const again = await sync(world.mirror, { rescanMs: 0 });
  expect(again.summary.files).toMatchObject({ kept: 2, fetched: 0, removed: 0 });
  expect(await verifyMirror(world.mirror, NEVER)).toMatchObject({ files: 2, bad: [] });
});

test("a central that assigns nothing leaves it the newest by mtime, and is told so; one that does moves it", async () => {
  const { world, proxy } = await volatileWorld();
  proxy.replace(/\/announce/, (body) => {
    const { assignment: _, ...answer } = JSON.parse(body.toString()) as Record<string, unknown>;
    return Buffer.from(JSON.stringify(answer));
  });
  world.mirror = await world.fixture.open({ selection: VOLATILE });
  await sync(world.mirror);
  expect(world.held()).toEqual(["x", "y"]);
  expect(world.fixture.log.lines.join("\n")).toContain("central assigns nothing");
  proxy.clear();
  await sync(world.mirror);
  expect(world.held()).toEqual(["x", "z"]);
});

test("while announces get no answer the last assignment holds, after a restart, too", async () => {
  const { world, proxy } = await volatileWorld();
  world.mirror = await world.fixture.open({ selection: VOLATILE });
  await sync(world.mirror);
  await world.mirror[Symbol.asyncDispose]();
  proxy.replace(/\/announce/, () => undefined);
  world.put("w", 400, 95);
  await world.publish();
  await sync(await world.fixture.open());
  expect(world.held()).toEqual(["w", "z"]);
});
