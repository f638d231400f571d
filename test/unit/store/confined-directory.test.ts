import * as fs from "node:fs";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { repoPathFromByteString, type RepoPath } from "../../../src/core/repo-path.ts";
import { ConfinedDirectory } from "../../../src/store/confined-directory.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const path = (text: string): RepoPath => repoPathFromByteString(text);

function write(directory: ConfinedDirectory, at: string, text: string): void {
  const descriptor = directory.createExclusive(path(at));
  fs.writeSync(descriptor, text);
  fs.closeSync(descriptor);
}

function openDescriptors(): number {
  return fs.readdirSync("/proc/self/fd").length;
}

test("names are bytes: invalid UTF-8, newline, 255 bytes", async () => {
  const root = temporaryDirectory();
  using directory = ConfinedDirectory.open(root);
  const names = ["f\xff\xfe", "line\nbreak\x01", "\xe4".repeat(255), " ", "\\", "..."];
  directory.mkdir(path("d\xff"));
  for (const name of names) write(directory, `d\xff/${name}`, name);
  const onDisk = fs.readdirSync(Buffer.from(`${root}/d\xff`, "latin1"), { encoding: "latin1" });
  expect(onDisk.sort()).toEqual([...names].sort());
  await using handle = await directory.openForReading(path(`d\xff/${names[0]!}`));
  expect((await handle.readFile()).toString()).toBe(names[0]);
});

test("paths longer than PATH_MAX work, with more parts than descriptors are kept", async () => {
  const root = temporaryDirectory();
  using directory = ConfinedDirectory.open(root);
  const before = openDescriptors();
  let deep = path("p");
  directory.mkdir(deep);
  for (let i = 0; i < 300; i++) {
    deep = path(`${deep}/${"long-directory-name-"}${i}`);
    directory.mkdir(deep);
  }
  expect(deep.length).toBeGreaterThan(4096);
  write(directory, `${deep}/file`, "deep");
  directory.forgetDirectories();
  expect(Number(directory.lstat(path(`${deep}/file`))!.size)).toBe(4);
  directory.rename(path(`${deep}/file`), path("shallow"));
  await directory.fsyncDirectory(deep);
  expect(fs.readFileSync(join(root, "shallow"), "utf8")).toBe("deep");
  expect(openDescriptors() - before).toBeLessThanOrEqual(256);
  directory.forgetDirectories();
  expect(openDescriptors()).toBe(before);
});

test("a parent that is a symlink stops every call; the leaf is never followed", async () => {
  const root = temporaryDirectory();
  const outside = temporaryDirectory();
  fs.writeFileSync(join(outside, "secret"), "secret", { mode: 0o600 });
  fs.symlinkSync(outside, join(root, "link"));
  fs.symlinkSync(join(outside, "secret"), join(root, "leaf"));
  using directory = ConfinedDirectory.open(root);
  const inside = path("link/secret");
  expect(directory.lstat(inside)).toBeUndefined();
  await expect(directory.openForReading(inside)).rejects.toMatchObject({ code: "ENOTDIR" });
  const calls = [
    () => directory.createExclusive(path("link/new")),
    () => directory.mkdir(path("link/new")),
    () => directory.unlink(inside),
    () => directory.chmod(inside, 0o777),
    () => directory.setMtime(inside, 0n),
    () => directory.symlink("x", path("link/new")),
    () => directory.link(inside, path("stolen")),
    () => directory.rename(inside, path("stolen")),
    () => directory.readlink(inside),
  ];
  for (const call of calls) expect(call).toThrow(expect.objectContaining({ code: "ENOTDIR" }));
  expect(() => directory.chmod(path("leaf"), 0o777)).toThrow(expect.objectContaining({ code: "ELOOP" }));
  expect(() => directory.createExclusive(path("leaf"))).toThrow(expect.objectContaining({ code: "EEXIST" }));
  expect(() => directory.openForReadingSync(path("leaf"))).toThrow(expect.objectContaining({ code: "not-a-file" }));
  directory.setMtime(path("leaf"), 5_000_000_000n);
  expect(Number(directory.lstat(path("leaf"))!.mtimeNs)).toBe(5e9);
  expect(fs.statSync(join(outside, "secret")).mode & 0o777).toBe(0o600);
  expect(fs.readdirSync(outside)).toEqual(["secret"]);
});

test("a FIFO or directory is no file, and opening it does not block", async () => {
  const root = temporaryDirectory();
  expect(spawnSync("mkfifo", [join(root, "fifo")]).status).toBe(0);
  using directory = ConfinedDirectory.open(root);
  directory.mkdir(path("d"));
  for (const name of ["fifo", "d"]) {
    await expect(directory.openForReading(path(name))).rejects.toMatchObject({ code: "not-a-file" });
    expect(() => directory.openForReadingSync(path(name))).toThrow(expect.objectContaining({ code: "not-a-file" }));
  }
});

test("errors name the path below the root and keep the system's code", () => {
  using directory = ConfinedDirectory.open(temporaryDirectory());
  expect(() => directory.unlink(path("no\x1b"))).toThrow('ENOENT: no such file or directory, unlink "no\\x1b"');
  expect(() => directory.mkdir(path("a/b"))).toThrow('ENOENT: no such file or directory, open "a"');
});

