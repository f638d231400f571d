import { chmodSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { RepoPath } from "../../../src/core/repo-path.ts";
import {
  localHoldings,
  localState,
  takeInventory,
  wholeWindow,
  type InventoryScope,
} from "../../../src/edge/inventory.ts";
import { StrayFiles } from "../../../src/edge/stray-files.ts";
import { PLAIN_ATTRIBUTES } from "../../../src/plan/held-attributes.ts";
import { Selection } from "../../../src/filter/selection.ts";
import type { ConsideredPath } from "../../../src/plan/plan-sync.ts";
import { contentOf, directoryEntry, fileEntry, MirrorDisk, pathOf, symlinkEntry } from "./mirror-disk.ts";

/** Considered paths with what the release says and whether they are ours. */
async function consider(
  disk: MirrorDisk,
  change: Partial<InventoryScope> = {},
): Promise<Map<RepoPath, ConsideredPath>> {
  const selection = new Selection();
  const strays = new StrayFiles();
  const fixed = { selection, strays, attributes: PLAIN_ATTRIBUTES };
  const scope = { ...disk, isWhole: false, includesForeign: false, isStrict: false, ...fixed, ...change };
  return await takeInventory(scope);
}

async function mirror(): Promise<MirrorDisk> {
  const disk = new MirrorDisk();
  for (const name of ["a", "b", "c"]) disk.hold(name, name);
  await disk.holdRelease(
    1,
    ["a", "b", "c"].map((name) => fileEntry(name, name)),
  );
  return disk;
}

test("without anything new nothing is considered", async () => {
  expect((await consider(await mirror())).size).toBe(0);
});

test("what the next release changes is considered, its removals as ours", async () => {
  const disk = await mirror();
  disk.announceNext(2, [fileEntry("a", "a"), fileEntry("b", "new"), fileEntry("d", "d")]);
  const considered = await consider(disk);
  expect([...considered.keys()].toSorted()).toEqual(["b", "c", "d"]);
  expect(considered.get(pathOf("b"))).toMatchObject({
    entry: { content: contentOf("new") },
    local: { content: contentOf("b") },
  });
  expect(considered.get(pathOf("c"))).toMatchObject({ entry: undefined, isOurs: true });
  expect(considered.get(pathOf("d"))).toMatchObject({ local: { kind: "absent" } });
});

test("a noted path is considered with its entry of the release to come", async () => {
  const disk = await mirror();
  disk.index.files.addPending([pathOf("a"), pathOf("b"), pathOf("left by a run that was cut off")]);
  disk.announceNext(2, [fileEntry("a", "a"), fileEntry("b", "new"), fileEntry("c", "c")]);
  const considered = await consider(disk);
  expect(considered.get(pathOf("a"))?.entry).toMatchObject({ content: contentOf("a") });
  expect(considered.get(pathOf("b"))?.entry).toMatchObject({ content: contentOf("new") });
  expect(considered.get(pathOf("left by a run that was cut off"))).toMatchObject({ entry: undefined, isOurs: true });
});

test("a file that no release brought is not ours because somebody noted its path or a release that never came named it", async () => {
  const disk = await mirror();
  disk.write("mine", "mine");
  disk.index.files.addPending([pathOf("mine")]);
  expect((await consider(disk)).get(pathOf("mine"))).toMatchObject({ entry: undefined, isOurs: false });
  writeFileSync(disk.at("a"), "edited since");
  disk.index.files.addPending([pathOf("a")]);
  disk.announceNext(2, [fileEntry("b", "b"), fileEntry("c", "c")]);
  expect((await consider(disk)).get(pathOf("a"))).toMatchObject({ entry: undefined, isOurs: true });
});

test("a file that a selection left alone is not ours once the release drops it", async () => {
  const disk = new MirrorDisk();
  await disk.holdRelease(1, [fileEntry("big", "as the release has it")]);
  disk.write("big", "somebody's own");
  disk.announceNext(2, []);
  const selection = new Selection({ rules: [], ruleFiles: {}, maxSizeBytes: 5 });
  expect((await consider(disk, { selection })).get(pathOf("big"))).toMatchObject({ entry: undefined, isOurs: false });
});

test("a path that the new release leaves alone is not made as the old one had it", async () => {
  const disk = new MirrorDisk();
  await disk.holdRelease(1, [fileEntry("grows", "less")]);
  disk.announceNext(2, [fileEntry("grows", "more than the selection takes")]);
  const considered = await consider(disk, {
    isWhole: true,
    selection: new Selection({ rules: [], ruleFiles: {}, maxSizeBytes: 10 }),
  });
  expect([...considered.keys()]).toEqual([]);
});

test("a whole look finds what changed on disk, and what is missing", async () => {
  const disk = await mirror();
  writeFileSync(disk.at("a"), "A");
  utimesSync(disk.at("a"), 1_000_000, 1_000_000);
  rmSync(disk.at("b"));
  expect((await consider(disk)).size).toBe(0);
  const considered = await consider(disk, { isWhole: true });
  expect([...considered.keys()].toSorted()).toEqual(["a", "b"]);
  expect(considered.get(pathOf("a"))?.local).not.toHaveProperty("content");
});

test("what nobody brought is considered only for --delete; our own directory never", async () => {
  const disk = await mirror();
  disk.write("foreign", "foreign");
  expect((await consider(disk, { isWhole: true })).size).toBe(0);
  const considered = await consider(disk, { isWhole: true, includesForeign: true });
  expect([...considered.values()]).toMatchObject([{ path: "foreign", entry: undefined, isOurs: false }]);
});

test("adopted files are as recorded, unless contents are to be compared", async () => {
  const disk = await mirror();
  disk.record("a", contentOf("a"), false);
  expect((await consider(disk, { isWhole: true })).size).toBe(0);
  const strict = await consider(disk, { isWhole: true, isStrict: true });
  expect([...strict.keys()]).toEqual(["a"]);
  expect(strict.get(pathOf("a"))?.local).not.toHaveProperty("content");
});

test("a record counts only while the stat is the same", () => {
  const disk = new MirrorDisk();
  disk.hold("a", "a");
  expect(localState(disk, pathOf("a"))).toMatchObject({ kind: "file", content: contentOf("a") });
  chmodSync(disk.at("a"), 0o600);
  expect(localState(disk, pathOf("a"))).not.toHaveProperty("content");
});

test("each kind of thing is seen as it is, links not followed", () => {
  const disk = new MirrorDisk();
  disk.write("dir/a", "a");
  symlinkSync("dir/a", disk.at("link"));
  const kinds = ["dir", "dir/a", "link", "nothing", "dir/a/below a file"].map(
    (name) => localState(disk, pathOf(name)).kind,
  );
  expect(kinds).toEqual(["directory", "file", "symlink", "absent", "absent"]);
});

test("a holder of a content is one whose file is still what was recorded", () => {
  const disk = new MirrorDisk();
  disk.hold("a", "same");
  disk.hold("b", "same");
  writeFileSync(disk.at("a"), "else");
  expect([...localHoldings(disk).holdersOf(contentOf("same"), "any")]).toEqual(["b"]);
  rmSync(disk.at("b"));
  expect([...localHoldings(disk).holdersOf(contentOf("same"), "any")]).toEqual([]);
});

test("a holder is found behind any number of files that changed; verified ones alone if asked for", () => {
  const disk = new MirrorDisk();
  const names = Array.from({ length: 150 }, (_, i) => `file-${i + 100}`);
  for (const name of names) disk.hold(name, "same");
  for (const name of names.slice(0, -1)) chmodSync(disk.at(name), 0o600);
  disk.write("adopted", "same");
  disk.record("adopted", contentOf("same"), false);
  const holdings = localHoldings(disk);
  expect([...holdings.holdersOf(contentOf("same"), "any")]).toEqual([names.at(-1), "adopted"]);
  expect([...holdings.holdersOf(contentOf("same"), "verified")]).toEqual([names.at(-1)]);
});

test("only a file that is, or will be, what the release says may get further names", async () => {
  const disk = await mirror();
  await disk.holdRelease(2, [
    fileEntry("a", "a"),
    fileEntry("b", "b"),
    directoryEntry("dir"),
    symlinkEntry("ln", "a"),
    fileEntry("z", "a", { link: pathOf("a") }),
  ]);
  writeFileSync(disk.at("b"), "changed since");
  const entry = fileEntry("n", "new");
  const considered = new Map([
    [entry.path, { path: entry.path, entry, local: { kind: "absent" as const }, isOurs: true }],
  ]);
  const holdings = localHoldings(disk, wholeWindow(disk.index, considered));
  const answers = ["a", "b", "dir", "ln", "z", "nothing", "n"].map((name) => holdings.contentAfter(pathOf(name)));
  expect(answers).toEqual([contentOf("a"), undefined, undefined, undefined, undefined, undefined, contentOf("new")]);
});
