import { hash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { cutChunks, ManifestVerifier, parseChunk, type EncodedChunk } from "../../../src/manifest/chunk.ts";
import { encodeEntry } from "../../../src/manifest/entry-line.ts";
import { encodeIndex, parseIndex } from "../../../src/manifest/manifest-index.ts";
import { anyEntries, codeOf, file, path } from "./arbitrary-entry.ts";

function isCut(name: string): boolean {
  return hash("sha256", name, "buffer").readUInt32BE(0) % 750 === 0;
}

const names = Array.from({ length: 20_000 }, (_, i) => `f${String(i).padStart(6, "0")}`);
const neverCut = names.filter((name) => !isCut(name));
const entriesOf = (chunks: readonly EncodedChunk[]): unknown[] => chunks.flatMap((chunk) => parseChunk(chunk.bytes));

test("the empty manifest has no chunk and an empty index", () => {
  expect([...cutChunks([])]).toEqual([]);
  expect(encodeIndex([])).toHaveLength(0);
  expect(parseIndex(new Uint8Array(0))).toEqual([]);
});

test("without a cut path a chunk ends after 4,000 entries", () => {
  const chunks = [...cutChunks(neverCut.slice(0, 9000).map((name) => file(name)))];
  expect(chunks.map((chunk) => chunk.ref.entryCount)).toEqual([4000, 4000, 1000]);
});

test("a cut path ends a chunk from the 250th entry on", () => {
  const cut = "fz";
  const cutPaths = Array.from({ length: 100_000 }, (_, i) => `${cut}${i}`)
    .filter(isCut)
    .slice(0, 1);
  const chunksFor = (before: number): number[] =>
    [...cutChunks([...neverCut.slice(0, before), ...cutPaths, "g"].map((name) => file(name)))].map(
      (c) => c.ref.entryCount,
    );
  expect(chunksFor(248)).toEqual([250]);
  expect(chunksFor(249)).toEqual([250, 1]);
  expect(chunksFor(3998)).toEqual([3999, 1]);
});

test("chunks hold 250 to 4,000 entries, and the manifest is all of them", () => {
  const manifest = names.map((name) => file(name));
  const chunks = [...cutChunks(manifest)];
  const counts = chunks.slice(0, -1).map((chunk) => chunk.ref.entryCount);
  expect(Math.min(...counts)).toBeGreaterThanOrEqual(250);
  expect(Math.max(...counts)).toBeLessThanOrEqual(4000);
  expect(entriesOf(chunks)).toEqual(manifest);
  const verifier = new ManifestVerifier();
  expect(chunks.flatMap((chunk) => verifier.accept(chunk.ref, chunk.bytes))).toEqual(manifest);
  expect(parseIndex(encodeIndex(chunks.map((chunk) => chunk.ref)))).toEqual(chunks.map((chunk) => chunk.ref));
});

test("any entries survive a chunk, or are a conflict", () => {
  fc.assert(
    fc.property(anyEntries, (entries) => {
      const bytes = Buffer.from(entries.map((entry) => `${encodeEntry(entry)}\n`).join(""));
      const code = codeOf(() => expect(parseChunk(bytes)).toEqual(entries));
      expect(code).toBe(entries.length === 0 ? "bad-chunk" : codeOf(() => [...cutChunks(entries)]));
    }),
  );
});

test("a swapped, longer, shorter or reordered chunk is refused", () => {
  const [first, second] = [...cutChunks(neverCut.slice(0, 5000).map((name) => file(name)))] as [
    EncodedChunk,
    EncodedChunk,
  ];
  const accept = (...chunks: [EncodedChunk["ref"], Uint8Array][]): string => {
    const verifier = new ManifestVerifier();
    return codeOf(() => chunks.map(([ref, bytes]) => verifier.accept(ref, bytes)));
  };
  expect(accept([first.ref, first.bytes], [second.ref, second.bytes])).toBe("none");
  expect(accept([first.ref, second.bytes])).toBe("hash-mismatch");
  expect(accept([first.ref, first.bytes.subarray(1)])).toBe("hash-mismatch");
  expect(accept([first.ref, Buffer.concat([first.bytes, Buffer.from("\n")])])).toBe("hash-mismatch");
  expect(accept([second.ref, second.bytes], [first.ref, first.bytes])).toBe("bad-order");
  expect(accept([{ ...first.ref, entryCount: 3999 }, first.bytes])).toBe("bad-chunk");
  expect(accept([{ ...first.ref, firstPath: path("f0000000") }, first.bytes])).toBe("bad-chunk");
});

test("every changed byte of a chunk is refused", () => {
  const [chunk] = [...cutChunks([file("a"), file("b")])];
  for (let i = 0; i < chunk!.bytes.length; i++) {
    const bytes = Buffer.from(chunk!.bytes);
    bytes[i]! ^= 1;
    expect(codeOf(() => new ManifestVerifier().accept(chunk!.ref, bytes))).toBe("hash-mismatch");
  }
});

test("more than 4,000 entries are no chunk", () => {
  const lines = neverCut.slice(0, 4001).map((name) => `${encodeEntry(file(name))}\n`);
  expect(codeOf(() => parseChunk(Buffer.from(lines.slice(0, 4000).join(""))))).toBe("none");
  expect(codeOf(() => parseChunk(Buffer.from(lines.join(""))))).toBe("bad-chunk");
});

test.each([
  ['"count":0', "bad-index"],
  ['"count":4001', "bad-index"],
  ['"count":1.5', "bad-index"],
  ['"count":1,"count":1', "bad-index"],
  ['"count":9007199254740993', "bad-index"],
  ['"count":1', "none"],
  ['"count":1,"later":{"a":1}', "none"],
])("an index with %s: %s", (count, code) => {
  const line = `{"sha256":"${"0".repeat(64)}","length":5,"first":"a",${count}}\n`;
  expect(codeOf(() => parseIndex(Buffer.from(line)))).toBe(code);
});

test("an index out of order, with an unsafe path, a huge or no length is refused", () => {
  const line = (first: string, length: number): string =>
    `{"sha256":"${"0".repeat(64)}","length":${length},"first":"${first}","count":1}\n`;
  expect(codeOf(() => parseIndex(Buffer.from(line("b", 1) + line("a", 1))))).toBe("bad-order");
  expect(codeOf(() => parseIndex(Buffer.from(line("a", 1) + line("a", 1))))).toBe("bad-order");
  expect(codeOf(() => parseIndex(Buffer.from(line("../a", 1))))).toBe("bad-index");
  expect(codeOf(() => parseIndex(Buffer.from(line(".prsync", 1))))).toBe("bad-entry");
  expect(codeOf(() => parseIndex(Buffer.from(line("a", 0))))).toBe("bad-index");
  expect(codeOf(() => parseIndex(Buffer.from(line("a", 2 ** 30))))).toBe("bad-index");
});
