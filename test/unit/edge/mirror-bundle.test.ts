import { expect, test } from "vitest";
import { Bitfield } from "../../../src/core/bitfield.ts";
import { BundleLayout } from "../../../src/core/bundle-layout.ts";
import type { ContentId } from "../../../src/core/content-id.ts";
import { SyncError } from "../../../src/edge/errors.ts";
import { MirrorBundle } from "../../../src/edge/mirror-bundle.ts";
import { pieceHashOf, StagedTransfer } from "../../../src/edge/staged-transfer.ts";
import { ContentTable, encodeContentTable } from "../../../src/manifest/content-table.ts";
import { PieceMemories } from "../../../src/store/piece-memory.ts";
import { buildInfoDictionary } from "../../../src/manifest/torrent.ts";
import { randomBytesOf } from "../../support/sample-tree.ts";
import { bundleRow, contentOf, MirrorDisk, pathOf } from "./mirror-disk.ts";

const PIECE = 16_384;
const LARGE = randomBytesOf(1, 40_000);
const SMALL = randomBytesOf(2, 100);
const CONTENTS = [LARGE, SMALL].map((bytes) => ({ content: contentOf(bytes), lengthBytes: bytes.length }));
const PIECES = [LARGE.subarray(0, PIECE), LARGE.subarray(PIECE, 2 * PIECE), LARGE.subarray(2 * PIECE), SMALL];

function infoOf(pieces: readonly Uint8Array[], contents = CONTENTS): Uint8Array {
  return buildInfoDictionary({
    name: "bundle-1",
    pieceLength: PIECE,
    files: contents.map((content, i) => ({ ...content, path: pathOf(`file ${i}`) })),
    pieceHashes: Buffer.concat(pieces.map((piece) => pieceHashOf(piece, PIECE))),
  });
}

interface Opened {
  readonly bundle: MirrorBundle;
  readonly transfers: Map<ContentId, StagedTransfer>;
  readonly fromFiles: string[];
  readonly memories: PieceMemories;
}

/** A bundle whose contents are all on their way. */
function open(contents = CONTENTS, pieceLength: number = PIECE, memories: PieceMemories = new PieceMemories()): Opened {
  const disk = new MirrorDisk();
  const staged = contents.map(({ content, lengthBytes }) => disk.staging.stage(content, lengthBytes));
  const transfers = new Map(staged.map((bytes) => [bytes.content, new StagedTransfer(bytes.content, bytes)]));
  const lengths = contents.map(({ lengthBytes }) => lengthBytes);
  const layout = new BundleLayout(lengths, pieceLength);
  const fromFiles: string[] = [];
  const bundle = new MirrorBundle(bundleRow(1, contents, { pieceLength }), {
    layout,
    contents: ContentTable.parse(encodeContentTable(contents)),
    held: new Bitfield(layout.pieceCount),
    files: {
      read: async (content, offset, length) => {
        fromFiles.push(content);
        return Buffer.alloc(length, offset);
      },
    },
    transfers,
    memories,
    infoDictionary: async () => undefined,
  });
  return { bundle, transfers, fromFiles, memories };
}

/** Two blocks that come through memory which serves for something else afterwards. */
async function receive(bundle: MirrorBundle, piece: number, bytes: Uint8Array): Promise<"verified" | "mismatch"> {
  const half = bytes.length >> 1;
  for (const [start, end] of [
    [half, bytes.length],
    [0, half],
  ] as const) {
    const block = Buffer.from(bytes.subarray(start, end));
    const pending = bundle.writeBlock(piece, start, block);
    block.fill(0xee);
    await pending;
  }
  return await bundle.completePiece(piece);
}

test("pieces that arrive in any order make up exactly the content", async () => {
  const { bundle, transfers } = open();
  bundle.usePieceHashes(infoOf(PIECES));
  for (const piece of [2, 0, 3, 1]) expect(await receive(bundle, piece, PIECES[piece]!)).toBe("verified");
  for (const transfer of transfers.values()) expect(await transfer.isExact()).toBe(true);
});

