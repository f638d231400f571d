import fc from "fast-check";
import { expect, test } from "vitest";
import { blockCountOf, blockLengthFor, isSigned } from "../../../src/delta/block-length.ts";
import { loadStrongSum } from "../../../src/delta/strong-sum.ts";
import { weakSum } from "../../../src/delta/weak-sum.ts";

const strong = await loadStrongSum();

test("block length is the square root rounded up to 8, within 700 and 131072", () => {
  expect(
    [0, 16_384, 490_000, 490_001, 1_000_000, 1_000_001, 2 ** 32].map((size) => blockLengthFor(size, "sqrt")),
  ).toEqual([700, 700, 704, 704, 1000, 1008, 65_536]);
  expect(blockLengthFor(20e9, "sqrt")).toBe(131_072);
});

test("an explicit block length is taken as it is, within the format's limits", () => {
  expect(blockLengthFor(10, 65_536)).toBe(65_536);
  expect([0, 255, 1024 * 1024 + 1, 1000.5, NaN, -700].map(codeOfBlockLength)).toEqual(
    Array<string>(6).fill("bad-block-length"),
  );
});

test("contents below 16 KiB are not signed", () => {
  expect([0, 16_383, 16_384].map(isSigned)).toEqual([false, false, true]);
});

test("a content has as many blocks as begin in it", () => {
  expect([0, 1, 700, 701, 1400].map((size) => blockCountOf(size, 700))).toEqual([0, 1, 1, 2, 2]);
});

test("strong sum is xxHash64 with seed 0 (vectors of the reference implementation), at any offset", () => {
  expect(["", "a", "abc"].map((text) => strongHex(Buffer.from(`..${text}.`), 2, 2 + text.length))).toEqual([
    "ef46db3751d8e999",
    "d24ec4f1a98c6e5b",
    "44bc2cf5ad770999",
  ]);
});

test("weak sum is the rsync technical report's, for any part of a buffer", () => {
  expect(weakSum(Buffer.from("abc"), 0, 3)).toBe((97 + 98 + 99) | ((3 * 97 + 2 * 98 + 99) << 16));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3000 }), fc.nat(3000), (bytes, from) => {
      const start = Math.min(from, bytes.length);
      expect(weakSum(bytes, start, bytes.length)).toBe(weakSumByDefinition(bytes.subarray(start)));
    }),
  );
  const ones = new Uint8Array(1024 * 1024).fill(255);
  expect(weakSum(ones, 0, ones.length)).toBe(weakSumByDefinition(ones));
});

function weakSumByDefinition(block: Uint8Array): number {
  let a = 0n;
  let b = 0n;
  block.forEach((byte, i) => {
    a += BigInt(byte);
    b += BigInt(block.length - i) * BigInt(byte);
  });
  return Number((a % 65536n) + 65536n * (b % 65536n));
}

function strongHex(bytes: Uint8Array, start: number, end: number): string {
  strong.sum(bytes, start, end);
  return strong.high.toString(16).padStart(8, "0") + strong.low.toString(16).padStart(8, "0");
}

function codeOfBlockLength(length: number): unknown {
  try {
    return blockLengthFor(1_000_000, length);
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}
