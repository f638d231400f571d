import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import type { Clock } from "../../../src/core/clock.ts";
import { realClock } from "../../../src/net/real-clock.ts";
import {
  path,
  problemsOf,
  PublishFixture,
  readBundles,
  readContent,
  readManifest,
  sha256,
} from "./published-fixture.ts";

/** So long that a reading outlasts any pause that a busy machine gives the writer. */
const RESTLESS_BYTES = 48 * 2 ** 20;

/** Overwrites a file in place, again and again, in another thread: all of one letter, then of the next. */
function flippingWriter(file: string): Worker {
  const code = `
    const fs = require("node:fs");
    const { workerData } = require("node:worker_threads");
    const descriptor = fs.openSync(workerData, "r+");
    for (let turn = 0; ; turn++) fs.writeSync(descriptor, Buffer.alloc(${RESTLESS_BYTES}, turn % 2 ? "a" : "b"), 0, ${RESTLESS_BYTES}, 0);`;
  return new Worker(code, { eval: true, workerData: file });
}

const LETTERS = ["a", "b"].map((letter) => Buffer.alloc(RESTLESS_BYTES, letter));

test("a file that changes all the time is left out by name, and no torn hash is published", async () => {
  using fixture = new PublishFixture();
  fs.writeFileSync(join(fixture.tree, "calm"), "calm");
  fs.writeFileSync(join(fixture.tree, "restless"), LETTERS[0]!);
  const writer = flippingWriter(join(fixture.tree, "restless"));
  await new Promise((resolve) => writer.once("online", resolve));
  const outcome = await fixture.publish();
  await writer.terminate();
  expect(outcome.release).toBe(1);
  expect(outcome.changedWhileRead).toEqual(["restless"]);
  expect(outcome.warnings).toEqual([expect.stringMatching(/"restless" changed .*: it is left out/)]);
  using tree = await fixture.open();
  expect((await readManifest(tree)).map((entry) => entry.path)).toEqual(["calm"]);
  fs.writeFileSync(join(fixture.tree, "restless"), LETTERS[1]!);
  const calm = await fixture.publish();
  expect(calm).toMatchObject({ release: 2, changedWhileRead: [] });
  expect(tree.entry(path("restless"))).toMatchObject({ content: sha256(LETTERS[1]!) });
  expect(await tree.refresh()).toBe(true);
  expect(await problemsOf(tree)).toEqual([]);
});

test("a path of the last release stays while it is busy, if its old content is still held", async () => {
  using fixture = new PublishFixture();
  const file = join(fixture.tree, "restless");
  fs.writeFileSync(file, "old version");
  await fixture.publish();
  // Replaced by rename, as rsync does: the retained link keeps the old bytes. Then written to in place.
  fs.writeFileSync(`${file}.new`, LETTERS[0]!);
  fs.renameSync(`${file}.new`, file);
  const writer = flippingWriter(file);
  await new Promise((resolve) => writer.once("online", resolve));
  const outcome = await fixture.publish();
  await writer.terminate();
  expect(outcome.changedWhileRead).toEqual(["restless"]);
  expect(outcome.warnings).toEqual([expect.stringContaining("its previous version stays")]);
  using tree = await fixture.open();
  expect(tree.entry(path("restless"))).toMatchObject({ content: sha256(Buffer.from("old version")) });
  expect(await problemsOf(tree)).toEqual([]);
  expect((await fixture.publish()).release).toBe(outcome.current + 1);
});

