import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { zstdCompressSync } from "node:zlib";
import { spawnSync } from "node:child_process";
import { expect, onTestFinished, test } from "vitest";
import { Bitfield } from "../../../src/core/bitfield.ts";
import { contentIdOf, type ContentId } from "../../../src/core/content-id.ts";
import { repoPathFromByteString as path } from "../../../src/core/repo-path.ts";
import type { BundleRow } from "../../../src/manifest/bundle-list.ts";
import { cutChunks } from "../../../src/manifest/chunk.ts";
import type { Entry } from "../../../src/manifest/entry.ts";
import { encodeIndex } from "../../../src/manifest/manifest-index.ts";
import type { FileStat } from "../../../src/store/file-stat.ts";
import { MirrorIndex } from "../../../src/store/mirror-index.ts";
import { isIndexDamaged } from "../../../src/store/mirror-index-schema.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

function contentOf(text: string): ContentId {
  return contentIdOf(createHash("sha256").update(text).digest());
}

function openIndex(file = join(temporaryDirectory(), "index.sqlite")): MirrorIndex {
  const index = MirrorIndex.open(file);
  onTestFinished(() => index[Symbol.dispose]());
  return index;
}

function fileEntry(name: string, text: string): Entry {
  return { path: path(name), kind: "file", mode: 0o644, mtimeNs: 1n, size: text.length, content: contentOf(text) };
}

function manyEntries(count: number): Entry[] {
  return Array.from({ length: count }, (_, i) => fileEntry(`f${String(i).padStart(6, "0")}`, `text ${i % 700}`));
}

/** Puts a manifest into the slot of the release on its way, as a sync does. */
function setNext(index: MirrorIndex, release: number, entries: readonly Entry[]): void {
  const chunks = [...cutChunks(entries)];
  for (const { ref, bytes } of chunks) index.manifest.putChunk(ref.sha256, zstdCompressSync(bytes));
  const refs = chunks.map(({ ref }) => ref);
  const hash = createHash("sha256").update(encodeIndex(refs)).digest("hex");
  index.setNextRelease({ release, index: hash, refs });
}

const stat: FileStat = { size: 5, mtimeNs: 1_700_000_000_123_456_789n, ctimeNs: 2n ** 62n, ino: -5n };

test("a release becomes the held one with its entries, and the next tells only what differs", async () => {
  const index = openIndex();
  expect(index.manifest.held()).toBeUndefined();
  const first = manyEntries(5_000);
  setNext(index, 1, first);
  expect([...index.manifest.changes()].length).toBe(5_000);
  await index.commitRelease();
  expect(index.manifest.next()).toBeUndefined();
  expect([...index.manifest.entries()]).toEqual(first);
  const second = first.slice(0, 4_999).concat([fileEntry("new\xff", "new")]);
  second[10] = fileEntry("f000010", "changed");
  setNext(index, 2, second);
  expect([...index.manifest.changes()]).toEqual([
    { path: "f000010", before: first[10], after: second[10] },
    { path: "f004999", before: first[4_999], after: undefined },
    { path: "new\xff", before: undefined, after: second[4_999] },
  ]);
  expect(index.manifest.entry(path("f000010"))).toEqual(first[10]);
  expect(index.manifest.firstBetween("f000010", "f000011")).toEqual(first[10]);
  expect(index.manifest.firstBetween("f000010\0", "f0001")).toEqual(first[11]);
  expect(index.manifest.firstBetween("f000010\0", "f000011")).toBeUndefined();
  await index.commitRelease(() => index.facts.set("repository", "r"));
  expect(index.manifest.held()!.release).toBe(2);
  expect(index.facts.get("repository")).toBe("r");
  expect([...index.manifest.entries()]).toEqual(second);
  expect(index.manifest.entriesWith(contentOf("new")).map((entry) => entry.path)).toEqual(["new\xff"]);
  expect([...index.manifest.contents()].length).toBe(702);
  const stored = index.manifest.held()!.refs.filter((ref) => index.manifest.hasChunk(ref.sha256)).length;
  expect(stored).toBe(index.manifest.held()!.refs.length);
});

test("entries below a directory, neighbours left out", async () => {
  const index = openIndex();
  const names = ["a", "a-b", "a/x", "a/y/z", "a0"];
  const entries = names.map((name) => fileEntry(name, name)).map((e) => (e.path === "a" ? directory("a") : e));
  setNext(index, 1, [...entries.slice(0, 3), directory("a/y"), ...entries.slice(3)]);
  await index.commitRelease();
  expect([...index.manifest.entries(path("a"))].map((entry) => entry.path)).toEqual(["a/x", "a/y", "a/y/z"]);
});

function directory(name: string): Entry {
  return { path: path(name), kind: "directory", mode: 0o755, mtimeNs: 0n };
}

