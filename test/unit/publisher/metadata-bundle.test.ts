import { createHash, hash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseContentId } from "../../../src/core/content-id.ts";
import { findRecords, recordsIndexLength } from "../../../src/manifest/content-records.ts";
import { objectOfFilePath } from "../../../src/manifest/metadata-bundle.ts";
import { infoHashOf, parseInfoDictionary, type BundleInfo } from "../../../src/manifest/torrent.ts";
import { PublishFixture } from "./published-fixture.ts";

const sha256 = (bytes: Uint8Array): string => hash("sha256", bytes, "hex");

/** The files of a metadata bundle as they lie in the work directory, by path in the bundle. */
function filesOf(fixture: PublishFixture, infoHash: string): { info: BundleInfo; files: Map<string, Buffer> } {
  const work = fixture.options.workDirectory;
  const bytes = fs.readFileSync(join(work, "torrents", infoHash.slice(0, 2), infoHash));
  expect(infoHashOf(bytes)).toBe(infoHash);
  const info = parseInfoDictionary(bytes);
  const files = new Map<string, Buffer>();
  for (const { path, content } of info.files) {
    const name = objectOfFilePath(path) ?? content;
    const folder = name === content ? "metadata" : "objects";
    files.set(path, fs.readFileSync(join(work, folder, name.slice(0, 2), name)));
  }
  return { info, files };
}

function writeTree(tree: string, files: Readonly<Record<string, Buffer>>): void {
  for (const [name, bytes] of Object.entries(files)) fs.writeFileSync(join(tree, name), bytes);
}

const LARGE = Buffer.alloc(100_000, "large");
const OTHER = Buffer.alloc(50_000, "other");

test("a release's bundle has all its objects and the signatures of its contents, with right hashes", async () => {
  using fixture = new PublishFixture();
  writeTree(fixture.tree, { large: LARGE, other: OTHER, small: Buffer.from("small") });
  await fixture.publish();
  using tree = await fixture.open();
  const { index, bundles, metadata } = tree.release!;
  expect(metadata).toHaveLength(1);
  const { info, files } = filesOf(fixture, metadata[0]!.infoHash);
  expect(metadata[0]).toMatchObject({
    release: 1,
    pieceLength: 16_384,
    lengthBytes: (info.pieceHashes.length / 20) * 16_384,
  });
  expect(files.has(`objects/${index.sha256}`) && files.has(`objects/${bundles.sha256}`)).toBe(true);
  const pieces: string[] = [];
  for (const { path, content, lengthBytes } of info.files) {
    const bytes = files.get(path)!;
    expect([path, sha256(bytes), bytes.length]).toEqual([path, content, lengthBytes]);
    for (let start = 0; start < bytes.length; start += 16_384) {
      const piece = Buffer.alloc(16_384);
      bytes.copy(piece, 0, start);
      pieces.push(createHash("sha1").update(piece).digest("hex"));
    }
  }
  expect(Buffer.from(info.pieceHashes).toString("hex")).toBe(pieces.join(""));
  const signatures = files.get("signatures")!;
  const wanted = [LARGE, OTHER, Buffer.from("small")].map((bytes) => parseContentId(sha256(bytes)));
  const head = signatures.subarray(0, recordsIndexLength(signatures, signatures.length));
  const found = findRecords(head, signatures.length, new Set(wanted));
  expect(found.size).toBe(2);
  for (const [content, { start, end }] of found) {
    expect(signatures.subarray(start, end).equals((await tree.signature(content))!)).toBe(true);
  }
});

test("later bundles have what is new only; three are listed, the fourth is gone with its files", async () => {
  using fixture = new PublishFixture();
  writeTree(fixture.tree, { large: LARGE, small: Buffer.from("small") });
  await fixture.publish();
  const infoHashes: string[] = [];
  for (const round of ["a", "b", "c", "d"]) {
    writeTree(fixture.tree, { small: Buffer.from(round) });
    await fixture.publish();
    using tree = await fixture.open();
    const [own] = tree.release!.metadata;
    const { files } = filesOf(fixture, own!.infoHash);
    expect(files.has("signatures")).toBe(false);
    expect(files.has(`objects/${tree.release!.changes[0]!.sha256}`)).toBe(true);
    infoHashes.unshift(own!.infoHash);
  }
  using tree = await fixture.open();
  expect(tree.release!.metadata.map(({ infoHash, release }) => [infoHash, release])).toEqual([
    [infoHashes[0], 5],
    [infoHashes[1], 4],
    [infoHashes[2], 3],
  ]);
  expect(new Set(tree.release!.metadata.map(({ number }) => number)).size).toBe(3);
  for (const { infoHash } of tree.release!.metadata) filesOf(fixture, infoHash);
  expect(() => filesOf(fixture, infoHashes[3]!)).toThrow("ENOENT");
});