test.each([
  { size: "large", length: 200_000, read: "content-changed" },
  // Read whole when it was opened.
  { size: "small", length: 9, read: "old bytes" },
])("an edit in place of a hard-linked $size file never serves the new bytes as the old content", async (edited) => {
  const { length } = edited;
  using fixture = new PublishFixture();
  const file = join(fixture.tree, "file");
  const [oldBytes, newBytes] = [Buffer.alloc(length, "o"), Buffer.alloc(length, "n")];
  const old = sha256(oldBytes);
  fs.writeFileSync(file, oldBytes);
  await fixture.publish();
  expect(fs.statSync(file).nlink).toBe(2);
  using tree = await fixture.open();
  await using opened = (await tree.openContent(old))!;
  const stats = fs.statSync(file);
  fs.writeFileSync(file, newBytes);
  fs.utimesSync(file, stats.atime, stats.mtime);
  const toText = (bytes: Uint8Array): string => (oldBytes.equals(bytes) ? "old bytes" : "other bytes");
  expect(await opened.read(0, length).then(toText, (error: { code: string }) => error.code)).toBe(edited.read);
  expect(await tree.openContent(old)).toBeUndefined();
  expect(await tree.openContent(old)).toBeUndefined();
  await fixture.publish();
  expect(fs.existsSync(join(fixture.options.workDirectory, "contents", old.slice(0, 2), old))).toBe(false);
  expect(await readContent(tree, sha256(newBytes))).toEqual(newBytes);
  expect(await tree.openContent(old)).toBeUndefined();
});

test("after an edit in place another path with the same content is used", async () => {
  using fixture = new PublishFixture();
  fs.writeFileSync(join(fixture.tree, "one"), "same bytes");
  fs.writeFileSync(join(fixture.tree, "two"), "same bytes");
  await fixture.publish();
  using tree = await fixture.open();
  const linked = ["one", "two"].find((name) => fs.statSync(join(fixture.tree, name)).nlink === 2)!;
  fs.appendFileSync(join(fixture.tree, linked), "!");
  expect(await readContent(tree, sha256(Buffer.from("same bytes")))).toEqual(Buffer.from("same bytes"));
});

test("a touched or re-owned file is hashed again and its retained copy stays in use", async () => {
  using fixture = new PublishFixture();
  const file = join(fixture.tree, "file");
  fs.writeFileSync(file, "bytes");
  await fixture.publish();
  fs.chmodSync(file, 0o600);
  using tree = await fixture.open();
  expect(await readContent(tree, sha256(Buffer.from("bytes")))).toEqual(Buffer.from("bytes"));
  expect(await fixture.publish()).toMatchObject({ release: 2, counts: { changed: 1, newContents: 0, hashedFiles: 1 } });
  expect(await fixture.publish()).toMatchObject({ release: undefined, counts: { hashedFiles: 0 } });
});

test("a copy that must be hashed again is given to all who ask at once, a wrong one to none", async () => {
  using fixture = new PublishFixture();
  const file = join(fixture.tree, "file");
  const bytes = Buffer.alloc(3_000_000, "b");
  fs.writeFileSync(file, bytes);
  await fixture.publish();
  using tree = await fixture.open();
  const askTogether = (): Promise<(boolean | undefined)[]> =>
    Promise.all(Array.from({ length: 20 }, async () => (await readContent(tree, sha256(bytes)))?.equals(bytes)));
  fs.chmodSync(file, 0o600);
  expect(new Set(await askTogether())).toEqual(new Set([true]));
  fs.appendFileSync(file, "!");
  expect(new Set(await askTogether())).toEqual(new Set([undefined]));
});

test("TREE swapped as a whole by rename, and fed by rsync --delete, loses no retained content", async () => {
  using fixture = new PublishFixture();
  fs.mkdirSync(join(fixture.tree, "pool"));
  fs.writeFileSync(join(fixture.tree, "pool/goes"), "goes away");
  fs.writeFileSync(join(fixture.tree, "stays"), "stays");
  await fixture.publish();
  using tree = await fixture.open();
  const next = join(fixture.base, "next");
  fs.mkdirSync(next);
  fs.writeFileSync(join(next, "stays"), "stays");
  fs.writeFileSync(join(next, "comes"), "comes");
  fs.renameSync(fixture.tree, join(fixture.base, "before"));
  fs.renameSync(next, fixture.tree);
  fs.rmSync(join(fixture.base, "before"), { recursive: true });
  expect(await readContent(tree, sha256(Buffer.from("goes away")))).toEqual(Buffer.from("goes away"));
  expect(await fixture.publish()).toMatchObject({ release: 2, counts: { added: 1, removed: 2, newContents: 1 } });
  const source = join(fixture.base, "source");
  fs.mkdirSync(source);
  fs.writeFileSync(join(source, "only"), "only");
  execFileSync("rsync", ["-a", "--delete", `${source}/`, `${fixture.tree}/`]);
  expect(await fixture.publish()).toMatchObject({ release: 3, counts: { added: 1, removed: 2 } });
  for (const text of ["goes away", "stays", "comes", "only"]) {
    expect((await readContent(tree, sha256(Buffer.from(text))))?.toString()).toBe(text);
  }
});

