import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { pieceHashOf, StagedTransfer, type StagedBytes } from "../../../src/edge/staged-transfer.ts";
import { randomBytesOf } from "../../support/sample-tree.ts";
import { contentOf, MirrorDisk } from "./mirror-disk.ts";

const BYTES = randomBytesOf(7, 100_000);

/** Real staged bytes that count what is read back. */
function transferOf(bytes: Uint8Array = BYTES): { transfer: StagedTransfer; reads: number[]; staged: StagedBytes } {
  const disk = new MirrorDisk();
  const content = contentOf(bytes);
  const staged = disk.staging.stage(content, bytes.length);
  const reads: number[] = [];
  const counting: StagedBytes = {
    lengthBytes: bytes.length,
    write: (offset, part) => staged.write(offset, part),
    read: (offset, length) => {
      reads.push(length);
      return staged.read(offset, length);
    },
  };
  return { transfer: new StagedTransfer(content, counting), reads, staged };
}

test("what was verified in order is not read again for the SHA-256", async () => {
  const { transfer, reads } = transferOf();
  for (let start = 0; start < BYTES.length; start += 16_384) {
    const piece = BYTES.subarray(start, start + 16_384);
    await transfer.write(start, piece);
    transfer.markVerified(start, start + piece.length, piece);
  }
  expect([await transfer.isExact(), reads]).toEqual([true, []]);
});

test("what was verified out of order is read once, and the result is the same", async () => {
  const { transfer, reads } = transferOf();
  const half = 50_000;
  await transfer.write(half, BYTES.subarray(half));
  transfer.markVerified(half, BYTES.length, BYTES.subarray(half));
  await transfer.write(0, BYTES.subarray(0, half));
  transfer.markVerified(0, half, BYTES.subarray(0, half));
  expect(await transfer.isExact()).toBe(true);
  expect(reads).toEqual([half]);
});

test("bytes that are no longer the content are found, and a restart forgets all of them", async () => {
  const { transfer } = transferOf();
  await transfer.write(0, Buffer.alloc(BYTES.length));
  transfer.markVerified(0, BYTES.length);
  expect(await transfer.isExact()).toBe(false);
  transfer.restart();
  expect([transfer.present.totalBytes, transfer.verified.totalBytes]).toEqual([0, 0]);
  await transfer.write(0, BYTES);
  expect(await transfer.isExact()).toBe(true);
});

test("a discarded piece is neither present nor verified, its neighbours stay", async () => {
  const { transfer } = transferOf();
  await transfer.write(0, BYTES);
  transfer.markVerified(0, BYTES.length, BYTES);
  transfer.discard(16_384, 32_768);
  expect([...transfer.present.missingIn(0, BYTES.length)]).toEqual([{ start: 16_384, end: 32_768 }]);
  expect(transfer.verified.covers(32_768, BYTES.length)).toBe(true);
});

test("a piece hash counts zeros up to the piece length (BEP 47 padding)", () => {
  const padded = Buffer.concat([BYTES.subarray(0, 10_000), Buffer.alloc(6_384)]);
  expect(pieceHashOf(BYTES.subarray(0, 10_000), 16_384)).toEqual(createHash("sha1").update(padded).digest());
});
