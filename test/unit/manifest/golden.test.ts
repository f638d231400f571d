import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseContentId } from "../../../src/core/content-id.ts";
import { repoPathFromText } from "../../../src/core/repo-path.ts";
import { applyChanges, diffEntries } from "../../../src/manifest/apply-changes.ts";
import { encodeBundleList, parseBundleList } from "../../../src/manifest/bundle-list.ts";
import { encodeChangeList, parseChangeList } from "../../../src/manifest/change-list.ts";
import { cutChunks, parseChunk } from "../../../src/manifest/chunk.ts";
import { ContentTable, encodeContentTable } from "../../../src/manifest/content-table.ts";
import { encodeEntry } from "../../../src/manifest/entry-line.ts";
import type { Entry } from "../../../src/manifest/entry.ts";
import { encodeIndex, parseIndex } from "../../../src/manifest/manifest-index.ts";
import { encodeRelease, parseRelease } from "../../../src/manifest/release.ts";
import { buildInfoDictionary, infoHashOf, parseInfoDictionary } from "../../../src/manifest/torrent.ts";

function golden(name: string): Buffer {
  return readFileSync(new URL(`../../../fixtures/manifest/${name}`, import.meta.url));
}

test("the golden chunk is read, cut and written alike", () => {
  const entries = parseChunk(golden("chunk.jsonl"));
  expect(entries).toHaveLength(9);
  expect(entries.map((entry) => `${encodeEntry(entry)}\n`).join("")).toBe(golden("chunk.jsonl").toString());
  const [chunk] = [...cutChunks(entries)];
  expect(Buffer.from(chunk!.bytes)).toEqual(golden("chunk.jsonl"));
  expect(entries[8]).toEqual({ kind: "symlink", path: "gr\xfcn", target: "\xff/%", mtimeNs: 4_000_000_000n });
  expect(entries[6]).toMatchObject({
    mode: 0o4755,
    size: 6,
    unknown: [
      ["future", { a: -5 }],
      ["z", "kept"],
    ],
  });
  expect(entries[5]).toMatchObject({ link: "__proto__/constructor" });
});

test("10,000 generated entries are cut as the second implementation cuts them", () => {
  const entries = Array.from({ length: 10_000 }, (_, i): Entry => {
    const content = parseContentId(hash("sha256", String(i), "hex"));
    const path = repoPathFromText(`pool/${String(i).padStart(5, "0")}.deb`);
    return { kind: "file", path, mode: 0o644, mtimeNs: BigInt(i) * 1_000_000_000n, size: i + 1, content };
  });
  const refs = Array.from(cutChunks(entries), (chunk) => chunk.ref);
  expect(Buffer.from(encodeIndex(refs)).toString()).toBe(golden("index.jsonl").toString());
  expect(parseIndex(golden("index.jsonl"))).toEqual(refs);
  expect(refs.length).toBeGreaterThan(8);
});

test("the golden change list fits the golden chunk and is found again", () => {
  const list = parseChangeList(golden("change-list.jsonl"));
  expect(Buffer.from(encodeChangeList(list))).toEqual(golden("change-list.jsonl"));
  const before = parseChunk(golden("chunk.jsonl"));
  const after = [...applyChanges(before, list.changes)];
  expect(after.map((entry) => `${entry.path} ${entry.kind}`)).toEqual([
    "__proto__ directory",
    "__proto__/constructor file",
    "a directory",
    "a-b file",
    "a/link file",
    "a/new file",
    "a/x file",
    `${Buffer.from("grün/😀 %FF").toString("latin1")} file`,
    "gr\xfcn symlink",
  ]);
  expect(after[6]!.unknown).toEqual([["z", "changed"]]);
  expect([...diffEntries(before, after)]).toEqual(list.changes);
});

test("the golden content table, bundle list and release are read and written alike", () => {
  const table = [...ContentTable.parse(golden("content-table.bin"))];
  expect(table.map((row) => row.lengthBytes)).toEqual([6, 70_000]);
  expect(Buffer.from(encodeContentTable(table))).toEqual(golden("content-table.bin"));
  const [row] = parseBundleList(golden("bundle-list.jsonl"));
  expect(row).toMatchObject({ number: 1, name: "prsync-1", lengthBytes: 262_144, unknown: [["later", [{}]]] });
  expect(Buffer.from(encodeBundleList([row!]))).toEqual(golden("bundle-list.jsonl"));
  const release = parseRelease(golden("release.json"));
  expect(release).toMatchObject({ number: 2, previous: 1, swarmSize: 65_536, totals: { entries: 9, contents: 2 } });
  expect(Buffer.from(encodeRelease(release))).toEqual(golden("release.json"));
});

test("the golden info dictionary is read and written alike", () => {
  const info = parseInfoDictionary(golden("info.bencode"));
  expect(info.files.map((file) => file.path)).toEqual(["a/gr\xfcn", "pool/x_1%3a2.deb", "z%FF"]);
  expect(info.files.map((file) => file.lengthBytes)).toEqual([6, 70_000, 65_536]);
  expect(Buffer.from(buildInfoDictionary(info))).toEqual(golden("info.bencode"));
  expect(infoHashOf(golden("info.bencode"))).toBe(parseBundleList(golden("bundle-list.jsonl"))[0]!.infoHash);
});
