import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { cutChunks } from "../../../src/manifest/chunk.ts";
import type { Entry } from "../../../src/manifest/entry.ts";
import { encodeIndex } from "../../../src/manifest/manifest-index.ts";
import { objectRefOf } from "../../../src/manifest/object-ref.ts";
import type { PublishedTreeReader } from "../../../src/store/published-tree.ts";
import { PublishIndex } from "../../../src/store/publish-index.ts";
import { PublishFixture, readManifest } from "./published-fixture.ts";

const DIRECTORIES = ["", "a/", "a/b/", "a/b/c/", "a-/", "z/"];
const NAMES = ["1", "2", "c0", "é"];

/** Something that happens to a tree between two releases; what is impossible just then does not happen. */
const ACTS: Readonly<Record<string, (path: string, other: string) => void>> = {
  write: (path, other) => fs.writeFileSync(path, `content of ${other}`),
  append: (path) => fs.existsSync(path) && fs.appendFileSync(path, "more"),
  remove: (path) => fs.unlinkSync(path),
  rename: (path, other) => fs.renameSync(path, other),
  link: (path, other) => fs.linkSync(path, other),
  symlink: (path, other) => fs.symlinkSync(other, path),
  chmod: (path) => fs.chmodSync(path, 0o600 + (fs.statSync(path).mode & 0o077 ? 0 : 0o44)),
  touch: (path) => fs.utimesSync(path, 1, 1),
  moveDirectory: (path, other) => fs.renameSync(join(path, ".."), `${other}.d`),
  linkOutside: (path, other) => {
    fs.mkdirSync(outsideOf(other), { recursive: true });
    fs.linkSync(path, join(outsideOf(other), "linked"));
  },
  moveIn: (path, other) => fs.renameSync(outsideOf(other), `${path}.d`),
  removeDirectory: (path) => fs.rmSync(join(path, ".."), { recursive: true }),
};

/** A directory beside TREE on the same file system, one for each path that ends alike. */
function outsideOf(path: string): string {
  return join(path.slice(0, path.indexOf("/tree/")), "outside", path.slice(-1));
}

const somePath = fc.tuple(fc.constantFrom(...DIRECTORIES), fc.constantFrom(...NAMES)).map(([at, name]) => at + name);
const someAct = fc.tuple(fc.constantFrom(...Object.keys(ACTS)), somePath, somePath);
const someHistory = fc.array(fc.array(someAct, { maxLength: 4 }), { minLength: 2, maxLength: 6 });

function play(tree: string, [act, path, other]: readonly [string, string, string]): void {
  try {
    ACTS[act]!(join(tree, path), join(tree, other));
  } catch {
    // Nothing there, or something in the way.
  }
  for (const directory of DIRECTORIES) {
    if (!fs.existsSync(join(tree, directory))) fs.mkdirSync(join(tree, directory), { recursive: true });
  }
}

/** Each path with all that a release says of it, hard links apart. */
function onDisk(tree: string): string[] {
  return fs
    .readdirSync(tree, { recursive: true, encoding: "utf8" })
    .map((path) => {
      const stats = fs.lstatSync(join(tree, path), { bigint: true });
      const mode = stats.isSymbolicLink() ? "" : (Number(stats.mode) & 0o7777).toString(8);
      const what = stats.isSymbolicLink()
        ? fs.readlinkSync(join(tree, path))
        : stats.isFile()
          ? createHash("sha256")
              .update(fs.readFileSync(join(tree, path)))
              .digest("hex")
          : "directory";
      return `${path} ${mode} ${stats.mtimeNs} ${what}`;
    })
    .sort();
}

function inRelease(entry: Entry): string {
  const path = Buffer.from(entry.path, "latin1").toString("utf8");
  const mode = entry.kind === "symlink" ? "" : entry.mode.toString(8);
  const what = entry.kind === "file" ? entry.content : entry.kind === "symlink" ? targetOf(entry) : "directory";
  return `${path} ${mode} ${entry.mtimeNs} ${what}`;
}

function targetOf(entry: Entry & { kind: "symlink" }): string {
  return Buffer.from(entry.target, "latin1").toString("utf8");
}

/** Sets of names of one file. */
function groupsOnDisk(tree: string): string[] {
  const groups = new Map<bigint, string[]>();
  for (const path of fs.readdirSync(tree, { recursive: true, encoding: "utf8" })) {
    const stats = fs.lstatSync(join(tree, path), { bigint: true });
    if (stats.isFile()) groups.set(stats.ino, [...(groups.get(stats.ino) ?? []), path]);
  }
  return [...groups.values()]
    .filter((paths) => paths.length > 1)
    .map((paths) => paths.sort().join(" "))
    .sort();
}

function groupsInRelease(entries: readonly Entry[]): string[] {
  const groups = new Map<string, string[]>();
  for (const entry of entries) {
    if (entry.kind !== "file") continue;
    const first = entry.link ?? entry.path;
    groups.set(first, [...(groups.get(first) ?? []), Buffer.from(entry.path, "latin1").toString("utf8")]);
  }
  return [...groups.values()]
    .filter((paths) => paths.length > 1)
    .map((paths) => paths.sort().join(" "))
    .sort();
}

