import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { contentIdOf, type ContentId } from "../../../src/core/content-id.ts";
import { repoPathFromByteString as path } from "../../../src/core/repo-path.ts";
import { ConfinedDirectory } from "../../../src/store/confined-directory.ts";
import { DurabilityBatch, syncFileSystem } from "../../../src/store/durability.ts";
import { fileStatOf } from "../../../src/store/file-stat.ts";
import { freeSpaceOf, reserveBytes, shortfall } from "../../../src/store/free-space.ts";
import { stageFromFile } from "../../../src/store/stage-from-file.ts";
import type { StagedContent } from "../../../src/store/staged-content.ts";
import { StagingArea } from "../../../src/store/staging.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

function contentOf(bytes: Uint8Array | string): ContentId {
  return contentIdOf(createHash("sha256").update(bytes).digest());
}

function openAll(root = temporaryDirectory()): { root: string; destination: ConfinedDirectory; staging: StagingArea } {
  const destination = ConfinedDirectory.open(root);
  const staging = StagingArea.open(destination);
  onTestFinished(() => {
    staging[Symbol.dispose]();
    destination[Symbol.dispose]();
  });
  return { root, destination, staging };
}

const large = Buffer.alloc(3_000_000, "some bytes that are not all the same");

test("the area is private, and a symlink in its place is refused", () => {
  const { root } = openAll();
  expect(fs.statSync(join(root, ".prsync")).mode & 0o777).toBe(0o700);
  expect(fs.statSync(join(root, ".prsync/staging")).mode & 0o777).toBe(0o700);
  const other = temporaryDirectory();
  fs.symlinkSync(root, join(other, ".prsync"));
  using destination = ConfinedDirectory.open(other);
  expect(() => StagingArea.open(destination)).toThrow(expect.objectContaining({ code: "root-unusable" }));
});

test("bytes written in any order come back; a part is sparse and survives a restart", async () => {
  const { root, staging } = openAll();
  const content = contentOf(large);
  const part = staging.stage(content, large.length);
  await Promise.all([2_000_000, 0, 1_000_000].map((at) => part.write(at, large.subarray(at, at + 500_000))));
  expect(fs.statSync(join(root, `.prsync/staging/${content}.part`)).blocks * 512).toBeLessThan(2_000_000);
  fs.writeFileSync(join(root, ".prsync/staging/7.temporary"), "left by a killed run");
  const again = openAll(root).staging;
  expect([...again.parts()]).toEqual([{ content, lengthBytes: large.length }]);
  expect(fs.existsSync(join(root, ".prsync/staging/7.temporary"))).toBe(false);
  const bytes = await again.stage(content, large.length).read(1_200_000, 300_000);
  expect(Buffer.compare(bytes, large.subarray(1_200_000, 1_500_000))).toBe(0);
  await expect(part.write(large.length - 1, Buffer.alloc(2))).rejects.toThrow(RangeError);
});

test("more parts than descriptors, used at the same time", async () => {
  const { staging } = openAll();
  const texts = Array.from({ length: 600 }, (_, i) => `content ${i}`);
  await Promise.all(texts.map((text) => staging.stage(contentOf(text), text.length).write(0, Buffer.from(text))));
  const read = await Promise.all(texts.map((text) => staging.stage(contentOf(text), text.length).read(0, text.length)));
  expect(read.map((bytes) => Buffer.from(bytes).toString())).toEqual(texts);
  expect(fs.readdirSync("/proc/self/fd").length).toBeLessThan(400);
});

test("placing gives mode and mtime and replaces what is there; copies share the bytes", async () => {
  const { root, destination, staging } = openAll();
  const content = contentOf("new");
  staging.stageWhole(content, Buffer.from("new"));
  fs.writeFileSync(join(root, "a"), "old");
  const attributes = { mode: 0o4751, mtimeNs: 1_600_000_000_123_456_000n };
  const first = await staging.place(content, destination, { ...attributes, path: path("a"), keepPart: true });
  await staging.place(content, destination, { ...attributes, path: path("b\xff"), keepPart: false });
  const stats = destination.lstat(path("a"))!;
  expect(fs.readFileSync(join(root, "a"), "utf8")).toBe("new");
  expect(fs.readFileSync(Buffer.from(`${root}/b\xff`, "latin1"), "utf8")).toBe("new");
  expect(Number(stats.mode) & 0o7777).toBe(0o4751);
  expect(Number(stats.mtimeNs / 1000n)).toBe(1_600_000_000_123_456);
  expect(first).toEqual(fileStatOf(stats));
  expect(staging.lengthOf(content)).toBeUndefined();
  const gone = staging.place(content, destination, { ...attributes, path: path("c"), keepPart: false });
  await expect(gone).rejects.toMatchObject({ code: "staged-missing" });
  const part = staging.stage(content, 3);
  await part.write(0, Buffer.from("old"));
  staging.discard(content);
  await expect(part.write(0, Buffer.from("x"))).rejects.toMatchObject({ code: "staged-missing" });
});