test("a small content that comes in one block is kept, whatever becomes of the memory it came in", async () => {
  const { bundle } = open();
  const block = Buffer.from(SMALL);
  const pending = bundle.writeBlock(3, 0, block);
  block.fill(0xee);
  await pending;
  expect(await bundle.completePiece(3)).toBe("verified");
});

test("small contents that come in one block share memory one after the other, never at a time", async () => {
  const blocks = Array.from({ length: 40 }, (_, index) => randomBytesOf(index, 200 * index + 1));
  const { bundle, transfers } = open(blocks.map((block) => ({ content: contentOf(block), lengthBytes: block.length })));
  const takeAll = async (spoiled: (block: Uint8Array) => Uint8Array): Promise<string[]> => {
    for (const [piece, block] of blocks.entries()) void bundle.writeBlock(piece, 0, spoiled(block));
    return await Promise.all(blocks.map(async (_, piece) => await bundle.completePiece(piece)));
  };
  expect(new Set(await takeAll((block) => block.map((byte) => byte ^ 1)))).toEqual(new Set(["mismatch"]));
  expect(new Set(await takeAll((block) => block))).toEqual(new Set(["verified"]));
  for (const block of blocks) {
    const { bytes } = transfers.get(contentOf(block))!;
    expect(Buffer.from(await bytes.read(0, block.length)).equals(block)).toBe(true);
  }
});

test("memory of pieces that are done serves for the next ones, several at a time", async () => {
  const { bundle, transfers } = open();
  bundle.usePieceHashes(infoOf(PIECES));
  const all = async (): Promise<string[]> =>
    await Promise.all([0, 1, 2].map(async (piece) => await receive(bundle, piece, PIECES[piece]!)));
  expect(await all()).toEqual(["verified", "verified", "verified"]);
  await receive(bundle, 0, Buffer.alloc(PIECE, 1));
  expect(await all()).toEqual(["verified", "verified", "verified"]);
  const transfer = transfers.get(CONTENTS[0]!.content)!;
  expect(await transfer.isExact()).toBe(true);
  expect(Buffer.from(await transfer.bytes.read(0, LARGE.length)).equals(LARGE)).toBe(true);
});

test("a wrong piece is a mismatch, all of it is missing again and nothing of it is given to others", async () => {
  const { bundle, transfers, fromFiles } = open();
  bundle.usePieceHashes(infoOf(PIECES));
  expect(await receive(bundle, 1, Buffer.alloc(PIECE))).toBe("mismatch");
  const transfer = transfers.get(CONTENTS[0]!.content)!;
  expect([transfer.present.totalBytes, transfer.verified.totalBytes]).toEqual([0, 0]);
  await bundle.readBlock(1, 0, 10);
  expect(fromFiles).toEqual([CONTENTS[0]!.content]);
  expect(await receive(bundle, 1, PIECES[1]!)).toBe("verified");
});

test("wrong bytes of this host in a piece are found and fetched again", async () => {
  const { bundle, transfers } = open();
  bundle.usePieceHashes(infoOf(PIECES));
  const transfer = transfers.get(CONTENTS[0]!.content)!;
  await transfer.write(0, Buffer.alloc(1_000, 0xee));
  await bundle.writeBlock(0, 1_000, PIECES[0]!.subarray(1_000));
  expect(await bundle.completePiece(0)).toBe("mismatch");
  expect([...transfer.present.missingIn(0, PIECE)]).toEqual([{ start: 0, end: PIECE }]);
});

test("a content of one piece is checked by its SHA-256, without any piece hash", async () => {
  const { bundle } = open();
  expect(await receive(bundle, 3, Buffer.alloc(SMALL.length))).toBe("mismatch");
  expect(await receive(bundle, 3, SMALL)).toBe("verified");
});

