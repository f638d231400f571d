import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ArrivedContents } from "../../../src/edge/arrived-contents.ts";
import { activateRelease, type ActivatedRelease, type ActivationJob } from "../../../src/edge/activate-release.ts";
import type { ReusedContent } from "../../../src/edge/reuse.ts";
import type { FileEntry } from "../../../src/manifest/entry.ts";
import { isMetadataPath } from "../../../src/plan/metadata-class.ts";
import type { PathDecision } from "../../../src/plan/plan-sync.ts";
import { contentOf, fileEntry, MirrorDisk, pathOf } from "./mirror-disk.ts";

/** Stages the contents of all "place" decisions, from their path's name, and activates. */
async function activate(
  disk: MirrorDisk,
  decisions: readonly PathDecision[],
  change: Partial<ActivationJob> = {},
): Promise<ActivatedRelease> {
  const staged: ReusedContent[] = [];
  for (const decision of decisions) {
    if (decision.action !== "place") continue;
    const { path, content, size: lengthBytes } = decision.entry;
    disk.staging.stageWhole(content, Buffer.from(`new ${path}`));
    const wanted = { content, lengthBytes, source: { how: "fetch" as const }, paths: [path] };
    staged.push({ wanted, how: "fetched", transfer: undefined, reusedBytes: 0 });
  }
  const job = {
    ...disk,
    arrived: new ArrivedContents(),
    entryOf: () => undefined,
    unavailable: new Set<string>(),
    isIncomplete: false,
    isMetadata: isMetadataPath,
    holdings: { isComplete: true },
    signal: new AbortController().signal,
  };
  return await activateRelease({ decisions, contents: [] }, staged, { ...job, ...change });
}

function newEntry(name: string, change: Partial<FileEntry> = {}): FileEntry {
  return fileEntry(name, `new ${name}`, change);
}

function place(name: string): PathDecision {
  return { action: "place", entry: newEntry(name), replaces: "absent" };
}

function textAt(disk: MirrorDisk, name: string): string {
  return readFileSync(disk.at(name), "utf8");
}

test("what is placed is recorded as verified under its new stat", async () => {
  const disk = new MirrorDisk();
  const { failures } = await activate(disk, [place("a"), place("b")]);
  expect([failures, textAt(disk, "a"), textAt(disk, "b")]).toEqual([[], "new a", "new b"]);
  expect(disk.index.files.totals()).toMatchObject({ files: 2, verifiedFiles: 2 });
  expect(disk.index.files.pathsOf(contentOf("new b"))).toEqual(["b"]);
});

test("paths of a content that could not be had stay as they are, their further names too", async () => {
  const disk = new MirrorDisk();
  disk.hold("a", "old a");
  disk.hold("b", "old b");
  const link: PathDecision = {
    action: "link",
    entry: newEntry("b", { content: contentOf("new a"), link: pathOf("a") }),
    to: pathOf("a"),
    replaces: "file",
  };
  const unavailable = new Set([contentOf("new a")]);
  await activate(disk, [place("a"), link, place("c")], { unavailable });
  expect([textAt(disk, "a"), textAt(disk, "b"), textAt(disk, "c")]).toEqual(["old a", "old b", "new c"]);
});

test("a hard link to a path that could not be updated is not made of the old file", async () => {
  const disk = new MirrorDisk();
  disk.hold("a", "old a");
  disk.hold("b", "old b");
  const entry = newEntry("b", { content: contentOf("new a"), link: pathOf("a") });
  const link: PathDecision = { action: "link", entry, to: pathOf("a"), replaces: "file" };
  const { staging, index, destination, log } = disk;
  const arrived = new ArrivedContents();
  const parts = {
    index,
    destination,
    staging,
    arrived,
    log,
    isMetadata: isMetadataPath,
    holdings: { isComplete: true },
  };
  const job = { ...parts, entryOf: () => undefined, unavailable: new Set<string>(), isIncomplete: false };
  // Its staged part went: nothing is staged here.
  const plan = { decisions: [place("a"), link], contents: [] };
  const { failures } = await activateRelease(plan, [], { ...job, signal: new AbortController().signal });
  expect(failures.map(({ path }) => path)).toEqual(["a", "b"]);
  expect(textAt(disk, "b")).toBe("old b");
});

