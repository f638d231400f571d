import * as fs from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Entry } from "../../../src/manifest/entry.ts";
import { makeFirstRelease, makeSecondRelease } from "../../support/sample-tree.ts";
import {
  path,
  problemsOf,
  PublishFixture,
  readBundles,
  readChanges,
  readContent,
  readManifest,
  sha256,
} from "./published-fixture.ts";

/** What find and lstat say of a tree, in the words of a manifest. */
function lookAt(tree: string): string[] {
  const lines: string[] = [];
  const walk = (prefix: string): void => {
    for (const name of fs.readdirSync(Buffer.from(`${tree}/${prefix}`, "latin1"), { encoding: "latin1" })) {
      const full = Buffer.from(`${tree}/${prefix}${name}`, "latin1");
      const stats = fs.lstatSync(full, { bigint: true });
      const mode = (Number(stats.mode) & 0o7777).toString(8);
      if (stats.isDirectory()) {
        lines.push(`${prefix}${name} directory ${mode} ${stats.mtimeNs}`);
        walk(`${prefix}${name}/`);
      } else if (stats.isSymbolicLink()) {
        lines.push(`${prefix}${name} symlink ${stats.mtimeNs} ${fs.readlinkSync(full, "latin1")}`);
      } else {
        lines.push(`${prefix}${name} file ${mode} ${stats.mtimeNs} ${sha256(fs.readFileSync(full))}`);
      }
    }
  };
  walk("");
  return lines.sort();
}

function lineOf(entry: Entry): string {
  switch (entry.kind) {
    case "directory":
      return `${entry.path} directory ${entry.mode.toString(8)} ${entry.mtimeNs}`;
    case "symlink":
      return `${entry.path} symlink ${entry.mtimeNs} ${entry.target}`;
    case "file":
      return `${entry.path} file ${entry.mode.toString(8)} ${entry.mtimeNs} ${entry.content}`;
  }
}

test("a published tree reads back byte for byte, whatever the names", async () => {
  using fixture = new PublishFixture();
  makeFirstRelease(fixture.tree);
  fs.writeFileSync(join(fixture.tree, "n".repeat(255)), "long name");
  fs.writeFileSync(join(fixture.tree, "tab\there\x1b[31m"), "control");
  fs.mkdirSync(join(fixture.tree, ".prsync"));
  fs.writeFileSync(join(fixture.tree, ".prsync/own"), "not published");
  const outcome = await fixture.publish();
  expect(outcome).toMatchObject({ release: 1, current: 1, isFirst: true, retained: true, warnings: [] });
  expect(outcome.changedWhileRead).toEqual([]);
  using tree = await fixture.open();
  expect(await problemsOf(tree)).toEqual([]);
  fs.rmSync(join(fixture.tree, ".prsync"), { recursive: true });
  const entries = await readManifest(tree);
  expect(entries.map(lineOf).sort()).toEqual(lookAt(fixture.tree));
  expect(tree.release!.totals).toEqual({
    entries: entries.length,
    files: entries.filter((entry) => entry.kind === "file").length,
    bytes: entries.reduce((sum, entry) => sum + (entry.kind === "file" ? entry.size : 0), 0),
    contents: new Set(entries.map((entry) => (entry.kind === "file" ? entry.content : ""))).size - 1,
  });
});

test("children of a directory come in byte order, without what lies deeper", async () => {
  using fixture = new PublishFixture();
  for (const directory of ["a", "a/b", "a-", "a/b/c", "a.d"]) fs.mkdirSync(join(fixture.tree, directory));
  for (const file of ["a/x", "a/b/c/deep", "a-/y", "a/b.txt", "a/b0", "z"])
    fs.writeFileSync(join(fixture.tree, file), file);
  await fixture.publish();
  using tree = await fixture.open();
  expect(tree.children(undefined).map((entry) => entry.path)).toEqual(["a", "a-", "a.d", "z"]);
  expect(tree.children(path("a")).map((entry) => entry.path)).toEqual(["a/b", "a/b.txt", "a/b0", "a/x"]);
  expect(tree.children(path("a.d"))).toEqual([]);
  const part = (after: string | undefined, limit: number): readonly string[] =>
    tree
      .children(path("a"), { after: after === undefined ? undefined : path(after), limit })
      .map((entry) => entry.path);
  expect([part(undefined, 2), part("a/b.txt", 2), part("a/b", 1), part("a/x", 9)]).toEqual([
    ["a/b", "a/b.txt"],
    ["a/b0", "a/x"],
    ["a/b.txt"],
    [],
  ]);
  expect(tree.entry(path("a/b/c/deep"))).toMatchObject({ kind: "file", size: 10 });
  expect(tree.entry(path("a/b/c/nothing"))).toBeUndefined();
});

