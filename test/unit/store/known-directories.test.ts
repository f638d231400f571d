import * as fs from "node:fs";
import { dirname } from "node:path";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { RepoPath } from "../../../src/core/repo-path.ts";
import { ConfinedDirectory } from "../../../src/store/confined-directory.ts";
import { DirectoryDigest } from "../../../src/store/directory-digest.ts";
import {
  orderedWalk,
  orderedWalkOfChanges,
  type SamePaths,
  type WalkedEntry,
  type WalkedPath,
} from "../../../src/store/ordered-walk.ts";
import { ROW_KIND } from "../../../src/store/publish-index-schema.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

// Bytes around "/" and beyond ASCII: "a-" and "a." sort before "a/b", "a0" and "a\xff" after.
const name = fc.stringMatching(/^[a\-.0\xff]{1,2}$/).filter((text) => text !== "." && text !== "..");
const somePaths = fc.array(fc.array(name, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 25 });
const somePicks = fc.array(fc.nat(), { maxLength: 3 });
const SALT = 0;

function onDisk(root: string, path: string): Buffer {
  return Buffer.from(`${root}/${path}`, "latin1");
}

function makeFile(root: string, path: string): void {
  try {
    fs.mkdirSync(onDisk(root, dirname(path)), { recursive: true });
    fs.writeFileSync(onDisk(root, path), "");
  } catch {
    // A file stands where a directory would be needed, or the reverse.
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

async function walkedIn(root: ConfinedDirectory): Promise<WalkedEntry[]> {
  const all: WalkedPath[] = [];
  for await (const batch of orderedWalk(root)) all.push(...batch);
  return all as WalkedEntry[];
}

function digestsOf(entries: readonly WalkedEntry[]): Map<string, Buffer> {
  const digests = new Map([["", new DirectoryDigest(SALT)]]);
  for (const { path, kind } of entries) if (kind === "directory") digests.set(path, new DirectoryDigest(SALT));
  for (const { path, kind, stats } of entries) {
    const parent = parentOf(path);
    const leaf = path.slice(parent === "" ? 0 : parent.length + 1);
    digests.get(parent)!.add(leaf, ROW_KIND[kind as "file"], stats);
  }
  return new Map([...digests].map(([directory, digest]) => [directory, digest.finish()]));
}

test("what is told is what changed: directories with a known digest come as ranges, the others in full", async () => {
  await fc.assert(
    fc.asyncProperty(somePaths, somePicks, async (paths, picks) => {
      const path = temporaryDirectory();
      for (const parts of paths) makeFile(path, parts.join("/"));
      using root = ConfinedDirectory.open(path);
      const digests = digestsOf(await walkedIn(root));
      const files = (await walkedIn(root)).filter(({ kind }) => kind === "file");
      const changed = new Set(picks.flatMap((pick) => (files.length === 0 ? [] : [files[pick % files.length]!.path])));
      for (const file of changed) fs.appendFileSync(onDisk(path, file), "x");
      const after = await walkedIn(root);

      const told: (WalkedPath | SamePaths)[] = [];
      const reported = new Set<string>();
      const known = {
        salt: SALT,
        digestOf: (directory: string) => digests.get(directory),
        onReported: (directory: string) => void reported.add(directory),
      };
      for await (const batch of orderedWalkOfChanges(root, known)) told.push(...batch);

      expect(reported).toEqual(new Set([...changed].map(parentOf)));
      const isTold = ({ path: at }: WalkedEntry): boolean => reported.has(parentOf(at));
      expect(told.filter(({ kind }) => kind !== "same").map((entry) => (entry as WalkedEntry).path)).toEqual(
        after.filter(isTold).map(({ path: at }) => at),
      );
      const ranges = told.filter((entry) => entry.kind === "same");
      const isInRange = ({ path: at }: WalkedEntry): boolean =>
        ranges.some(({ from, to }) => from <= at && (to === undefined || at < to));
      expect(after.filter(isInRange)).toEqual(after.filter((entry) => !isTold(entry)));
      expect(ranges.reduce((sum, { count }) => sum + count, 0)).toBe(after.filter(isInRange).length);
      const starts = told.map((entry) => (entry.kind === "same" ? entry.from : entry.path!));
      expect(starts).toEqual(starts.toSorted((a, b) => (a < b ? -1 : 1)));
    }),
    { numRuns: 60 },
  );
});

test("a digest differs with each name, kind and number in it", () => {
  const facts = { ino: 1n, size: 2n, mtimeNs: 3n, ctimeNs: 4n };
  const digestOf = (salt: number, ...children: readonly Parameters<DirectoryDigest["add"]>[]): string => {
    const digest = new DirectoryDigest(salt);
    for (const child of children) digest.add(...child);
    return digest.finish().toString("hex");
  };
  const many = Array.from({ length: 300 }, (_, i) => [`n${i}`, 0, facts] as const);
  const different = [
    digestOf(0),
    digestOf(1),
    digestOf(0, ["a", 0, facts]),
    digestOf(0, ["a", 1, facts]),
    digestOf(0, ["b", 0, facts]),
    digestOf(0, ["a", 0, facts], ["b", 0, facts]),
    ...Object.keys(facts).map((key) => digestOf(0, ["a", 0, { ...facts, [key]: 9n }])),
    digestOf(0, ...many.map((child) => [...child] as Parameters<DirectoryDigest["add"]>)),
    digestOf(0, ...many.slice(1).map((child) => [...child] as Parameters<DirectoryDigest["add"]>)),
  ];
  expect(new Set(different).size).toBe(different.length);
  expect(digestOf(0, ["a", 0, facts])).toBe(different[2]);
});

/** Walks with the digests of now, after which `onLook` may change something between a directory's opening and the looks at its names. */
async function toldOf(path: string, onLook: (directory: string) => void): Promise<(WalkedPath | SamePaths)[]> {
  using root = ConfinedDirectory.open(path);
  const digests = digestsOf(await walkedIn(root));
  root.forgetDirectories();
  const told: (WalkedPath | SamePaths)[] = [];
  const known = {
    salt: SALT,
    digestOf: (directory: string) => {
      onLook(directory);
      return digests.get(directory);
    },
    onReported: () => undefined,
  };
  for await (const batch of orderedWalkOfChanges(root, known)) told.push(...batch);
  return told;
}

function toldFiles(told: readonly (WalkedPath | SamePaths)[]): { path: string; ino: bigint }[] {
  const files = told.filter((entry): entry is WalkedEntry => entry.kind === "file");
  return files.map(({ path, stats }) => ({ path, ino: stats.ino }));
}

test("a directory that another takes the place of while it is looked at is told as it was opened", async () => {
  const path = temporaryDirectory();
  for (const name of ["d/a", "d/b"]) makeFile(path, name);
  const opened = ["a", "b"].map((leaf) => ({
    path: `d/${leaf}`,
    ino: fs.lstatSync(`${path}/d/${leaf}`, { bigint: true }).ino,
  }));
  const told = await toldOf(path, (directory) => {
    if (directory !== "d") return;
    fs.renameSync(`${path}/d`, `${path}/aside`);
    for (const name of ["d/a", "d/b"]) makeFile(path, name);
  });
  expect(toldFiles(told)).toEqual(opened);
});

test("a symlink that takes the place of a directory while it is looked at leads nowhere", async () => {
  const path = temporaryDirectory();
  const outside = temporaryDirectory();
  makeFile(path, "d/a");
  makeFile(outside, "a");
  const { ino } = fs.lstatSync(`${path}/d/a`, { bigint: true });
  const told = await toldOf(path, (directory) => {
    if (directory !== "d") return;
    fs.renameSync(`${path}/d`, `${path}/aside`);
    fs.symlinkSync(outside, `${path}/d`);
  });
  expect(toldFiles(told)).toEqual([{ path: "d/a", ino }]);
});

test("a directory that gives way to one that is as it was known is told as it was opened", async () => {
  const path = temporaryDirectory();
  for (const name of ["d/a", "edited/a"]) makeFile(path, name);
  const { ino } = fs.lstatSync(`${path}/edited/a`, { bigint: true });
  const swap = (): void => {
    fs.renameSync(`${path}/d`, `${path}/aside`);
    fs.renameSync(`${path}/edited`, `${path}/d`);
    fs.renameSync(`${path}/aside`, `${path}/edited`);
  };
  const told = await toldOf(path, (directory) => {
    if (directory === "" || directory === "d") swap();
  });
  expect(toldFiles(told).filter((file) => file.path === "d/a")).toEqual([{ path: "d/a", ino }]);
});

test("a tree that is moved while it is walked is told as it was opened", async () => {
  const above = temporaryDirectory();
  makeFile(above, "tree/d/a");
  const { ino } = fs.lstatSync(`${above}/tree/d/a`, { bigint: true });
  const told = await toldOf(`${above}/tree`, (directory) => {
    if (directory === "") fs.renameSync(`${above}/tree`, `${above}/moved`);
  });
  expect(toldFiles(told)).toEqual([{ path: "d/a", ino }]);
});

test("an edit of the same size whose time is put back is told", async () => {
  const path = temporaryDirectory();
  makeFile(path, "d/a");
  fs.writeFileSync(`${path}/d/a`, "x");
  const { ino, atime, mtime } = fs.lstatSync(`${path}/d/a`);
  fs.utimesSync(`${path}/d/a`, atime, mtime);
  const told = await toldOf(path, (directory) => {
    if (directory !== "d") return;
    fs.writeFileSync(`${path}/d/a`, "y");
    fs.utimesSync(`${path}/d/a`, atime, mtime);
  });
  expect(toldFiles(told)).toEqual([{ path: "d/a", ino: BigInt(ino) }]);
});

test("directories whose path is longer than the system takes at once are known all the same", async () => {
  const path = temporaryDirectory();
  const part = "p".repeat(200);
  using root = ConfinedDirectory.open(path);
  const depths = Array.from(
    { length: 25 },
    (_, i) =>
      Array<string>(i + 1)
        .fill(part)
        .join("/") as RepoPath,
  );
  for (const directory of depths) root.mkdir(directory);
  fs.closeSync(root.createExclusive(`${depths.at(-1)!}/file` as RepoPath));
  const told = await toldOf(path, () => undefined);
  expect(told.filter(({ kind }) => kind !== "same")).toEqual([]);
});
