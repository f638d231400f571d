import { createHash } from "node:crypto";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { contentIdOf, EMPTY_CONTENT, type ContentId } from "../../../src/core/content-id.ts";
import { repoPathFromByteString as path, type RepoPath } from "../../../src/core/repo-path.ts";
import type { FileEntry } from "../../../src/manifest/entry.ts";
import { type ActivationStep, orderSteps } from "../../../src/store/activation-order.ts";
import { activate, type ActivationContext, type ActivationResult } from "../../../src/store/activation.ts";
import { ConfinedDirectory } from "../../../src/store/confined-directory.ts";
import { type FileStat, fileStatOf } from "../../../src/store/file-stat.ts";
import { StagingArea } from "../../../src/store/staging.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const MTIME = 1_600_000_000_500_000_000n;

function contentOf(text: string): ContentId {
  return contentIdOf(createHash("sha256").update(text).digest());
}

/** DEST with a staging area, and what an activation told about files. */
class Mirror {
  readonly root: string;
  readonly destination: ConfinedDirectory;
  readonly staging: StagingArea;
  readonly files = new Map<RepoPath, { content: ContentId; stat: FileStat }>();
  readonly removed: RepoPath[] = [];

  constructor(root = temporaryDirectory()) {
    this.root = root;
    this.destination = ConfinedDirectory.open(root);
    this.staging = StagingArea.open(this.destination);
    onTestFinished(() => {
      this.staging[Symbol.dispose]();
      this.destination[Symbol.dispose]();
    });
  }

  stage(...texts: readonly string[]): void {
    for (const text of texts) this.staging.stageWhole(contentOf(text), Buffer.from(text));
  }

  async run(steps: readonly ActivationStep[], context: Partial<ActivationContext> = {}): Promise<ActivationResult> {
    return activate(orderSteps(steps, { isMetadata: () => false }), {
      destination: this.destination,
      staging: this.staging,
      onFile: (name, content, stat) => this.files.set(name, { content, stat }),
      onRestat: (name, before, after) => this.#restat(name, before, after),
      onLinked: (name, to) => this.files.set(name, this.files.get(to)!),
      onRemoved: (name) => this.removed.push(name),
      recordOf: () => undefined,
      onWrong: () => undefined,
      ...context,
    });
  }

  #restat(name: RepoPath, before: FileStat, after: FileStat): void {
    const file = this.files.get(name);
    if (file?.stat.ctimeNs === before.ctimeNs) this.files.set(name, { ...file, stat: after });
  }

  /** Path → what is there, but for `.prsync`. */
  tree(): Record<string, string> {
    const found = spawnSync("find", [this.root, "-mindepth", "1", "-not", "-path", "*/.prsync*", "-printf", "%P\\0"], {
      encoding: "latin1",
    });
    const names = found.stdout.split("\0").slice(0, -1).sort();
    return Object.fromEntries(names.map((name) => [name, this.at(name)]));
  }

  at(name: string): string {
    const full = Buffer.from(`${this.root}/${name}`, "latin1");
    const stats = fs.lstatSync(full);
    if (stats.isSymbolicLink()) return `-> ${fs.readlinkSync(full)}`;
    return stats.isDirectory() ? "/" : fs.readFileSync(full, "latin1");
  }

  stat(name: string): FileStat {
    return fileStatOf(this.destination.lstat(path(name))!);
  }

  leftOvers(): string[] {
    return fs.readdirSync(join(this.root, ".prsync/staging"));
  }
}

function file(name: string, text: string, mode = 0o644): FileEntry {
  return { path: path(name), kind: "file", mode, mtimeNs: MTIME, size: text.length, content: contentOf(text) };
}

type Replaces = "absent" | "file" | "directory" | "symlink";

function place(name: string, text: string, replaces: Replaces = "absent"): ActivationStep {
  return { action: "place", entry: file(name, text), replaces };
}

function directory(name: string, mode = 0o755, replaces: Replaces = "absent"): ActivationStep {
  return { action: "make", entry: { path: path(name), kind: "directory", mode, mtimeNs: MTIME }, replaces };
}

function symlink(name: string, target: string, replaces: Replaces = "absent"): ActivationStep {
  return { action: "make", entry: { path: path(name), kind: "symlink", mtimeNs: MTIME, target }, replaces };
}

function remove(name: string, kind: "file" | "directory" | "symlink"): ActivationStep {
  return { action: "remove", path: path(name), kind };
}

const done: ActivationResult = { failures: [], leftAlone: [], heldBack: [] };