test("a failure while a release is committed leaves the old one", async () => {
  const index = openIndex();
  setNext(index, 1, manyEntries(300));
  await index.commitRelease();
  setNext(index, 2, manyEntries(400));
  const failing = index.commitRelease(() => {
    throw new Error("stop");
  });
  await expect(failing).rejects.toThrow("stop");
  expect(index.manifest.held()!.release).toBe(1);
  expect([...index.manifest.entries()].length).toBe(300);
  await index.commitRelease();
  expect([index.manifest.held()!.release, [...index.manifest.entries()].length]).toEqual([2, 400]);
});

test("kill -9 in the middle of a commit leaves the old release, and the next run completes it", async () => {
  const file = join(temporaryDirectory(), "index.sqlite");
  {
    using index = MirrorIndex.open(file);
    setNext(index, 1, manyEntries(300));
    await index.commitRelease();
    setNext(index, 2, manyEntries(20_000));
  }
  const module = new URL("../../../src/store/mirror-index.ts", import.meta.url).href;
  const script = `
    import { MirrorIndex } from ${JSON.stringify(module)};
    const index = MirrorIndex.open(${JSON.stringify(file)});
    await index.commitRelease(() => process.kill(process.pid, "SIGKILL"));`;
  const child = spawnSync(process.execPath, ["--input-type=module", "-e", script]);
  expect(child.signal).toBe("SIGKILL");
  const index = openIndex(file);
  expect([index.manifest.held()!.release, [...index.manifest.entries()].length]).toEqual([1, 300]);
  await index.commitRelease();
  expect([index.manifest.held()!.release, [...index.manifest.entries()].length]).toEqual([2, 20_000]);
});

test("records of files count only for the same stat", () => {
  const { files } = openIndex();
  const name = path("dir/f\xff\n");
  files.put(name, { stat, content: contentOf("x"), isVerified: true });
  expect(files.lookUp(name, stat)).toEqual({ stat, content: contentOf("x"), isVerified: true });
  for (const other of [{ size: 6 }, { mtimeNs: 1n }, { ctimeNs: 1n }, { ino: 5n }]) {
    expect(files.lookUp(name, { ...stat, ...other })).toBeUndefined();
  }
  files.restat(name, { ...stat, ino: 5n }, { ...stat, ino: 6n });
  expect(files.get(name)!.stat).toEqual(stat);
  files.restat(name, stat, { ...stat, ctimeNs: 9n });
  expect(files.get(name)!.stat.ctimeNs).toBe(9n);
});

test("files are found by content, verified ones first, and counted", () => {
  const { files } = openIndex();
  files.put(path("a"), { stat, content: contentOf("x"), isVerified: false });
  files.put(path("b"), { stat, content: contentOf("x"), isVerified: true });
  files.put(path("c"), { stat, content: contentOf("y"), isVerified: false });
  files.link(path("d"), path("b"));
  files.link(path("c"), path("unknown"));
  expect(files.pathsOf(contentOf("x"))).toEqual(["b", "d", "a"]);
  expect(files.unverified({ limit: 9 })).toEqual(["a"]);
  expect(files.unverified({ after: path("a"), limit: 9 })).toEqual([]);
  expect([...files.all()].map(([name]) => name)).toEqual(["a", "b", "d"]);
  expect(files.totals()).toEqual({ files: 3, bytes: 15, verifiedFiles: 2 });
  files.remove(path("b"));
  expect(files.get(path("b"))).toBeUndefined();
});

test("duplicates tell what they save in transfer and, as further names of one inode, on disk", () => {
  const { files } = openIndex();
  const put = (name: string, content: string, ino: bigint): void =>
    files.put(path(name), {
      stat: { ...stat, ino, size: content.length },
      content: contentOf(content),
      isVerified: true,
    });
  put("a", "four", 1n);
  put("b", "four", 1n);
  put("c", "four", 2n);
  put("d", "other", 3n);
  put("e", "", 4n);
  put("f", "", 5n);
  expect(files.duplicates()).toEqual({ files: 2, notTransferredBytes: 8, notStoredBytes: 4 });
});

test("looking up a content that a hundred thousand files have costs what a look-up costs", () => {
  const index = openIndex();
  const hold = (name: string, count: number): void =>
    index.transaction(() => {
      for (let i = 0; i < count; i++) {
        index.files.put(path(`${name}-${i}`), { stat, content: contentOf(name), isVerified: i % 2 === 0 });
      }
    });
  const lookUps = (name: string): number => {
    const start = process.cpuUsage();
    for (let i = 0; i < 300; i++) index.files.pathsOf(contentOf(name));
    return process.cpuUsage(start).user;
  };
  hold("few", 100);
  hold("many", 100_000);
  lookUps("few");
  // A sort of all of them took 278 times as long.
  expect(lookUps("many") / lookUps("few")).toBeLessThan(30);
});

