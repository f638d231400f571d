import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { repoPathFromText } from "../../../src/core/repo-path.ts";
import {
  metadataPieceLength,
  objectFilePath,
  objectOfFilePath,
  type MetadataBundleRow,
} from "../../../src/manifest/metadata-bundle.ts";
import { encodeRelease, parseRelease, type Release } from "../../../src/manifest/release.ts";
import { codeOf } from "./arbitrary-entry.ts";

const text = readFileSync(new URL("../../../fixtures/manifest/release.json", import.meta.url), "utf8");
const golden = parseRelease(Buffer.from(text));
const row: MetadataBundleRow = {
  number: 9,
  infoHash: "ab".repeat(20),
  lengthBytes: 3 * 16_384,
  pieceLength: 16_384,
  release: golden.number,
};

test("a release without metadata bundles and one with three survive", () => {
  expect(golden.metadata).toEqual([]);
  const metadata = [3, 2, 1].map((release) => ({ ...row, release, number: release }));
  const release: Release = { ...golden, number: 3, previous: 2, changes: [], metadata };
  expect(parseRelease(encodeRelease(release))).toEqual(release);
  const unknown: Release = { ...golden, metadata: [{ ...row, unknown: [["future", 1]] }] };
  expect(parseRelease(encodeRelease(unknown))).toEqual(unknown);
});

test.each<[string, readonly object[]]>([
  ["four", [4, 3, 2, 1].map((release) => ({ ...row, release }))],
  ["one of a later release", [{ ...row, release: golden.number + 1 }]],
  ["two of one release", [row, { ...row, number: 8 }]],
  ["an upper-case info hash", [{ ...row, infoHash: "AB".repeat(20) }]],
  ["a length that is no whole number of pieces", [{ ...row, lengthBytes: 16_385 }]],
  ["a piece length that is no power of two", [{ ...row, pieceLength: 16_383, lengthBytes: 16_383 }]],
  ["no length", [{ ...row, lengthBytes: 0 }]],
  ["number 0", [{ ...row, number: 0 }]],
])("%s is refused", (_name, metadata) => {
  const change = { number: Math.max(4, golden.number), previous: undefined, changes: [] };
  const release = { ...golden, ...(metadata.length === 4 ? change : {}), metadata } as Release;
  expect(codeOf(() => parseRelease(encodeRelease(release)))).toBe("bad-release");
});

test("an object's path tells its hash and no other path does", () => {
  const sha256 = "0f".repeat(32);
  expect(objectOfFilePath(objectFilePath(sha256))).toBe(sha256);
  expect(objectOfFilePath(repoPathFromText("signatures"))).toBeUndefined();
  expect(objectOfFilePath(repoPathFromText(`objects/${sha256}/x`))).toBeUndefined();
  expect(objectOfFilePath(repoPathFromText("objects/..0f"))).toBeUndefined();
});

test("pieces have 16 KiB until their hashes would fill the info dictionary", () => {
  expect(metadataPieceLength([1, 100_000])).toBe(16_384);
  expect(metadataPieceLength([400_000 * 16_384])).toBe(16_384);
  expect(metadataPieceLength([400_000 * 16_384, 1])).toBe(32_768);
});