test("index files and removals are held back if something before them failed or could not be had", async () => {
  const mirror = new Mirror();
  mirror.stage("old");
  expect(await mirror.run([place("gone", "old")])).toEqual(done);
  const late = { lateFrom: 2 };
  const steps = [place("a", "a"), place("b", "b"), place("z-index", "index"), remove("gone", "file")];
  mirror.stage("b", "index");
  const failed = await mirror.run(steps, late);
  expect(failed.failures.map((failure) => failure.path)).toEqual(["a"]);
  expect(failed.heldBack).toEqual(["z-index", "gone"]);
  expect(Object.keys(mirror.tree())).toEqual(["b", "gone"]);
  mirror.stage("a");
  expect(await mirror.run(steps, { ...late, isIncomplete: true })).toMatchObject({
    failures: [],
    heldBack: ["z-index", "gone"],
  });
  expect(await mirror.run(steps, late)).toEqual(done);
  expect(Object.keys(mirror.tree())).toEqual(["a", "b", "z-index"]);
});

test("a tree is made with bytes, modes and times, directories too", async () => {
  const mirror = new Mirror();
  mirror.stage("same", "other");
  const steps = [
    directory("d", 0o2751),
    directory("d/e\xff", 0o555),
    place("d/e\xff/a\n", "same"),
    place("d/b", "same"),
    place("empty", ""),
    { action: "place", entry: file("set-id", "other", 0o4755), replaces: "absent" } as const,
    symlink("d/link", "gone\xff"),
  ];
  expect(await mirror.run(steps)).toEqual(done);
  expect(mirror.tree()).toEqual({
    d: "/",
    "d/b": "same",
    "d/e\xff": "/",
    "d/e\xff/a\n": "same",
    "d/link": "-> gone\ufffd",
    empty: "",
    "set-id": "other",
  });
  const modes = ["d", "d/e\xff", "set-id"].map((name) => Number(mirror.destination.lstat(path(name))!.mode) & 0o7777);
  expect(modes).toEqual([0o2751, 0o555, 0o4755]);
  const paths = ["d", "d/e\xff", "d/e\xff/a\n", "d/b", "d/link", "empty"];
  for (const name of paths) expect(mirror.stat(name).mtimeNs).toBe(MTIME);
  expect(mirror.leftOvers()).toEqual([]);
  expect(mirror.files.size).toBe(4);
  for (const [name, { stat }] of mirror.files) expect(stat).toEqual(mirror.stat(name));
  expect(mirror.files.get(path("empty"))!.content).toBe(EMPTY_CONTENT);
});

test("every change of kind", async () => {
  const mirror = new Mirror();
  const kinds: Replaces[] = ["file", "symlink", "directory"];
  const steps: ActivationStep[] = [];
  for (const from of kinds) {
    for (const to of ["file", "symlink", "directory"]) {
      const full = join(mirror.root, `${from}-${to}`);
      if (from === "file") fs.writeFileSync(full, "old");
      if (from === "symlink") fs.symlinkSync(mirror.root, full);
      if (from === "directory") fs.mkdirSync(full);
      if (from === "directory") fs.writeFileSync(join(full, "inside"), "old");
      if (from === "directory") steps.push(remove(`${from}-${to}/inside`, "file"));
      if (to === "file") steps.push(place(`${from}-${to}`, "new", from));
      if (to === "symlink") steps.push(symlink(`${from}-${to}`, "new", from));
      if (to === "directory") steps.push(directory(`${from}-${to}`, 0o755, from));
    }
  }
  mirror.stage("new");
  expect(await mirror.run(steps)).toEqual(done);
  expect(mirror.tree()).toEqual({
    "directory-directory": "/",
    "directory-file": "new",
    "directory-symlink": "-> new",
    "file-directory": "/",
    "file-file": "new",
    "file-symlink": "-> new",
    "symlink-directory": "/",
    "symlink-file": "new",
    "symlink-symlink": "-> new",
  });
  expect(mirror.leftOvers()).toEqual([]);
});

test("what is not ours stays: a directory that is not empty, another kind than decided", async () => {
  const mirror = new Mirror();
  fs.mkdirSync(join(mirror.root, "d/keep"), { recursive: true });
  fs.writeFileSync(join(mirror.root, "d/gone"), "");
  fs.writeFileSync(join(mirror.root, "d/keep/local"), "mine");
  fs.mkdirSync(join(mirror.root, "now-a-directory"));
  mirror.stage("new");
  const result = await mirror.run([
    remove("d", "directory"),
    remove("d/gone", "file"),
    remove("vanished", "file"),
    remove("now-a-directory", "file"),
    place("d/keep", "new", "directory"),
  ]);
  expect(result.leftAlone).toEqual(["now-a-directory", "d"]);
  expect(result.failures.map(({ path }) => path)).toEqual(["d/keep"]);
  expect(String(result.failures[0]!.error)).toMatch(/a directory with other files stands there: .* --delete/);
  expect(mirror.removed).toEqual(["d/gone", "vanished"]);
  expect(mirror.at("d/keep/local")).toBe("mine");
  expect(mirror.leftOvers()).toEqual([`${contentOf("new")}.part`]);
});