const bundle: BundleRow = {
  number: 3,
  kind: "content",
  infoHash: "ab".repeat(20),
  lengthBytes: 131_072,
  pieceLength: 65_536,
  contentCount: 2,
  release: 1,
  table: { sha256: "cd".repeat(32), lengthBytes: 80 },
  name: "r-1",
};

test("bundles, their tables and info dictionaries", () => {
  const index = openIndex();
  const { bundles } = index;
  const contents = ["x", "y"].map((text) => ({ content: contentOf(text), lengthBytes: 7 }));
  index.transaction(() => {
    bundles.put(bundle);
    bundles.putContents(3, contents);
    bundles.putContents(2, contents.toReversed());
    bundles.putInfo(bundle.infoHash, Buffer.from("d4:name3:r-1e"));
  });
  expect(bundles.all()).toEqual([bundle]);
  expect(bundles.byInfoHash(bundle.infoHash)).toEqual(bundle);
  expect([...bundles.contentsOf(3)!]).toEqual(contents);
  expect(bundles.newestPlaceOf(contentOf("y"))).toEqual({ bundle: 3, ordinal: 1, lengthBytes: 7 });
  expect(Buffer.from(bundles.info(bundle.infoHash)!).toString()).toBe("d4:name3:r-1e");
  bundles.remove(3);
  expect([bundles.get(3), bundles.contentsOf(3), bundles.info(bundle.infoHash)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(bundles.newestPlaceOf(contentOf("y"))).toEqual({ bundle: 2, ordinal: 0, lengthBytes: 7 });
  expect(bundles.newestPlaceOf(contentOf("z"))).toBeUndefined();
});

test("staged pieces survive a restart", () => {
  const file = join(temporaryDirectory(), "index.sqlite");
  const verified = new Bitfield(3);
  verified.set(1);
  const record = { content: contentOf("x"), lengthBytes: 150_000, pieceLength: 65_536, verified };
  {
    using index = MirrorIndex.open(file);
    index.staged.put(record);
  }
  const index = openIndex(file);
  expect([...index.staged.all()].map(({ verified, ...rest }) => ({ ...rest, pieces: [...verified] }))).toEqual([
    { content: record.content, lengthBytes: 150_000, pieceLength: 65_536, pieces: [1] },
  ]);
  index.staged.remove(record.content);
  expect(index.staged.get(record.content)).toBeUndefined();
});

test("an index of a newer version is refused, untouched", () => {
  const file = join(temporaryDirectory(), "index.sqlite");
  using database = new DatabaseSync(file);
  database.exec("PRAGMA user_version = 99");
  expect(() => MirrorIndex.open(file)).toThrow(expect.objectContaining({ code: "index-too-new" }));
  expect(database.prepare("PRAGMA user_version").get()!.user_version).toBe(99);
});

test("a damaged index is moved aside and begins from nothing", () => {
  const file = join(temporaryDirectory(), "index.sqlite");
  fs.writeFileSync(file, Buffer.alloc(8192, "no database"));
  const index = openIndex(file);
  expect(index.damagedPredecessor).toBe(`${file}.damaged`);
  expect(fs.readFileSync(`${file}.damaged`).subarray(0, 11).toString()).toBe("no database");
  expect(index.manifest.held()).toBeUndefined();
});

test("bit rot in a manifest chunk is noticed", async () => {
  const file = join(temporaryDirectory(), "index.sqlite");
  const index = openIndex(file);
  const other = zstdCompressSync(Buffer.from("other bytes"));
  setNext(index, 1, manyEntries(300));
  using database = new DatabaseSync(file);
  database.prepare("UPDATE chunks SET frame = ?").run(other);
  const error: unknown = await index.commitRelease().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(isIndexDamaged(error)).toBe(true);
  expect(index.manifest.held()).toBeUndefined();
  const rebuilt = MirrorIndex.open(file, { rebuild: true });
  onTestFinished(() => rebuilt[Symbol.dispose]());
  expect(rebuilt.manifest.next()).toBeUndefined();
});

test("damage that shows only in use is noted, and the next open builds the index anew", () => {
  const path = join(temporaryDirectory(), "index.sqlite");
  const index = MirrorIndex.open(path);
  index.facts.set("heldRelease", 7);
  expect(index.noteDamage(new Error("database disk image is malformed"))).toMatchObject({ code: "index-damaged" });
  index[Symbol.dispose]();
  using rebuilt = MirrorIndex.open(path);
  expect(rebuilt.damagedPredecessor).toBe(`${path}.damaged`);
  expect(rebuilt.facts.get("heldRelease")).toBeUndefined();
  rebuilt[Symbol.dispose]();
  using after = MirrorIndex.open(path);
  expect(after.damagedPredecessor).toBeUndefined();
});