test.each([
  ["small", Buffer.from("small")],
  ["large", large],
])("a %s held file is staged if its hash and stat are right", async (_name, bytes) => {
  const { root, destination, staging } = openAll();
  const content = contentOf(bytes);
  fs.writeFileSync(join(root, "basis"), bytes);
  const expectedStat = fileStatOf(destination.lstat(path("basis"))!);
  const source = { directory: destination, path: path("basis"), expectedStat };
  expect(await stageFromFile(staging, content, source)).toEqual({ outcome: "copied", stat: expectedStat });
  const staged = await staging.stage(content, bytes.length).read(0, bytes.length);
  expect(Buffer.compare(staged, bytes)).toBe(0);
  const other = contentOf("other");
  expect(await stageFromFile(staging, other, source)).toEqual({ outcome: "differs", content });
  expect(staging.lengthOf(other)).toBeUndefined();
  fs.appendFileSync(join(root, "basis"), "!");
  expect(await stageFromFile(staging, content, source)).toEqual({ outcome: "changed" });
});

test("a basis that is written to while it is copied is noticed", async () => {
  const { root, destination, staging } = openAll();
  fs.writeFileSync(join(root, "basis"), large);
  const copying = stageFromFile(staging, contentOf(large), { directory: destination, path: path("basis") });
  fs.writeFileSync(join(root, "basis"), "short");
  expect(await copying).toEqual({ outcome: "changed" });
  expect(staging.lengthOf(contentOf(large))).toBeUndefined();
});

test("a batch is flushed one by one or as a whole", async () => {
  const { root, staging } = openAll();
  const flushed: number[] = [];
  const batch = new DurabilityBatch(root);
  for (let i = 0; i < 20; i++) batch.add(async () => void flushed.push(i));
  await batch.flush();
  expect(flushed.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i));
  for (let i = 0; i < 100; i++) batch.add(async () => void flushed.push(i));
  await batch.flush();
  expect(flushed.length).toBe(20);
  expect(batch.size).toBe(0);
  staging.stageWhole(contentOf("x"), Buffer.from("x"));
  await staging.fsync(contentOf("x"));
  expect(await syncFileSystem(root)).toBe(true);
  await expect(syncFileSystem(join(root, "missing"))).rejects.toMatchObject({ code: "disk-failed" });
});

test("free space keeps a reserve and counts inodes", () => {
  const gib = 2 ** 30;
  expect(reserveBytes(10 * gib)).toBe(0.5 * gib);
  expect(reserveBytes(40 * gib)).toBe(gib);
  expect(reserveBytes(1000 * gib)).toBe(20 * gib);
  const space = { totalBytes: 40 * gib, freeBytes: 3 * gib, freeInodes: 10 };
  expect(shortfall(space, { bytes: 2 * gib, files: 10 })).toBeUndefined();
  expect(shortfall(space, { bytes: 2 * gib + 1, files: 12 })).toEqual({ bytes: 1, inodes: 2 });
  expect(freeSpaceOf(temporaryDirectory()).totalBytes).toBeGreaterThan(0);
});

test("a staged link is the file itself, placed without being read; its copies are files of their own", async () => {
  const { root, destination, staging } = openAll();
  fs.writeFileSync(join(root, "old"), large);
  const expectedStat = fileStatOf(destination.lstat(path("old"))!);
  const content = contentOf(large);
  const linked = staging.stageLink(content, { directory: destination, path: path("old"), expectedStat });
  expect(linked).toEqual({ ...expectedStat, ctimeNs: linked!.ctimeNs });
  expect(staging.lengthOf(content)).toBe(large.length);
  await staging.fsync(content);
  const attributes = { mode: 0o640, mtimeNs: 5_000_000_000n };
  await staging.place(content, destination, { ...attributes, keepPart: true, path: path("copy") });
  const placed = await staging.place(content, destination, { ...attributes, keepPart: false, path: path("new") });
  expect([placed.ino, placed.mtimeNs]).toEqual([expectedStat.ino, 5_000_000_000n]);
  expect(fs.statSync(join(root, "copy"), { bigint: true }).ino).not.toBe(expectedStat.ino);
  expect(fs.readFileSync(join(root, "copy")).equals(large)).toBe(true);
  expect(fs.readdirSync(join(root, ".prsync/staging"))).toEqual([]);
});

