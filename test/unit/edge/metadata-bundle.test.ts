import { createHash, hash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { ContentId } from "../../../src/core/content-id.ts";
import { CentralClient } from "../../../src/edge/central-client.ts";
import { fetchRecords } from "../../../src/edge/content-record-source.ts";
import { MetadataBundle, type MetadataRange } from "../../../src/edge/metadata-bundle.ts";
import { ReleaseMetadata } from "../../../src/edge/release-metadata.ts";
import { encodeRecordsIndex } from "../../../src/manifest/content-records.ts";
import type { MetadataBundleRow } from "../../../src/manifest/metadata-bundle.ts";
import { buildInfoDictionary, infoHashOf } from "../../../src/manifest/torrent.ts";
import { HttpClient } from "../../../src/net/http-client.ts";
import { MetadataStore } from "../../../src/store/metadata-store.ts";
import { contentOf, pathOf, RecordingLog, releaseOf } from "./mirror-disk.ts";

const PIECE = 16_384;
const SIGNAL = new AbortController().signal;

/** A bundle of these files, and a mirror's store that has all of its pieces. */
class StoredBundle {
  readonly directory: string = mkdtempSync(join(tmpdir(), "prsync-stored-"));
  readonly store: MetadataStore;
  readonly row: MetadataBundleRow;
  readonly info: Uint8Array;

  constructor(files: Readonly<Record<string, Uint8Array>>) {
    onTestFinished(() => rmSync(this.directory, { recursive: true }));
    this.store = MetadataStore.open(this.directory);
    const pieces = Object.values(files).flatMap(piecesOf);
    this.info = buildInfoDictionary({
      name: "test",
      pieceLength: PIECE,
      files: Object.entries(files).map(([path, bytes]) => ({
        ...{ path: pathOf(path), content: contentOf(bytes), lengthBytes: bytes.length },
      })),
      pieceHashes: Buffer.concat(pieces.map((piece) => createHash("sha1").update(piece).digest())),
    });
    const infoHash = infoHashOf(this.info);
    this.row = { number: 1, infoHash, lengthBytes: pieces.length * PIECE, pieceLength: PIECE, release: 1 };
    this.write("info", this.info);
    this.write("pieces", Buffer.concat(pieces));
    this.write("held", Buffer.alloc(Math.ceil(pieces.length / 8), 0xff));
  }

  at(part: string): string {
    return join(this.directory, "metadata", `${this.row.infoHash}.${part}`);
  }

  write(part: string, bytes: Uint8Array): void {
    writeFileSync(this.at(part), bytes);
  }

  /** As a mirror has it that can reach nobody. */
  async open(): Promise<ReleaseMetadata> {
    const http = new HttpClient();
    const central = new CentralClient(http, "http://127.0.0.1:9");
    const swarm = (): never => {
      throw new Error("nothing is missing");
    };
    const meetPeers = async (): Promise<void> => undefined;
    const metadata = new ReleaseMetadata({ store: this.store, central, swarm, meetPeers, log: new RecordingLog() });
    onTestFinished(async () => {
      await metadata[Symbol.asyncDispose]();
      await http[Symbol.asyncDispose]();
    });
    await metadata.follow(releaseOf(1, [], { metadata: [this.row] }));
    return metadata;
  }
}

function piecesOf(bytes: Uint8Array): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / PIECE) }, (_, index) => {
    const piece = Buffer.alloc(PIECE);
    piece.set(bytes.subarray(index * PIECE, (index + 1) * PIECE));
    return piece;
  });
}

const RECORDS = new Map(Array.from({ length: 900 }, (_, i) => [contentOf(`content ${i}`), Buffer.alloc(50 + i, i)]));

function recordFile(change: (index: Buffer) => void = () => undefined): Buffer {
  const records = [...RECORDS].map(([content, bytes]) => ({ content, lengthBytes: bytes.length }));
  const index = Buffer.from(encodeRecordsIndex(records));
  change(index);
  return Buffer.concat([index, ...RECORDS.values()]);
}