test("one path that fails stops no other; index files and removals wait for it", async () => {
  const disk = new MirrorDisk();
  disk.hold("full/a", "keeps the directory");
  disk.hold("gone", "gone");
  const remove: PathDecision = { action: "remove", path: pathOf("gone"), kind: "file" };
  const failing: PathDecision = { action: "place", entry: newEntry("full"), replaces: "directory" };
  const { failures, heldBack, removed } = await activate(disk, [failing, place("a"), place("Release"), remove]);
  expect(failures.map(({ path }) => path)).toEqual(["full"]);
  expect([heldBack.toSorted(), removed, textAt(disk, "a")]).toEqual([["Release", "gone"], 0, "new a"]);
});

test("an adopted file is recorded unverified, one that changed since it was looked at is a failure", async () => {
  const disk = new MirrorDisk();
  disk.write("same", "new same");
  disk.write("grown", "new grown and more");
  disk.write("touched", "new touched", 2_000_000);
  mkdirSync(disk.at("directory"));
  const decisions = ["same", "grown", "touched", "directory", "gone"].map((name): PathDecision => {
    return { action: "keep", entry: newEntry(name), isAdopted: true };
  });
  const { failures } = await activate(disk, decisions);
  expect(failures.map(({ path }) => path)).toEqual(["grown", "touched", "directory", "gone"]);
  expect(disk.index.files.totals()).toMatchObject({ files: 1, verifiedFiles: 0 });
});

test("a new mode keeps what is recorded", async () => {
  const disk = new MirrorDisk();
  disk.hold("a", "new a");
  chmodSync(disk.at("a"), 0o600);
  disk.record("a", contentOf("new a"));
  await activate(disk, [{ action: "attributes", entry: newEntry("a"), isAdopted: false }]);
  expect(statSync(disk.at("a")).mode & 0o777).toBe(0o644);
  const stats = disk.destination.lstat(pathOf("a"))!;
  expect(disk.index.files.get(pathOf("a"))?.stat.ctimeNs).toBe(stats.ctimeNs);
});

test("a run that is cut off has noted every path it was about to place, and recorded what it did", async () => {
  const disk = new MirrorDisk();
  const abort = new AbortController();
  const names = Array.from({ length: 300 }, (_, i) => `file-${String(i).padStart(3, "0")}`);
  const abortOnceBegun = (): void => {
    if (disk.destination.lstat(pathOf(names[0]!)) === undefined) setImmediate(abortOnceBegun);
    else abort.abort(new Error("cut off"));
  };
  setImmediate(abortOnceBegun);
  await expect(activate(disk, names.map(place), { signal: abort.signal })).rejects.toThrow("cut off");
  expect(disk.index.files.pending()).toEqual(names);
  const placed = names.filter((name) => disk.destination.lstat(pathOf(name)) !== undefined);
  expect(disk.index.files.totals().files).toBe(placed.length);
  expect(placed.length).toBeGreaterThan(0);
  expect(placed.length).toBeLessThan(names.length);
});

test("a directory that holds what is not ours is left alone and not counted as removed", async () => {
  const disk = new MirrorDisk();
  disk.hold("dir/ours", "ours");
  writeFileSync(disk.at("dir/foreign"), "foreign");
  const decisions: PathDecision[] = [
    { action: "remove", path: pathOf("dir"), kind: "directory" },
    { action: "remove", path: pathOf("dir/ours"), kind: "file" },
  ];
  const { failures, removed } = await activate(disk, decisions);
  expect([failures, removed, textAt(disk, "dir/foreign")]).toEqual([[], 1, "foreign"]);
  expect(disk.index.files.get(pathOf("dir/ours"))).toBeUndefined();
});
