import { hash } from "node:crypto";
import { expect, test } from "vitest";
import { pieceHashOf, StagedTransfer, type ArrivedPiece } from "../../../src/edge/staged-transfer.ts";
import { randomBytesOf } from "../../support/sample-tree.ts";
import { contentOf, MirrorDisk } from "./mirror-disk.ts";

const PIECE = 16_384;
const BYTES = randomBytesOf(7, 100_000);

/** Content over real staged bytes. */
function transferOf(bytes: Uint8Array = BYTES): StagedTransfer {
  const disk = new MirrorDisk();
  return new StagedTransfer(contentOf(bytes), disk.staging.stage(contentOf(bytes), bytes.length));
}

/** A piece as it comes from peers, in memory of its own. @param given offset and length of what came; the rest was there */
function pieceAt(
  bytes: Uint8Array,
  start: number,
  given?: { readonly from: number; readonly to: number },
): ArrivedPiece {
  const whole = bytes.subarray(start, start + PIECE);
  const { from, to } = given ?? { from: start, to: start + whole.length };
  const received = from === to ? [] : [{ offset: from, bytes: new Uint8Array(bytes.subarray(from, to)) }];
  const digest = pieceHashOf(whole, PIECE).toString("hex");
  return { start, lengthBytes: whole.length, received, expected: { algorithm: "sha1", digest, paddedLength: PIECE } };
}

function startsOf(bytes: Uint8Array): number[] {
  return Array.from({ length: Math.ceil(bytes.length / PIECE) }, (_, index) => index * PIECE);
}

test("pieces in any order make up exactly the content", async () => {
  const transfer = transferOf();
  for (const start of startsOf(BYTES).reverse()) expect(await transfer.takePiece(pieceAt(BYTES, start))).toBe(true);
  expect([await transfer.isExact(), transfer.verified.covers(0, BYTES.length)]).toEqual([true, true]);
  expect(Buffer.from(await transfer.bytes.read(0, BYTES.length)).equals(BYTES)).toBe(true);
});

test("a content is whole soon after its last piece, unasked, and no longer once a piece of it is found wrong", async () => {
  const transfer = transferOf();
  const [first = 0, ...others] = startsOf(BYTES).reverse();
  for (const start of others) await transfer.takePiece(pieceAt(BYTES, start));
  expect(transfer.isWhole).toBe(false);
  await transfer.takePiece(pieceAt(BYTES, first));
  await expect.poll(() => transfer.isWhole).toBe(true);
  transfer.discard(0, PIECE);
  expect(transfer.isWhole).toBe(false);
});

test("nothing is kept of the SHA-256 of contents that came, or that come no more, on the spot or on other threads", async () => {
  const disk = new MirrorDisk();
  const stage = (bytes: Uint8Array): StagedTransfer =>
    new StagedTransfer(contentOf(bytes), disk.staging.stage(contentOf(bytes), bytes.length));
  for (const bytes of [BYTES, randomBytesOf(9, 9_000_001), randomBytesOf(10, 3_000_000)]) {
    const transfer = stage(bytes);
    for (const start of startsOf(bytes)) await transfer.takePiece(pieceAt(bytes, start));
    expect(await transfer.isExact()).toBe(true);
    // Bytes that are there already are hashed at the end.
    const again = stage(bytes);
    again.present.add(0, bytes.length);
    expect(await again.isExact()).toBe(true);
  }
  expect(disk.staging.prefixCount).toBe(0);
  const given = randomBytesOf(11, 3_000_000);
  const transfer = stage(given);
  for (const start of startsOf(given).slice(1, 100)) await transfer.takePiece(pieceAt(given, start));
  await transfer.takePiece(pieceAt(given, 0));
  expect(disk.staging.prefixCount).toBe(1);
  transfer.end();
  await expect.poll(() => disk.staging.prefixCount).toBe(0);
});

