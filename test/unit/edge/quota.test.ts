import { existsSync, readdirSync, rmSync, utimesSync } from "node:fs";
import { expect, test } from "vitest";
import { predictSync } from "../../../src/edge/dry-run.ts";
import type { Mirror } from "../../../src/edge/mirror.ts";
import { SILENT_PROGRESS } from "../../../src/edge/sync-progress.ts";
import { verifyMirror } from "../../../src/edge/verify-mirror.ts";
import { CentralFixture } from "../../support/central-fixture.ts";
import { MirrorFixture, sync, SYNC_OPTIONS } from "./mirror-fixture.ts";

const QUOTA = 1_000;
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

  async start(settings = SETTINGS): Promise<void> {
    await this.central.publish();
    await this.central.serve();
    this.fixture = new MirrorFixture(this.central);
    this.mirror = await this.fixture.open({ selection: settings });
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
  for (const [path, age] of [
    ["a", 3],
    ["b", 2],
    ["c", 1],
  ] as const)
    world.put(path, 400, age);
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
  expect(await verifyMirror(world.mirror, new AbortController().signal)).toMatchObject({ files: 3, bad: [] });
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
  for (const [path, age] of [
    ["a", 3],
    ["b", 2],
    ["c.iso", 1],
  ] as const)
    world.put(path, 500, age);
  await world.start({ ...SETTINGS, rules: [{ option: "exclude", value: "*.iso" }] as never });
  await sync(world.mirror);
  expect(world.held()).toEqual(["a", "b"]);
  await world.mirror[Symbol.asyncDispose]();
  world.put("z", 500, 0);
  await world.publish();
  await sync(await world.fixture.open());
  expect(world.held()).toEqual(["b", "z"]);
});
