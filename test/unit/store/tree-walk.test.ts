import * as fs from "node:fs";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { displayPath } from "../../../src/core/repo-path.ts";
import { type UnreadablePath, type WalkedEntry, walkTree, type WalkOptions } from "../../../src/store/tree-walk.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

async function collect(root: string, options?: WalkOptions): Promise<(WalkedEntry | UnreadablePath)[]> {
  const all = [];
  for await (const batch of walkTree(root, options)) all.push(...batch);
  return all.sort((a, b) => ((a.path ?? "") < (b.path ?? "") ? -1 : 1));
}

/** What find says: path, size, permission bits, inode, type; separated by NUL. */
function findSays(root: string): string[] {
  const found = spawnSync("find", [root, "-mindepth", "1", "-printf", "%P|%s|%m|%i|%y\\0"], { encoding: "latin1" });
  return found.stdout.split("\0").slice(0, -1).sort();
}

const LETTER = { file: "f", directory: "d", symlink: "l", other: "p", unreadable: "?" } as const;

function asFind(entry: WalkedEntry | UnreadablePath): string {
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

test(".prsync at the top and skipped paths are left out with all below them", async () => {
  const root = temporaryDirectory();
  for (const name of [".prsync/staging", "a/.prsync", "skipped/inside"])
    fs.mkdirSync(join(root, name), { recursive: true });
  const walked = await collect(root, { skip: (path) => path === "skipped" });
  expect(walked.map((entry) => entry.path)).toEqual(["a", "a/.prsync"]);
});

test("a large directory comes in batches and complete", async () => {
  const root = temporaryDirectory();
  for (let i = 0; i < 3_000; i++) fs.writeFileSync(join(root, `file-${i}`), "");
  const sizes = [];
  const paths = new Set<string>();
  for await (const batch of walkTree(root)) {
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
  for await (const batch of walkTree(root)) {
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
  const module = new URL("../../../src/store/tree-walk.ts", import.meta.url).href;
  const script = `
    import { walkTree } from ${JSON.stringify(module)};
    process.setgid(65534); process.setuid(65534);
    for await (const batch of walkTree(${JSON.stringify(root)}))
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