test("right pieces of a wrong content never make it whole", async () => {
  const disk = new MirrorDisk();
  const transfer = new StagedTransfer(contentOf("another"), disk.staging.stage(contentOf("another"), BYTES.length));
  for (const start of startsOf(BYTES)) expect(await transfer.takePiece(pieceAt(BYTES, start))).toBe(true);
  expect([await transfer.isExact(), transfer.isWhole]).toEqual([false, false]);
});

test("a large content that is checked on other threads, pieces at the same time, is exact and on disk", async () => {
  const large = randomBytesOf(8, 9_000_001);
  const transfer = transferOf(large);
  const starts = startsOf(large);
  const outcomes = await Promise.all(starts.map((start) => transfer.takePiece(pieceAt(large, start))));
  expect(new Set(outcomes)).toEqual(new Set([true]));
  expect(await transfer.isExact()).toBe(true);
  const read = await transfer.bytes.read(0, large.length);
  expect(Buffer.from(read).equals(large)).toBe(true);
});

/** The same in memory that all threads see. */
function sharedPieceAt(bytes: Uint8Array, start: number): ArrivedPiece {
  const piece = pieceAt(bytes, start);
  const memory = new Uint8Array(new SharedArrayBuffer(3 * PIECE), PIECE, piece.lengthBytes);
  memory.set(piece.received[0]!.bytes);
  return { ...piece, received: [{ offset: start, bytes: memory }] };
}

const ORDERS: readonly (readonly [string, (index: number, count: number) => number])[] = [
  ["in order", (index) => index],
  ["backwards", (index, count) => count - 1 - index],
  ["every third first", (index, count) => ((index * 3) % count) + Math.floor((index * 3) / count)],
];

test.each(ORDERS)(
  "pieces in shared memory, %s, wrong ones among them, make up exactly the content",
  async (_, order) => {
    // A multiple of three pieces, so that every third is a permutation.
    const large = randomBytesOf(11, 600 * PIECE - 7);
    const transfer = transferOf(large);
    const starts = startsOf(large).map((_start, index, all) => order(index, all.length) * PIECE);
    expect(new Set(starts).size).toBe(600);
    const isWrong = (index: number): boolean => index % 50 === 7;
    const wrong = (start: number): ArrivedPiece => ({
      ...sharedPieceAt(large, start),
      received: [{ offset: start, bytes: new Uint8Array(new SharedArrayBuffer(pieceAt(large, start).lengthBytes)) }],
    });
    const pieces = starts.map((start, index) => (isWrong(index) ? wrong(start) : sharedPieceAt(large, start)));
    const outcomes = await Promise.all(pieces.map((piece) => transfer.takePiece(piece)));
    expect(outcomes).toEqual(starts.map((_start, index) => !isWrong(index)));
    const again = starts.filter((_start, index) => isWrong(index));
    for (const start of again) expect(await transfer.takePiece(sharedPieceAt(large, start))).toBe(true);
    expect(await transfer.isExact()).toBe(true);
    expect(Buffer.from(await transfer.bytes.read(0, large.length)).equals(large)).toBe(true);
  },
);

test("bytes that are written over pieces which the SHA-256 has seen are seen by it", async () => {
  const large = randomBytesOf(12, 320 * PIECE);
  const transfer = transferOf(large);
  for (const start of startsOf(large)) await transfer.takePiece(sharedPieceAt(large, start));
  await transfer.write(5, Buffer.of(large[5]! ^ 1));
  expect(await transfer.isExact()).toBe(false);
  await transfer.write(5, large.subarray(5, 6));
  expect(await transfer.isExact()).toBe(true);
});

test("a content that begins anew is judged by what came then", async () => {
  const large = randomBytesOf(13, 320 * PIECE);
  const other = randomBytesOf(14, 320 * PIECE);
  const transfer = transferOf(large);
  for (const start of startsOf(large)) await transfer.takePiece(sharedPieceAt(other, start));
  expect(await transfer.isExact()).toBe(false);
  await transfer.restart();
  await Promise.all(startsOf(large).map((start) => transfer.takePiece(sharedPieceAt(large, start))));
  expect(await transfer.isExact()).toBe(true);
});