test("rename and link reach into another confined directory", () => {
  const root = temporaryDirectory();
  using directory = ConfinedDirectory.open(root);
  directory.mkdir(path("staging"));
  using staging = directory.openBelow(path("staging"));
  write(staging, "part", "new");
  staging.link(path("part"), path("second"), { into: directory });
  staging.rename(path("part"), path("final"), { into: directory });
  expect(fs.readdirSync(root).sort()).toEqual(["final", "second", "staging"]);
  expect(fs.statSync(join(root, "final")).nlink).toBe(2);
  expect(fs.readdirSync(join(root, "staging"))).toEqual([]);
});

test("a directory that was renamed or removed is not used under its old name", () => {
  using directory = ConfinedDirectory.open(temporaryDirectory());
  directory.mkdir(path("a"));
  directory.mkdir(path("a/b"));
  write(directory, "a/b/x", "1");
  directory.rename(path("a"), path("z"));
  expect(directory.lstat(path("a/b/x"))).toBeUndefined();
  directory.unlink(path("z/b/x"));
  directory.rmdir(path("z/b"));
  directory.mkdir(path("z/b"));
  write(directory, "z/b/y", "2");
  expect(directory.lstat(path("z/b/y"))).toBeDefined();
});

test("a replaced root is noticed", () => {
  const parent = temporaryDirectory();
  const root = join(parent, "root");
  fs.mkdirSync(root);
  using directory = ConfinedDirectory.open(root);
  directory.assertRootInPlace();
  fs.renameSync(root, join(parent, "old"));
  expect(() => directory.assertRootInPlace()).toThrow(expect.objectContaining({ code: "root-replaced" }));
  fs.mkdirSync(root);
  expect(() => directory.assertRootInPlace()).toThrow(expect.objectContaining({ code: "root-replaced" }));
  expect(() => ConfinedDirectory.open(join(parent, "none"))).toThrow(
    expect.objectContaining({ code: "root-unusable" }),
  );
});

/** Swaps `root/d/e` between a directory and a symlink to `outside` as fast as it can. */
const FLIPPER = `
const { renameSync, symlinkSync, unlinkSync } = require("node:fs");
const { workerData: { root, outside, stop } } = require("node:worker_threads");
const flag = new Int32Array(stop);
while (Atomics.load(flag, 0) === 0) {
  for (const name of ["d", "d/e"]) {
    renameSync(root + "/" + name, root + "/aside");
    symlinkSync(outside, root + "/" + name);
    unlinkSync(root + "/" + name);
    renameSync(root + "/aside", root + "/" + name);
    Atomics.add(flag, 1, 1);
  }
}`;

/** One call of every kind that changes or reads something. */
function attempts(directory: ConfinedDirectory): readonly ((i: number) => void)[] {
  return [
    (i) => fs.closeSync(directory.createExclusive(path(`d/e/created${i}`))),
    (i) => directory.mkdir(path(`d/e/made${i}`)),
    (i) => directory.symlink("t", path(`d/e/symlink${i}`)),
    (i) => directory.link(path("source"), path(`d/e/linked${i}`)),
    (i) => {
      fs.closeSync(directory.createExclusive(path(`tmp${i}`)));
      directory.rename(path(`tmp${i}`), path(`d/e/renamed${i}`));
    },
    () => directory.chmod(path("d/e/victim"), 0o777),
    () => directory.setMtime(path("d/e/victim"), 1_000_000_000n),
    () => directory.unlink(path("d/e/victim")),
    () => fs.closeSync(directory.openForReadingSync(path("d/e/outside-only"))),
  ];
}

function succeeds(call: () => void): boolean {
  try {
    call();
    return true;
  } catch {
    return false;
  }
}

test("nothing escapes while directories are swapped for symlinks", async () => {
  const root = temporaryDirectory();
  const outside = temporaryDirectory();
  fs.mkdirSync(join(root, "d/e"), { recursive: true });
  fs.mkdirSync(join(outside, "e"));
  fs.writeFileSync(join(root, "source"), "");
  for (const place of ["", "e"]) {
    fs.writeFileSync(join(outside, place, "victim"), "", { mode: 0o600 });
    fs.writeFileSync(join(outside, place, "outside-only"), "secret");
  }
  const before = fs.readdirSync(outside, { recursive: true });
  const stop = new SharedArrayBuffer(8);
  const worker = new Worker(FLIPPER, { eval: true, workerData: { root, outside, stop } });
  await new Promise((resolve) => worker.once("online", resolve));
  using directory = ConfinedDirectory.open(root);
  const calls = attempts(directory);
  const through = calls.map(() => 0);
  for (let i = 0; i < 3_000; i++) {
    directory.forgetDirectories();
    calls.forEach((call, kind) => (through[kind]! += succeeds(() => call(i)) ? 1 : 0));
  }
  Atomics.store(new Int32Array(stop), 0, 1);
  await new Promise((resolve) => worker.once("exit", resolve));
  expect(fs.readdirSync(outside, { recursive: true })).toEqual(before);
  expect(fs.statSync(join(outside, "victim")).mode & 0o777).toBe(0o600);
  expect(fs.statSync(join(outside, "e/victim")).mtimeMs).toBeGreaterThan(1e12);
  expect(through.at(-1)).toBe(0);
  // The race was real: many flips, and some calls of each creating kind went through while others failed.
  expect(Atomics.load(new Int32Array(stop), 1)).toBeGreaterThan(1_000);
  for (const count of through.slice(0, 5)) expect(count > 0 && count < 3_000).toBe(true);
});
