import * as fs from "node:fs";
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { displayPath } from "../../../src/core/repo-path.ts";
import { ConfinedDirectory } from "../../../src/store/confined-directory.ts";
import { orderedWalk, type WalkedPath, type WalkOptions } from "../../../src/store/ordered-walk.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

async function collect(path: string, options?: WalkOptions): Promise<WalkedPath[]> {
  using root = ConfinedDirectory.open(path);
  const all = [];
  for await (const batch of orderedWalk(root, options)) all.push(...batch);
  return all;
}

/** What find says: path, size, permission bits, inode, type; separated by NUL. */
function findSays(root: string): string[] {
  const found = spawnSync("find", [root, "-mindepth", "1", "-printf", "%P|%s|%m|%i|%y\\0"], { encoding: "latin1" });
  return found.stdout.split("\0").slice(0, -1).sort();
}

const LETTER = { file: "f", directory: "d", symlink: "l", other: "p", unreadable: "?" } as const;

function asFind(entry: WalkedPath): string {
  if (entry.kind === "unreadable") return `${entry.path}|?`;
  return `${entry.path}|${entry.size}|${entry.mode.toString(8)}|${entry.stats.ino}|${LETTER[entry.kind]}`;
}

test("agrees with find on names of any bytes, kinds, sizes, modes and inodes", async () => {
  const root = temporaryDirectory();
  for (const name of ["a", "a/b", "f\xff\xfe", "f\xff\xfe/sub"]) fs.mkdirSync(Buffer.from(`${root}/${name}`, "latin1"));
  for (const name of ["a/x\n", "\xe4".repeat(255), "f\xff\xfe/sub/\x80", ".hidden"]) {
    fs.writeFileSync(Buffer.from(`${root}/${name}`, "latin1"), name, { mode: 0o640 });
  }
  fs.chmodSync(join(root, "a"), 0o1751);
  fs.symlinkSync("/etc", join(root, "dir-link"));
  fs.symlinkSync(Buffer.from("gone\xff", "latin1"), join(root, "a/dangling"));
  spawnSync("mkfifo", [join(root, "fifo")]);
  const walked = await collect(root);
  expect(walked.map(asFind).sort()).toEqual(findSays(root));
  const targets = walked.flatMap((entry) => ("target" in entry ? [entry.target] : []));
  expect(targets).toEqual(["gone\xff", "/etc"]);
});

test(".prsync at the top is left out with all below it", async () => {
  const root = temporaryDirectory();
  for (const name of [".prsync/staging", "a/.prsync"]) fs.mkdirSync(join(root, name), { recursive: true });
  const walked = await collect(root);
  expect(walked.map((entry) => entry.path)).toEqual(["a", "a/.prsync"]);
});

// Bytes around "/" and beyond ASCII: "a-" and "a." sort before "a/b", "a0" and "a\xff" after.
const name = fc.stringMatching(/^[a\-.0\xff]{1,3}$/).filter((text) => text !== "." && text !== "..");
const somePaths = fc.array(fc.array(name, { minLength: 1, maxLength: 4 }), { maxLength: 25 });

test("all that find finds comes in the order of the path bytes", async () => {
  await fc.assert(
    fc.asyncProperty(somePaths, async (paths) => {
      const root = temporaryDirectory();
      for (const parts of paths) makeFile(`${root}/${parts.join("/")}`);
      const found = (await collect(root)).map(asFind);
      const sorted = findSays(root).toSorted((a, b) => (a.split("|")[0]! < b.split("|")[0]! ? -1 : 1));
      expect(found.map(withoutSize)).toEqual(sorted.map(withoutSize));
    }),
    { numRuns: 60 },
  );
});

/** The size of a directory is the file system's own business. */
function withoutSize(line: string): string {
  return line.replace(/\|\d+\|/, "|");
}

/** A file where nothing is in the way, else nothing. */
function makeFile(path: string): void {
  try {
    fs.mkdirSync(Buffer.from(dirname(path), "latin1"), { recursive: true });
    fs.writeFileSync(Buffer.from(path, "latin1"), "");
  } catch {
    // A file stands where a directory would be needed, or the reverse.
  }
}

test("a large directory comes in batches and complete", async () => {
  const root = temporaryDirectory();
  for (let i = 0; i < 3_000; i++) fs.writeFileSync(join(root, `file-${i}`), "");
  const sizes = [];
  const paths = new Set<string>();
  using opened = ConfinedDirectory.open(root);
  for await (const batch of orderedWalk(opened)) {
    sizes.push(batch.length);
    for (const entry of batch) paths.add(entry.path!);
  }
  expect(paths.size).toBe(3_000);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(1_024);
});

test("files that vanish during the walk are left out, without an error", async () => {
  const root = temporaryDirectory();
  for (let i = 0; i < 2_000; i++) fs.mkdirSync(join(root, `d${i}`));
  const walked = [];
  let batches = 0;
  using opened = ConfinedDirectory.open(root);
  for await (const batch of orderedWalk(opened)) {
    walked.push(...batch);
    if (batches++ === 0) fs.readdirSync(root).forEach((name) => fs.rmdirSync(join(root, name)));
  }
  expect(walked.length).toBeLessThan(2_000);
  expect(walked.filter((entry) => entry.kind === "unreadable")).toEqual([]);
});

test("an unreadable directory is reported, the rest is walked", async () => {
  const root = temporaryDirectory();
  fs.mkdirSync(join(root, "closed"), { mode: 0o000 });
  fs.mkdirSync(join(root, "open"));
  fs.writeFileSync(join(root, "open/file"), "");
  const [walk, directory] = ["ordered-walk", "confined-directory"].map(
    (name) => new URL(`../../../src/store/${name}.ts`, import.meta.url).href,
  );
  const script = `
    import { orderedWalk } from ${JSON.stringify(walk)};
    import { ConfinedDirectory } from ${JSON.stringify(directory)};
    process.setgid(65534); process.setuid(65534);
    using root = ConfinedDirectory.open(${JSON.stringify(root)});
    for await (const batch of orderedWalk(root))
      for (const e of batch) console.log(e.path, e.error?.code ?? e.kind);`;
  fs.chmodSync(root, 0o755);
  const child = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  expect(child.stdout.trim().split("\n").sort()).toEqual([
    "closed EACCES",
    "closed directory",
    "open directory",
    "open/file file",
  ]);
});

test.skipIf(process.getuid!() !== 0)("another file system is reported and not entered", async ({ skip }) => {
  const root = temporaryDirectory();
  fs.mkdirSync(join(root, "mounted"));
  if (spawnSync("mount", ["-t", "tmpfs", "none", join(root, "mounted")]).status !== 0) return skip("no mounts here");
  try {
    fs.writeFileSync(join(root, "mounted/inside"), "");
    expect((await collect(root)).map((entry) => displayPath(entry.path!))).toEqual(["mounted"]);
    const crossing = await collect(root, { crossFileSystems: true });
    expect(crossing.map((entry) => displayPath(entry.path!))).toEqual(["mounted", "mounted/inside"]);
  } finally {
    spawnSync("umount", [join(root, "mounted")]);
  }
});