test("wrong pieces are found on other threads too, and are not written", async () => {
  const large = randomBytesOf(9, 9_000_001);
  const transfer = transferOf(large);
  const starts = startsOf(large);
  const wrong = (start: number): ArrivedPiece => ({ ...pieceAt(large, start), received: pieceAt(large, 0).received });
  const pieces = starts.map((start, index) => (index % 3 === 2 ? wrong(start) : pieceAt(large, start)));
  const outcomes = await Promise.all(pieces.map((piece) => transfer.takePiece(piece)));
  expect(outcomes).toEqual(starts.map((_, index) => index % 3 !== 2));
  expect(transfer.present.covers(2 * PIECE, 2 * PIECE + 1)).toBe(false);
  expect(Buffer.from(await transfer.bytes.read(2 * PIECE, PIECE)).equals(Buffer.alloc(PIECE))).toBe(true);
  for (const [index, start] of starts.entries()) {
    if (index % 3 === 2) expect(await transfer.takePiece(pieceAt(large, start))).toBe(true);
  }
  expect(await transfer.isExact()).toBe(true);
});

test("a piece that this host had parts of is checked as it is on disk", async () => {
  const transfer = transferOf();
  await transfer.write(0, BYTES.subarray(0, 1_000));
  expect(await transfer.takePiece(pieceAt(BYTES, 0, { from: 1_000, to: PIECE }))).toBe(true);
  await transfer.write(PIECE, Buffer.alloc(1_000, 0xee));
  expect(await transfer.takePiece(pieceAt(BYTES, PIECE, { from: PIECE + 1_000, to: 2 * PIECE }))).toBe(false);
  expect([...transfer.present.missingIn(0, 2 * PIECE)]).toEqual([{ start: PIECE, end: 2 * PIECE }]);
});

test("a content of one piece is proved by its SHA-256 when the piece is", async () => {
  const small = randomBytesOf(10, 500);
  const transfer = transferOf(small);
  const expected = { algorithm: "sha256", digest: hash("sha256", small, "hex"), paddedLength: 500 } as const;
  const piece = (bytes: Uint8Array): ArrivedPiece => ({
    start: 0,
    lengthBytes: 500,
    received: [{ offset: 0, bytes: new Uint8Array(bytes) }],
    expected,
  });
  expect(await transfer.takePiece(piece(Buffer.alloc(500)))).toBe(false);
  expect(await transfer.takePiece(piece(small))).toBe(true);
  expect(await transfer.isExact()).toBe(true);
  await transfer.write(0, Buffer.alloc(1));
  expect(await transfer.isExact()).toBe(false);
});

test("bytes that are not the content are found, and a restart forgets all of them", async () => {
  const transfer = transferOf();
  await transfer.write(0, Buffer.alloc(BYTES.length));
  transfer.markVerified(0, BYTES.length);
  expect(await transfer.isExact()).toBe(false);
  await transfer.restart();
  expect([transfer.present.totalBytes, transfer.verified.totalBytes]).toEqual([0, 0]);
  await transfer.write(0, BYTES);
  expect(await transfer.isExact()).toBe(true);
});

test("a discarded piece is neither present nor verified, its neighbours stay", async () => {
  const transfer = transferOf();
  await transfer.write(0, BYTES);
  transfer.markVerified(0, BYTES.length);
  transfer.discard(16_384, 32_768);
  expect([...transfer.present.missingIn(0, BYTES.length)]).toEqual([{ start: 16_384, end: 32_768 }]);
  expect(transfer.verified.covers(32_768, BYTES.length)).toBe(true);
});

test("a disk that can't be written to is told with its code", async () => {
  const transfer = transferOf(randomBytesOf(11, 9_000_001));
  await transfer.write(0, BYTES);
  await expect(transfer.bytes.takePiece({ ...pieceAt(BYTES, 0), start: 9_000_000 })).rejects.toThrow(RangeError);
});