async function recordsOf(stored: StoredBundle, wanted: readonly ContentId[]): Promise<Map<ContentId, Uint8Array>> {
  const metadata = await stored.open();
  const [bundle] = await metadata.known();
  const from = { bundle: bundle!, name: "signatures", signal: SIGNAL } as const;
  const found = await fetchRecords(metadata, from, new Set(wanted));
  const read = async (range: MetadataRange): Promise<Uint8Array> => (await bundle!.read(range))!;
  return new Map(await Promise.all([...found].map(async ([id, range]) => [id, await read(range)] as const)));
}

test("records are found whose index and bytes go over many pieces", async () => {
  const stored = new StoredBundle({ other: Buffer.from("other"), signatures: recordFile() });
  const ids = [...RECORDS.keys()];
  const wanted = [ids[0]!, ids[500]!, ids[899]!];
  const found = await recordsOf(stored, [...wanted, contentOf("has none")]);
  expect([...found.keys()]).toEqual(wanted);
  for (const id of wanted) expect(Buffer.from(found.get(id)!)).toEqual(RECORDS.get(id));
});

test.each<[string, (index: Buffer) => void]>([
  ["more records than there is room for", (index) => index.writeBigUInt64BE(10n ** 9n, 8)],
  ["a record that ends beyond the file", (index) => index.writeUInt32BE(0xffff_ffff, 48)],
  ["records that end before the file does", (index) => index.writeUInt32BE(1, 48)],
  ["another format", (index) => index.writeUInt32BE(7, 4)],
  ["a content twice", (index) => index.copy(index, 16 + 36, 16, 16 + 32)],
])("an index that lies is refused: %s", async (_name, change) => {
  const stored = new StoredBundle({ signatures: recordFile(change) });
  await expect(recordsOf(stored, [...RECORDS.keys()])).rejects.toMatchObject({ code: "bad-records" });
});

test("pieces whose bytes changed on disk are not held after a restart, the others are", async () => {
  const stored = new StoredBundle({ signatures: recordFile() });
  const bytes = readFileSync(stored.at("pieces"));
  bytes[PIECE + 5]! ^= 1;
  stored.write("pieces", bytes.subarray(0, bytes.length - PIECE));
  const [bundle] = await (await stored.open()).known();
  const { pieceCount } = bundle!.layout;
  const expected = Array.from({ length: pieceCount - 1 }, (_, piece) => piece).filter((piece) => piece !== 1);
  expect([...bundle!.held]).toEqual(expected);
  expect(await bundle!.readBlock(1, 0, 10)).toBeUndefined();
  expect(await bundle!.read({ ordinal: 0, start: 0, end: PIECE + 1 })).toBeUndefined();
});

test("a damaged note of what is held, or a damaged dictionary, costs what was kept and nothing else", async () => {
  const stored = new StoredBundle({ signatures: recordFile() });
  stored.write("held", Buffer.from([0xff]));
  const [bundle] = await (await stored.open()).known();
  expect(bundle!.held.count).toBe(0);
  stored.write("info", stored.info.subarray(0, -1));
  expect(await (await stored.open()).known()).toEqual([]);
});

test("a dictionary that is not what the release says is refused", async () => {
  const stored = new StoredBundle({ signatures: recordFile() });
  const load = (change: Partial<MetadataBundleRow>): Promise<unknown> =>
    MetadataBundle.load({ ...stored.row, ...change }, stored.info, stored.store);
  const other = hash("sha1", "another", "hex");
  await expect(load({ infoHash: other })).rejects.toMatchObject({ code: "wrong-bytes" });
  await expect(load({ lengthBytes: stored.row.lengthBytes + PIECE })).rejects.toMatchObject({ code: "wrong-bytes" });
  await expect(load({ pieceLength: 2 * PIECE })).rejects.toMatchObject({ code: "wrong-bytes" });
});

test("what no release lists any more is removed, with its notes", async () => {
  const stored = new StoredBundle({ signatures: recordFile() });
  const other = new StoredBundle({ signatures: Buffer.from("other") });
  await stored.store.putInfo(other.row.infoHash, other.info);
  await stored.open();
  expect(readdirSync(join(stored.directory, "metadata")).sort()).toEqual(
    ["held", "info", "pieces"].map((part) => `${stored.row.infoHash}.${part}`),
  );
});