test("verified bytes on their way are given to others, the rest comes from files", async () => {
  const { bundle, fromFiles } = open();
  bundle.usePieceHashes(infoOf(PIECES));
  await receive(bundle, 1, PIECES[1]!);
  expect(Buffer.from((await bundle.readBlock(1, 100, 200))!)).toEqual(PIECES[1]!.subarray(100, 300));
  expect(fromFiles).toEqual([]);
  await bundle.readBlock(0, 100, 200);
  expect(fromFiles).toEqual([CONTENTS[0]!.content]);
});

test("once a content was placed, its file is read", async () => {
  const { bundle, fromFiles, transfers } = open();
  await receive(bundle, 3, SMALL);
  const disk = new MirrorDisk();
  const gone = disk.staging.stage(contentOf(SMALL), SMALL.length);
  disk.staging.discard(contentOf(SMALL));
  const placed = new StagedTransfer(contentOf(SMALL), gone);
  placed.markVerified(0, SMALL.length);
  transfers.set(contentOf(SMALL), placed);
  expect(await bundle.readBlock(3, 0, 10)).toHaveLength(10);
  expect(fromFiles).toEqual([contentOf(SMALL)]);
});

test("memory of pieces that came or were given up serves the next, also of other bundles", async () => {
  const { bundle, memories } = open();
  bundle.usePieceHashes(infoOf(PIECES));
  const slot = memories.of(PIECE).take(PIECE);
  memories.of(PIECE).giveBack(slot);
  expect(await receive(bundle, 0, PIECES[0]!)).toBe("verified");
  await bundle.writeBlock(1, 0, Buffer.alloc(100));
  await bundle.writeBlock(3, 0, SMALL);
  bundle.dropUnfinished();
  const again = memories.of(PIECE).take(PIECE);
  expect([again.buffer === slot.buffer, again.byteOffset]).toEqual([true, slot.byteOffset]);
  const small = memories.of(1024).take(SMALL.length);
  expect(Buffer.from(small).equals(SMALL)).toBe(true);
  memories.letGo();
  expect(memories.of(PIECE).take(PIECE).buffer === slot.buffer).toBe(false);
});

test("what is being checked while memory is let go makes none anew", async () => {
  const { bundle, memories, transfers } = open();
  const { content, lengthBytes } = CONTENTS[1]!;
  const answer = Promise.withResolvers<boolean>();
  const never = (): never => expect.unreachable();
  const slow = { write: never, read: never, hashPrefix: never, prefixDigest: never, forgetPrefix: never };
  transfers.set(content, new StagedTransfer(content, { ...slow, lengthBytes, takePiece: () => answer.promise }));
  await bundle.writeBlock(3, 0, SMALL);
  const checked = bundle.completePiece(3);
  memories.letGo();
  answer.resolve(true);
  expect(await checked).toBe("verified");
  expect(Buffer.from(memories.of(1024).take(SMALL.length)).equals(SMALL)).toBe(false);
});

test("an info dictionary of other geometry is refused", () => {
  const { bundle } = open();
  expect(() => bundle.usePieceHashes(infoOf(PIECES.slice(0, 3), CONTENTS.slice(0, 1)))).toThrow(SyncError);
  expect(bundle.hasPieceHashes).toBe(false);
});

test("pieces that are whole before the hashes came wait for them; contents of one piece do not", async () => {
  const { bundle } = open();
  const info = Promise.withResolvers<Uint8Array>();
  const known = bundle.awaitPieceHashes(info.promise);
  const done: number[] = [];
  const outcomes = [0, 1, 2, 3].map(async (piece) => {
    const outcome = await receive(bundle, piece, piece === 1 ? Buffer.alloc(PIECE, 0xee) : PIECES[piece]!);
    done.push(piece);
    return outcome;
  });
  expect(await outcomes[3]).toBe("verified");
  expect(done).toEqual([3]);
  info.resolve(infoOf(PIECES));
  await known;
  expect(await Promise.all(outcomes)).toEqual(["verified", "mismatch", "verified", "verified"]);
});