/** Manifest and totals are those that a first release of these entries would have. */
function expectWholeCut({ release }: PublishedTreeReader, entries: readonly Entry[]): void {
  const refs = [...cutChunks(entries)].map(({ ref }) => ref);
  expect(release!.index).toEqual(objectRefOf(encodeIndex(refs)));
  const files = entries.filter((entry) => entry.kind === "file");
  expect(release!.totals).toEqual({
    entries: entries.length,
    files: files.length,
    bytes: files.reduce((sum, { size }) => sum + size, 0),
    contents: new Set(files.map(({ content }) => content)).size,
  });
}

test("a release of few changes in many chunks has the manifest that cutting it whole gives", async () => {
  using fixture = new PublishFixture();
  const at = (i: number): string => join(fixture.tree, `${i % 3}/file-${i}`);
  for (let i = 0; i < 3; i++) fs.mkdirSync(join(fixture.tree, `${i}`));
  for (let i = 0; i < 4000; i++) fs.writeFileSync(at(i), i < 20 ? `${i}` : "alike");
  await fixture.publish();
  let lastChunk: string | undefined;
  const steps = [
    () => fs.writeFileSync(at(17), "new"),
    () => [fs.unlinkSync(at(5)), fs.unlinkSync(at(2000)), fs.writeFileSync(at(4001), "5")],
    () => fs.rmSync(join(fixture.tree, "0"), { recursive: true }),
    () => fs.mkdirSync(join(fixture.tree, "0")),
  ];
  for (const [number, step] of steps.entries()) {
    step();
    // A chunk that was lost is made again, whether it changes or not.
    if (number === 1) loseObject(fixture, lastChunk!);
    await fixture.publish();
    using published = await fixture.open();
    const entries = await readManifest(published);
    expect(entries.length).toBeGreaterThan(2000);
    expectWholeCut(published, entries);
    lastChunk = [...cutChunks(entries)].at(-1)!.ref.sha256;
  }
});

function loseObject({ options }: PublishFixture, sha256: string): void {
  fs.rmSync(join(options.workDirectory, "objects", sha256.slice(0, 2), sha256));
}

test("whatever happens to a tree between releases, each says exactly what is there", async () => {
  await fc.assert(
    fc.asyncProperty(someHistory, async (history) => {
      using fixture = new PublishFixture();
      for (const acts of history) {
        for (const act of acts) play(fixture.tree, act);
        const before = onDisk(fixture.tree);
        await fixture.publish();
        using published = await fixture.open();
        const entries = await readManifest(published);
        expect(entries.map(inRelease).sort()).toEqual(before);
        expect(groupsInRelease(entries)).toEqual(groupsOnDisk(fixture.tree));
        expectWholeCut(published, entries);
      }
    }),
    { numRuns: 12 },
  );
});

test("after a publish every directory without hard links is known by its digest, and loses it with a change", async () => {
  using fixture = new PublishFixture();
  for (const path of ["a/one", "a/b/two", "links/first"]) play(fixture.tree, ["write", path, path]);
  fs.mkdirSync(join(fixture.tree, "links"));
  fs.writeFileSync(join(fixture.tree, "links/first"), "linked");
  fs.linkSync(join(fixture.tree, "links/first"), join(fixture.tree, "a/b/c/second"));
  const known = (): string[] => {
    using index = PublishIndex.openForReading(fixture.options.workDirectory)!;
    const rows = index.database.prepare("SELECT path FROM directories ORDER BY path").all();
    return rows.map(({ path }) => Buffer.from(path as Uint8Array).toString("utf8"));
  };
  await fixture.publish();
  expect(known()).toEqual(["", "a", "a-", "a/b", "z"]);
  // A publish that fails after its scan leaves the changed directory without one.
  fs.appendFileSync(join(fixture.tree, "a/b/two"), "more");
  await expect(fixture.publish({ swarmSizeBytes: -1 })).rejects.toThrow();
  expect(known()).toEqual(["", "a", "a-", "z"]);
  await fixture.publish();
  expect(known()).toEqual(["", "a", "a-", "a/b", "z"]);
});

test("a directory with another name of a file is moved into TREE: both are one group", async () => {
  using fixture = new PublishFixture();
  const [inside, outside] = [join(fixture.tree, "d"), join(fixture.base, "outside")];
  for (const directory of [inside, outside]) fs.mkdirSync(directory);
  fs.writeFileSync(join(inside, "file"), "linked");
  fs.linkSync(join(inside, "file"), join(outside, "other"));
  await fixture.publish();
  fs.renameSync(outside, join(fixture.tree, "e"));
  await fixture.publish();
  using published = await fixture.open();
  expect(groupsInRelease(await readManifest(published))).toEqual(["d/file e/other"]);
});