test("contents, bundles and objects go after three releases and 48 hours, not before", async () => {
  using fixture = new PublishFixture();
  let aheadMs = 0;
  const clock: Clock = { ...realClock, wallMs: () => Date.now() + aheadMs };
  const old = sha256(Buffer.from("old"));
  fs.writeFileSync(join(fixture.tree, "file"), "old");
  await fixture.publish({ clock });
  using tree = await fixture.open();
  const [oldBundle] = await readBundles(tree);
  const oldIndex = tree.release!.index.sha256;
  fs.rmSync(join(fixture.tree, "file"));
  const release = async (text: string): Promise<void> => {
    fs.writeFileSync(join(fixture.base, "other"), text);
    fs.renameSync(join(fixture.base, "other"), join(fixture.tree, "other"));
    await fixture.publish({ clock });
  };
  for (const text of ["release 2", "release 3", "release 4"]) await release(text);
  expect((await readContent(tree, old))?.toString()).toBe("old"); // four releases, but no 48 hours
  aheadMs = 49 * 3_600_000;
  await release("release 5"); // retires the bundle, drops the content
  expect(await readContent(tree, old)).toBeUndefined();
  expect(fs.existsSync(join(fixture.options.workDirectory, "contents", old.slice(0, 2), old))).toBe(false);
  await tree.refresh();
  expect(tree.bundleNumbers().has(oldBundle!.number)).toBe(false);
  expect(await tree.infoDictionary(oldBundle!.infoHash)).toBeUndefined();
  expect(await tree.object(oldIndex)).toBeUndefined();
  // Releases 3 and 4 are among the newest three, whatever the time.
  expect((await readContent(tree, sha256(Buffer.from("release 3"))))?.toString()).toBe("release 3");
  expect(tree.release!.metadata.map((row) => row.release)).toEqual([5, 4, 3]);
  for (const { infoHash } of tree.release!.metadata) {
    const metadata = await tree.metadataBundle(infoHash);
    for (let ordinal = 0; ordinal < metadata!.layout.contentCount; ordinal++) {
      await using file = await metadata!.open(ordinal);
      expect(file).toBeDefined();
    }
  }
  expect(await problemsOf(tree)).toEqual([]);
});

test("without a common file system contents come from TREE itself, and the outcome says so", async () => {
  using fixture = new PublishFixture();
  const workDirectory = fs.mkdtempSync("/dev/shm/prsync-publish-");
  try {
    fs.writeFileSync(join(fixture.tree, "file"), "bytes");
    const outcome = await fixture.publish({ workDirectory });
    expect(outcome).toMatchObject({ release: 1, retained: false });
    expect(outcome.warnings).toEqual([expect.stringContaining("can't be kept beside TREE")]);
    const { PublishedTreeReader } = await import("../../../src/store/published-tree.ts");
    using tree = await PublishedTreeReader.open({ ...fixture.options, workDirectory });
    expect(await problemsOf(tree)).toEqual([]);
    expect(await fixture.publish({ workDirectory })).toMatchObject({ release: undefined, retained: false });
    fs.appendFileSync(join(fixture.tree, "file"), "!");
    expect(await readContent(tree, sha256(Buffer.from("bytes")))).toBeUndefined();
  } finally {
    fs.rmSync(workDirectory, { recursive: true });
  }
});