test("a second publish of an unchanged tree makes no release and reads no file", async () => {
  using fixture = new PublishFixture();
  makeFirstRelease(fixture.tree);
  await fixture.publish();
  const second = await fixture.publish();
  expect(second).toMatchObject({ release: undefined, current: 1, isFirst: false });
  expect(second.counts).toMatchObject({ hashedFiles: 0, added: 0, changed: 0, removed: 0 });
});

test("a change list says what changed, and only new contents go into a new bundle", async () => {
  using fixture = new PublishFixture();
  makeFirstRelease(fixture.tree);
  await fixture.publish();
  using tree = await fixture.open();
  const before = await readBundles(tree);
  makeSecondRelease(fixture.tree);
  const outcome = await fixture.publish();
  expect(await tree.refresh()).toBe(true);
  expect(tree.release).toMatchObject({ number: 2, previous: 1 });
  const list = await readChanges(tree);
  const told = list.changes
    .map((change) => `${change.change} ${change.path}`)
    .filter((line) => !/^changed (pool|pool\/main)$/.test(line));
  expect(told).toEqual([
    "added another empty directory",
    "changed dists/stable/Release",
    "changed latest",
    "changed pool/large.iso",
    "removed pool/main/goes away.deb",
    "removed pool/main/moves.tar",
    "added pool/main/twin.tar",
    "added pool/moved.tar",
    "added pool/new.iso",
    "changed script.sh",
  ]);
  const fieldsOf = (name: string): string[] =>
    list.changes.flatMap((change) =>
      change.path === name && change.change === "changed" ? [...change.fields.keys()] : [],
    );
  expect(fieldsOf("script.sh")).toEqual(["mode"]);
  expect(fieldsOf("latest")).toEqual(["mtime", "target"]);
  const after = await readBundles(tree);
  expect(after.slice(0, before.length)).toEqual(before);
  expect(after.length).toBe(before.length + 1);
  expect(after.at(-1)!.contentCount).toBe(3); // large.iso, new.iso, Release
  expect(list.bundlesAdded).toEqual([after.at(-1)]);
  expect(outcome.counts.newContents).toBe(3);
  expect(await problemsOf(tree)).toEqual([]);
  expect((await readManifest(tree)).map(lineOf).sort()).toEqual(lookAt(fixture.tree));
});

test("hard links are told as groups, and not for our own retained links", async () => {
  using fixture = new PublishFixture();
  fs.writeFileSync(join(fixture.tree, "b"), "linked");
  fs.writeFileSync(join(fixture.tree, "alone"), "alone");
  fs.linkSync(join(fixture.tree, "b"), join(fixture.tree, "c"));
  await fixture.publish();
  using tree = await fixture.open();
  expect(tree.entry(path("b"))).not.toHaveProperty("link");
  expect(tree.entry(path("c"))).toMatchObject({ link: "b", content: sha256(Buffer.from("linked")) });
  expect(tree.entry(path("alone"))).not.toHaveProperty("link");
  expect((await fixture.publish()).release).toBeUndefined();
  fs.linkSync(join(fixture.tree, "c"), join(fixture.tree, "a"));
  fs.rmSync(join(fixture.tree, "b"));
  await fixture.publish();
  expect(tree.entry(path("a"))).not.toHaveProperty("link");
  expect(tree.entry(path("c"))).toMatchObject({ link: "a" });
  fs.rmSync(join(fixture.tree, "a"));
  fs.writeFileSync(join(fixture.tree, "a"), "another file");
  await fixture.publish();
  expect(tree.entry(path("c"))).not.toHaveProperty("link");
  expect((await fixture.publish()).release).toBeUndefined();
});

test("device nodes, sockets and FIFOs are left out with a warning", async () => {
  using fixture = new PublishFixture();
  const { execFileSync } = await import("node:child_process");
  execFileSync("mkfifo", [join(fixture.tree, "pipe")]);
  fs.writeFileSync(join(fixture.tree, "file"), "x");
  const outcome = await fixture.publish();
  expect(outcome.warnings).toEqual([expect.stringContaining('"pipe"')]);
  using tree = await fixture.open();
  expect((await readManifest(tree)).map((entry) => entry.path)).toEqual(["file"]);
});

test("a TREE that is missing or suddenly empty is an error and never a release", async () => {
  using fixture = new PublishFixture();
  fs.writeFileSync(join(fixture.tree, "file"), "x");
  await fixture.publish();
  fs.rmSync(join(fixture.tree, "file"));
  await expect(fixture.publish()).rejects.toMatchObject({ code: "tree-unusable" });
  fs.rmdirSync(fixture.tree);
  await expect(fixture.publish()).rejects.toMatchObject({ code: "tree-unusable" });
  using tree = await fixture.open();
  expect(tree.release!.number).toBe(1);
  expect(await readContent(tree, sha256(Buffer.from("x")))).toEqual(Buffer.from("x"));
});

