import { linkSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runSync } from "../../../src/edge/sync-job.ts";
import { SILENT_PROGRESS } from "../../../src/edge/sync-progress.ts";
import { CentralFixture } from "../../support/central-fixture.ts";
import { randomBytesOf } from "../../support/sample-tree.ts";
import { rsyncDifferences } from "../../support/rsync-referee.ts";
import { contentOf } from "./mirror-disk.ts";
import { MirrorFixture, sync, SYNC_OPTIONS } from "./mirror-fixture.ts";

const WINDOWED = { windowPaths: 3, plan: { removal: "all" } } as const;
const FILES = Array.from({ length: 20 }, (_, i) => `dir/${String(i).padStart(2, "0")}`);

async function served(before: (central: CentralFixture) => void = () => undefined): Promise<CentralFixture> {
  const central = new CentralFixture();
  for (const path of FILES) central.write(path, `bytes of ${path}`);
  central.write("dir/Packages", "index");
  central.write("zz/a", "last directory");
  before(central);
  await central.publish();
  await central.serve();
  return central;
}

test("a first release in windows is exact, with links, copies and directories that lie in several", async () => {
  const large = randomBytesOf(1, 300_000);
  const central = await served((at) => {
    at.write("aa", large);
    at.write("zz/large", large);
    linkSync(join(at.treePath, "dir/00"), join(at.treePath, "zz/name of 00"));
    linkSync(join(at.treePath, "dir/Packages"), join(at.treePath, "zz/by-hash"));
  });
  const fixture = new MirrorFixture(central);
  const { summary, failures, details } = await sync(await fixture.open(), WINDOWED);
  expect(failures).toEqual([]);
  expect(await rsyncDifferences(central.treePath, fixture.destination)).toBe("");
  expect(statSync(fixture.at("zz/name of 00")).ino).toBe(statSync(fixture.at("dir/00")).ino);
  const { total, kept, copied, fetched } = summary.files;
  expect([total, kept, copied, fetched]).toEqual([26, 0, 3, 23]);
  expect(new Set([...details.changes()].map(({ path }) => path)).size).toBe(29);
});

test("what DEST held before is kept, makes way, or goes, as without windows", async () => {
  const central = await served();
  const fixture = new MirrorFixture(central);
  for (const path of ["dir/05/in the way", "foreign/deep", "zz"]) {
    mkdirSync(join(fixture.at(path), ".."), { recursive: true });
    writeFileSync(fixture.at(path), "foreign");
  }
  const { summary, failures } = await sync(await fixture.open(), WINDOWED);
  expect([failures, summary.files.removed]).toEqual([[], 3]);
  expect(await rsyncDifferences(central.treePath, fixture.destination)).toBe("");
});

test("a failure in the first window holds back the index files and removals of the last", async () => {
  const central = await served();
  // Edited in place: where contents are kept by hard link, the published bytes are gone with it.
  writeFileSync(join(central.treePath, "dir/00"), "in place");
  const lost = contentOf("bytes of dir/00");
  rmSync(join(central.directory, "work/contents", lost.slice(0, 2), lost));
  const fixture = new MirrorFixture(central);
  mkdirSync(fixture.destination);
  writeFileSync(fixture.at("foreign"), "foreign");
  const mirror = await fixture.open();
  const { failures } = await sync(mirror, WINDOWED);
  expect(failures.map(({ path }) => path)).toEqual(["dir/00"]);
  expect(() => statSync(fixture.at("dir/Packages"))).toThrow("ENOENT");
  expect(readFileSync(fixture.at("foreign"), "utf8")).toBe("foreign");
  expect(readFileSync(fixture.at("dir/19"), "utf8")).toBe("bytes of dir/19");
});

test("further names of a first one that failed in an earlier window become its names with the next run", async () => {
  const central = await served((at) => linkSync(join(at.treePath, "dir/00"), join(at.treePath, "zz/name of 00")));
  const fixture = new MirrorFixture(central);
  const mirror = await fixture.open();
  let isFirst = true;
  const onStage = (stage: string): void => {
    if (stage !== "activate" || !isFirst) return;
    isFirst = false;
    rmSync(fixture.at(`.prsync/staging/${contentOf("bytes of dir/00")}.part`));
  };
  const { failures } = await runSync(mirror, { ...SYNC_OPTIONS, windowPaths: 3 }, { ...SILENT_PROGRESS, onStage });
  expect(failures.map(({ path }) => path)).toEqual(["dir/00"]);
  expect(readFileSync(fixture.at("zz/name of 00"), "utf8")).toBe("bytes of dir/00");
  expect((await sync(mirror, WINDOWED)).failures).toEqual([]);
  expect(statSync(fixture.at("zz/name of 00")).ino).toBe(statSync(fixture.at("dir/00")).ino);
  expect(await rsyncDifferences(central.treePath, fixture.destination)).toBe("");
});

test("a run that was cut off between two windows is gone on with", async () => {
  const central = await served();
  const fixture = new MirrorFixture(central);
  const stop = new AbortController();
  const first = await fixture.open({ signal: stop.signal });
  let plans = 0;
  const onPlan = (): void => {
    if (++plans === 3) stop.abort(new Error("cut off"));
  };
  const options = { ...SYNC_OPTIONS, windowPaths: WINDOWED.windowPaths };
  await expect(runSync(first, options, { ...SILENT_PROGRESS, onPlan })).rejects.toThrow("cut off");
  const heldBefore = first.index.files.count();
  await first[Symbol.asyncDispose]();
  expect(heldBefore).toBe(5);
  const { summary, failures } = await sync(await fixture.open(), WINDOWED);
  expect([failures, summary.files.fetched]).toEqual([[], 22 - heldBefore]);
  expect(await rsyncDifferences(central.treePath, fixture.destination)).toBe("");
});