test("pieces that wait for hashes hold the peers back, and fail as the hashes fail", async () => {
  const count = 300;
  const large = randomBytesOf(3, count * 65_536);
  const { bundle } = open([{ content: contentOf(large), lengthBytes: large.length }], 65_536);
  const info = Promise.withResolvers<Uint8Array>();
  void bundle.awaitPieceHashes(info.promise).catch(() => undefined);
  const outcomes: Promise<unknown>[] = [];
  let isHeldBack = false;
  for (let piece = 0; piece < count && !isHeldBack; piece++) {
    const pending = bundle.writeBlock(piece, 0, large.subarray(piece * 65_536, (piece + 1) * 65_536));
    isHeldBack = pending !== undefined;
    outcomes.push(bundle.completePiece(piece).catch((error: unknown) => error));
  }
  expect(isHeldBack).toBe(true);
  const failure = new SyncError("content-unavailable", "central has no such dictionary");
  info.reject(failure);
  expect(new Set(await Promise.all(outcomes))).toEqual(new Set([failure]));
});

test("a piece that waited for its hash is of no use once its download has ended, its memory is", async () => {
  const { bundle, transfers, memories } = open();
  const info = Promise.withResolvers<Uint8Array>();
  const known = bundle.awaitPieceHashes(info.promise);
  const wrong = receive(bundle, 0, Buffer.alloc(PIECE, 0xee)).catch((error: unknown) => error);
  await new Promise((resolve) => setImmediate(resolve));
  bundle.dropUnfinished();
  // It comes another way meanwhile.
  await transfers.get(CONTENTS[0]!.content)!.write(0, PIECES[0]!);
  info.resolve(infoOf(PIECES));
  await known;
  expect(await wrong).toMatchObject({ code: "stopping" });
  expect(memories.unprovedBytes).toBe(0);
  expect(memories.of(PIECE).take(PIECE).subarray(0, 2).toString()).toBe("238,238");
  expect(await bundle.completePiece(0)).toBe("verified");
});

test("what waits for hashes in one bundle holds back another that waits for its own, until those come", async () => {
  const pieceLength = 65_536;
  const large = randomBytesOf(3, 300 * pieceLength);
  const contents = [{ content: contentOf(large), lengthBytes: large.length }];
  const full = open(contents, pieceLength);
  void full.bundle.awaitPieceHashes(new Promise(() => undefined));
  for (let piece = 0; piece < 257; piece++) {
    void full.bundle.writeBlock(piece, 0, large.subarray(piece * pieceLength, (piece + 1) * pieceLength));
    void full.bundle.completePiece(piece);
  }
  const { bundle } = open(CONTENTS, PIECE, full.memories);
  // Nothing would let it go on.
  expect(bundle.writeBlock(3, 0, SMALL)).toBeUndefined();
  const info = Promise.withResolvers<Uint8Array>();
  void bundle.awaitPieceHashes(info.promise);
  const pending = bundle.writeBlock(0, 0, PIECES[0]!);
  expect(pending).toBeInstanceOf(Promise);
  info.resolve(infoOf(PIECES));
  await pending;
  expect(bundle.writeBlock(1, 0, PIECES[1]!)).toBeUndefined();
});

test("blocks of an ended download do not come over bytes that came another way", async () => {
  const { bundle, transfers } = open();
  bundle.usePieceHashes(infoOf(PIECES));
  await bundle.writeBlock(0, 0, Buffer.alloc(100, 0xee));
  bundle.dropUnfinished();
  await transfers.get(CONTENTS[0]!.content)!.write(0, PIECES[0]!);
  expect(await bundle.completePiece(0)).toBe("verified");
});

test("bytes for a content that is no longer on its way are refused, not kept", async () => {
  const { bundle, transfers } = open();
  transfers.clear();
  await expect(receive(bundle, 3, SMALL)).rejects.toThrow(/not being transferred/);
});