test("an empty tree can be the first release", async () => {
  using fixture = new PublishFixture();
  expect(await fixture.publish()).toMatchObject({ release: 1, counts: { entries: 0 } });
  expect((await fixture.publish()).release).toBeUndefined();
  using tree = await fixture.open();
  expect(await problemsOf(tree)).toEqual([]);
});

test("two publishers do not run at once, and a work directory inside TREE is refused", async () => {
  using fixture = new PublishFixture();
  fs.writeFileSync(join(fixture.tree, "file"), "x");
  const both = await Promise.allSettled([fixture.publish(), fixture.publish()]);
  const refused = both.filter((one) => one.status === "rejected").map((one) => one.reason as { code: string });
  expect(refused.map((error) => error.code)).toEqual(["publish-running"]);
  await expect(fixture.publish({ workDirectory: join(fixture.tree, "work") })).rejects.toMatchObject({
    code: "work-directory-unusable",
  });
});

test("the info hash of a fixed tree is stable", async () => {
  using fixture = new PublishFixture();
  fs.mkdirSync(join(fixture.tree, "d"));
  fs.writeFileSync(join(fixture.tree, "d/one"), "one\n");
  fs.writeFileSync(join(fixture.tree, "two"), Buffer.alloc(100_000, "two "));
  await fixture.publish();
  using tree = await fixture.open();
  const [row] = await readBundles(tree);
  const info = Buffer.from((await tree.infoDictionary(row!.infoHash))!);
  // All but the name, which holds the random repository id. The figure was made with a few lines of Python (hashlib).
  const id = tree.release!.repository.slice(0, 8);
  const fixed = Buffer.from(info.toString("latin1").replace(`prsync-${id}-1-1`, "prsync-00000000-1-1"), "latin1");
  expect(sha256(fixed)).toBe("afe72b73f7ea0b18e389b69d312087a424032ea9a200c2018b96199104a36bee");
  expect(row).toMatchObject({ number: 1, lengthBytes: 3 * 65_536, contentCount: 2 });
});

test("a lost work directory is rebuilt under the next number, with new bundle numbers", async () => {
  using fixture = new PublishFixture();
  makeFirstRelease(fixture.tree);
  await fixture.publish();
  fs.rmSync(fixture.options.workDirectory, { recursive: true });
  const outcome = await fixture.publish();
  expect(outcome).toMatchObject({ release: 2, isFirst: false });
  expect(outcome.warnings.join()).toContain("index was lost");
  using tree = await fixture.open();
  expect(tree.release).toMatchObject({ number: 2, previous: 1, changes: [] });
  // 1 and 2 were its bundle and its metadata bundle before.
  expect([...tree.bundleNumbers().keys()]).toEqual([3]);
  expect(await problemsOf(tree)).toEqual([]);
  expect((await fixture.publish()).release).toBeUndefined();
});

test("a renamed directory is not read again, a renamed file or one written to meanwhile is", async () => {
  using fixture = new PublishFixture();
  makeFirstRelease(fixture.tree);
  await fixture.publish();
  fs.renameSync(join(fixture.tree, "pool"), join(fixture.tree, "archive"));
  const files = lookAt(join(fixture.tree, "archive")).filter((line) => line.includes(" file ")).length;
  const moved = await fixture.publish();
  expect(moved.counts).toMatchObject({ hashedFiles: 0, newContents: 0, added: expect.any(Number) as number });
  expect(moved.counts.removed).toBeGreaterThan(files);
  using tree = await fixture.open();
  expect((await readManifest(tree)).map(lineOf).toSorted()).toEqual(lookAt(fixture.tree));
  expect(await problemsOf(tree)).toEqual([]);
  fs.renameSync(join(fixture.tree, "archive"), join(fixture.tree, "attic"));
  fs.appendFileSync(join(fixture.tree, "attic/large.iso"), "more");
  fs.renameSync(join(fixture.tree, "attic/main/moves.tar"), join(fixture.tree, "attic/moved.tar"));
  expect((await fixture.publish()).counts).toMatchObject({ hashedFiles: 2, newContents: 1 });
});

test("since when every release has a content is known, through renames, removals and returns", async () => {
  using fixture = new PublishFixture();
  const at = (name: string): string => join(fixture.tree, name);
  fs.writeFileSync(at("leaves"), "leaves");
  fs.writeFileSync(at("stays"), "stays");
  await fixture.publish();
  fs.rmSync(at("leaves"));
  fs.renameSync(at("stays"), at("moved"));
  await fixture.publish();
  fs.writeFileSync(at("back"), "leaves");
  fs.writeFileSync(at("late"), "late");
  fs.writeFileSync(at("empty"), "");
  await fixture.publish();
  using tree = await fixture.open();
  const since = (text: string): number | undefined => tree.placeOf(sha256(Buffer.from(text)))?.sinceRelease;
  expect(["leaves", "stays", "late", "", "never"].map(since)).toEqual([3, 1, 3, undefined, undefined]);
});