test("what is fetched instead of a staged link is written beside it, never into the file of DEST", async () => {
  const { root, destination, staging } = openAll();
  fs.writeFileSync(join(root, "old"), large);
  const expectedStat = fileStatOf(destination.lstat(path("old"))!);
  const content = contentOf(large);
  staging.stageLink(content, { directory: destination, path: path("old"), expectedStat });
  await staging.stage(content, large.length).write(0, Buffer.alloc(large.length));
  expect(fs.readFileSync(join(root, "old")).equals(large)).toBe(true);
  expect(fs.statSync(join(root, "old")).nlink).toBe(1);
});

test("a link that a killed run left is told at the next start; dropped, the file stays", () => {
  const { root, destination, staging } = openAll();
  fs.writeFileSync(join(root, "old"), "bytes");
  const expectedStat = fileStatOf(destination.lstat(path("old"))!);
  staging.stageLink(contentOf("bytes"), { directory: destination, path: path("old"), expectedStat });
  const next = openAll(root).staging;
  expect(next.leftLinks()).toEqual([{ content: contentOf("bytes"), inode: expectedStat.ino }]);
  next.discard(contentOf("bytes"));
  expect([fs.readdirSync(join(root, ".prsync/staging")), fs.readFileSync(join(root, "old"), "utf8")]).toEqual([
    [],
    "bytes",
  ]);
});

test("a file that changed, is gone, or has another name is not linked", () => {
  const { root, destination, staging } = openAll();
  fs.writeFileSync(join(root, "old"), "bytes");
  const source = { directory: destination, path: path("old") };
  const expectedStat = fileStatOf(destination.lstat(path("old"))!);
  const content = contentOf("bytes");
  fs.linkSync(join(root, "old"), join(root, "twin"));
  const doubled = fileStatOf(destination.lstat(path("old"))!);
  expect(staging.stageLink(content, { ...source, expectedStat: doubled })).toBeUndefined();
  fs.rmSync(join(root, "twin"));
  fs.writeFileSync(join(root, "old"), "BYTES");
  expect(staging.stageLink(content, { ...source, expectedStat })).toBeUndefined();
  fs.rmSync(join(root, "old"));
  expect(staging.stageLink(content, { ...source, expectedStat })).toBeUndefined();
  expect(fs.readdirSync(join(root, ".prsync/staging"))).toEqual([]);
});

const FINAL = { mode: 0o640, mtimeNs: 1_767_225_600_123_456_000n };

/** Receives a small content in one piece. */
async function receive(staging: StagingArea, text: string): Promise<{ content: ContentId; part: StagedContent }> {
  const content = contentOf(text);
  const part = staging.stage(content, text.length, FINAL);
  const bytes = new Uint8Array(Buffer.from(text));
  const expected = { algorithm: "sha256", digest: content, paddedLength: text.length } as const;
  expect(await part.takePiece({ start: 0, lengthBytes: text.length, received: [{ offset: 0, bytes }], expected })).toBe(
    true,
  );
  return { content, part };
}

test("a small content has its mode and time as soon as it has its bytes", async () => {
  const { root, staging } = openAll();
  const { content } = await receive(staging, "small");
  const stats = fs.statSync(join(root, `.prsync/staging/${content}.part`), { bigint: true });
  expect([stats.mode & 0o7777n, stats.mtimeNs / 1_000n]).toEqual([0o640n, FINAL.mtimeNs / 1_000n]);
});

test.each([
  { name: "its first path's", attributes: FINAL },
  { name: "another mode", attributes: { ...FINAL, mode: 0o604 } },
  { name: "another time", attributes: { ...FINAL, mtimeNs: 1_000_000_000n } },
])("a small content is placed with $name", async ({ attributes }) => {
  const { destination, staging } = openAll();
  const { content } = await receive(staging, "small");
  const stat = await staging.place(content, destination, { ...attributes, path: path("file"), keepPart: false });
  expect(stat.mtimeNs / 1_000n).toBe(attributes.mtimeNs / 1_000n);
  expect(Number(destination.lstat(path("file"))!.mode) & 0o7777).toBe(attributes.mode);
});

test("a small content that was written to again is placed with its time all the same", async () => {
  const { destination, staging } = openAll();
  const { content, part } = await receive(staging, "small");
  await part.write(0, Buffer.from("small"));
  const stat = await staging.place(content, destination, { ...FINAL, path: path("file"), keepPart: false });
  expect(stat.mtimeNs / 1_000n).toBe(FINAL.mtimeNs / 1_000n);
});