test("hard links share an inode, and all names are recorded with their last stat", async () => {
  const mirror = new Mirror();
  mirror.stage("text");
  fs.writeFileSync(join(mirror.root, "c"), "old");
  const link = (name: string): ActivationStep => ({
    action: "link",
    entry: { ...file(name, "text"), link: path("a") },
    to: path("a"),
    replaces: "absent",
  });
  const steps = [place("a", "text"), link("b"), link("c")];
  expect(await mirror.run(steps)).toEqual(done);
  expect(new Set(["a", "b", "c"].map((name) => mirror.stat(name).ino)).size).toBe(1);
  for (const name of ["a", "b", "c"]) expect(mirror.files.get(path(name))!.stat).toEqual(mirror.stat(name));
  expect(await mirror.run(steps)).toEqual(done);
  expect(mirror.leftOvers()).toEqual([]);
});

test("attributes alone: the recorded stat follows", async () => {
  const mirror = new Mirror();
  mirror.stage("text");
  await mirror.run([place("a", "text"), symlink("l", "a"), directory("d", 0o700)]);
  const entry = { ...file("a", "text", 0o600), mtimeNs: 5_000_000_000n };
  const later = { path: path("d"), kind: "directory", mode: 0o755, mtimeNs: 7_000_000_000n } as const;
  const result = await mirror.run([
    { action: "attributes", entry },
    { action: "attributes", entry: { path: path("l"), kind: "symlink", target: "a", mtimeNs: 6_000_000_000n } },
    { action: "attributes", entry: later },
    { action: "attributes", entry: file("missing", "text") },
  ]);
  expect(result.failures.map((failure) => failure.path)).toEqual(["missing"]);
  expect([mirror.stat("a"), mirror.stat("l"), mirror.stat("d")].map((stat) => stat.mtimeNs)).toEqual([
    5_000_000_000n,
    6_000_000_000n,
    7_000_000_000n,
  ]);
  expect(mirror.files.get(path("a"))!.stat).toEqual(mirror.stat("a"));
});

test("a directory without a step of its own keeps the release's mtime", async () => {
  const mirror = new Mirror();
  fs.mkdirSync(join(mirror.root, "d"));
  mirror.stage("text");
  await mirror.run([place("d/a", "text")], { directoryAttributes: () => ({ mode: 0o750, mtimeNs: MTIME }) });
  expect(mirror.stat("d").mtimeNs).toBe(MTIME);
  expect(Number(mirror.destination.lstat(path("d"))!.mode) & 0o7777).toBe(0o750);
});

test("a symlink in the place of a parent is not followed", async () => {
  const mirror = new Mirror();
  const outside = temporaryDirectory();
  fs.symlinkSync(outside, join(mirror.root, "d"));
  mirror.stage("text");
  const result = await mirror.run([place("d/a", "text"), remove("d/b", "file")]);
  expect(result.failures.map((failure) => failure.path)).toEqual(["d/a"]);
  expect(fs.readdirSync(outside)).toEqual([]);
});

test("a missing part fails its path alone, a replaced root stops all", async () => {
  const mirror = new Mirror();
  mirror.stage("there");
  const result = await mirror.run([place("a", "missing"), place("b", "there")]);
  expect(result.failures).toMatchObject([{ path: "a", error: { code: "staged-missing" } }]);
  expect(mirror.tree()).toEqual({ b: "there" });
  fs.renameSync(mirror.root, `${mirror.root}.moved`);
  onTestFinished(() => fs.rmSync(`${mirror.root}.moved`, { recursive: true }));
  await expect(mirror.run([])).rejects.toMatchObject({ code: "root-replaced" });
});

test.skipIf(process.getuid!() !== 0)("a full disk stops everything, the old tree stays", async ({ skip }) => {
  const root = temporaryDirectory();
  if (spawnSync("mount", ["-t", "tmpfs", "-o", "nr_inodes=12", "none", root]).status !== 0)
    return skip("no mounts here");
  onTestFinished(() => void spawnSync("umount", ["-l", root]));
  const mirror = new Mirror(root);
  fs.writeFileSync(join(root, "old"), "old");
  mirror.stage("new");
  const steps = Array.from({ length: 20 }, (_, i) => directory(`d${i}`));
  await expect(mirror.run([...steps, place("old", "new", "file"), remove("old", "file")])).rejects.toMatchObject({
    code: "disk-full",
  });
  expect(mirror.at("old")).toBe("old");
});

/** All kinds of steps over the tree `prepare` makes. */
const everything: ActivationStep[] = [
  directory("new", 0o555),
  place("new/a", "shared"),
  place("new/b", "shared"),
  place("replaced", "one", "file"),
  place("was-directory", "two", "directory"),
  remove("was-directory/x", "file"),
  directory("was-file", 0o755, "file"),
  place("was-file/inside", "three"),
  symlink("link", "new/a", "file"),
  {
    action: "link",
    entry: { ...file("hard", "one"), link: path("replaced") },
    to: path("replaced"),
    replaces: "absent",
  },
  { action: "attributes", entry: file("touched", "touched", 0o600) },
  remove("old", "directory"),
  remove("old/sub", "directory"),
  remove("old/sub/file", "file"),
];

function prepare(root: string): void {
  for (const name of ["was-directory", "old/sub"]) fs.mkdirSync(join(root, name), { recursive: true });
  for (const name of ["replaced", "was-directory/x", "was-file", "link", "touched", "old/sub/file"]) {
    fs.writeFileSync(join(root, name), name);
  }
}

const CALLS = "chmodSync|lutimesSync|renameSync|linkSync|symlinkSync|mkdirSync|rmdirSync|unlinkSync|copyFile".split(
  "|",
);

/** Runs `everything` in a child process, after `prologue` (statements of a module that may use `fs` and `promises`). */
function runInChild(root: string, prologue: string): { signal: NodeJS.Signals | null; stdout: string } {
  const source = (name: string): string =>
    JSON.stringify(new URL(`../../../src/store/${name}.ts`, import.meta.url).href);
  const steps = JSON.stringify(everything, (_key, value: unknown) => (typeof value === "bigint" ? `${value}` : value));
  const script = `
    import fs from "node:fs";
    import promises from "node:fs/promises";
    import { syncBuiltinESMExports } from "node:module";
    import { ConfinedDirectory } from ${source("confined-directory")};
    import { StagingArea } from ${source("staging")};
    import { activate } from ${source("activation")};
    import { orderSteps } from ${source("activation-order")};
    ${prologue}
    const destination = ConfinedDirectory.open(${JSON.stringify(root)});
    const staging = StagingArea.open(destination);
    const steps = JSON.parse(${JSON.stringify(steps)}, (key, value) => (key === "mtimeNs" ? BigInt(value) : value));
    const nothing = () => {};
    const result = await activate(orderSteps(steps, { isMetadata: () => false }),
      { destination, staging, onFile: nothing, onRestat: nothing, onLinked: nothing, onRemoved: nothing,
        recordOf: nothing, onWrong: nothing });
    console.log(JSON.stringify(result));`;
  const child = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  expect(child.stderr).toBe("");
  return child;
}

/** Kills the process right before its n-th call that changes the disk. */
function killAt(count: number): string {
  return `
    let left = ${count};
    for (const name of ${JSON.stringify(CALLS)}) {
      const owner = name.endsWith("Sync") ? fs : promises;
      const real = owner[name];
      owner[name] = (...args) => { if (left-- === 0) process.kill(process.pid, "SIGKILL"); return real(...args); };
    }
    syncBuiltinESMExports();`;
}

function prepareStaged(root: string): void {
  prepare(root);
  using destination = ConfinedDirectory.open(root);
  using staging = StagingArea.open(destination);
  for (const text of ["shared", "one", "two", "three"]) staging.stageWhole(contentOf(text), Buffer.from(text));
}

test("kill -9 before any changing call: the same steps again complete it", async () => {
  const reference = new Mirror();
  prepare(reference.root);
  reference.stage("shared", "one", "two", "three");
  expect(await reference.run(everything)).toEqual(done);
  let kills = 0;
  for (;;) {
    const root = temporaryDirectory();
    prepareStaged(root);
    if (runInChild(root, killAt(kills)).signal !== "SIGKILL") break;
    kills++;
    const again = new Mirror(root);
    expect(await again.run(everything)).toEqual(done);
    expect(again.tree()).toEqual(reference.tree());
    expect(again.leftOvers()).toEqual([]);
    expect(again.stat("new").mtimeNs).toBe(MTIME);
    expect(again.stat("hard").ino).toBe(again.stat("replaced").ino);
  }
  expect(kills).toBeGreaterThan(20);
});

test.skipIf(process.getuid!() !== 0)("a user who is not root gets into directories that forbid writing", () => {
  const root = temporaryDirectory();
  prepareStaged(root);
  fs.mkdirSync(join(root, "new"));
  spawnSync("chmod", ["0555", join(root, "new"), join(root, "old"), join(root, "old/sub")]);
  spawnSync("chown", ["-R", "65534:65534", root]);
  const child = runInChild(root, "process.setgid(65534); process.setuid(65534);");
  expect(JSON.parse(child.stdout)).toEqual(done);
  expect(fs.statSync(join(root, "new")).mode & 0o777).toBe(0o555);
  expect(fs.existsSync(join(root, "old"))).toBe(false);
});
