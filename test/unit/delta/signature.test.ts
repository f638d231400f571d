import fc from "fast-check";
import { expect, test } from "vitest";
import { blockLengthFor } from "../../../src/delta/block-length.ts";
import { DeltaError } from "../../../src/delta/errors.ts";
import { SignatureBuilder } from "../../../src/delta/signature-builder.ts";
import {
  maxSignatureByteLength,
  parseSignature,
  signatureByteLength,
  SIGNATURE_CAPS,
  SIGNATURE_HEADER_LENGTH,
  strongLengthFor,
} from "../../../src/delta/signature.ts";
import { loadStrongSum } from "../../../src/delta/strong-sum.ts";
import { weakSum } from "../../../src/delta/weak-sum.ts";
import { randomBytes, sign } from "./edited-content.ts";

const strong = await loadStrongSum();
const content = randomBytes(20_000, 1);
const signed = sign(content, strong, { blockLength: 700 });

test("k follows the formula within 2 and 8", () => {
  const sizes = [16_384, 1_000_000, 23_700_000, 2 ** 30, 20e9];
  expect(sizes.map((size) => strongLengthFor(size, blockLengthFor(size, "sqrt")))).toEqual([2, 3, 4, 5, 5]);
  expect(strongLengthFor(1, 700)).toBe(2);
  expect(strongLengthFor(2 ** 52, 256)).toBe(8);
});

test("signature has one header and 4 + k bytes per block, as in the tables of the rsync report", () => {
  for (const [size, blockLength] of [
    [24_485_000, 300],
    [24_485_000, 700],
    [24_485_000, 1100],
    [16_384, 700],
    [1400, 700],
  ] as const) {
    const builder = new SignatureBuilder(size, strong, { blockLength });
    builder.update(new Uint8Array(size));
    const perBlock = 4 + strongLengthFor(size, blockLength);
    expect(builder.digest().length).toBe(SIGNATURE_HEADER_LENGTH + perBlock * Math.ceil(size / blockLength));
    expect(signatureByteLength(size, blockLength)).toBe(32 + perBlock * Math.ceil(size / blockLength));
    expect(signatureByteLength(size, blockLength)).toBeLessThanOrEqual(maxSignatureByteLength(size));
  }
});

test("an answer with the signature of a huge content is capped at what a reader takes", () => {
  expect(maxSignatureByteLength(1e12)).toBeLessThan(13_000_000);
});

test("signature bytes are the documented layout", () => {
  const head = Buffer.from(signed).subarray(0, 32);
  expect(head.toString("latin1")).toBe(
    "PRSG\x01\x02\x00\x00\x02\xbc\x00\x00\x00\x00\x00\x00\x4e\x20rsync-sum\0\0\0\0\0",
  );
  strong.sum(content, 19_600, 20_000);
  expect(Buffer.from(signed).subarray(-6).readUInt32BE(0)).toBe(weakSum(content, 19_600, 20_000));
  expect(Buffer.from(signed).readUInt16BE(signed.length - 2)).toBe(strong.high >>> 16);
});

test("signature does not depend on how the content was sliced", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20_000), { maxLength: 12 }), (cuts) => {
      const edges = [0, ...cuts.sort((a, b) => a - b), content.length];
      const builder = new SignatureBuilder(content.length, strong, { blockLength: 700 });
      edges.slice(1).forEach((end, i) => builder.update(content.subarray(edges[i], end)));
      expect(Buffer.compare(builder.digest(), signed)).toBe(0);
    }),
  );
});

test("a content that grew or shrank is not signed", () => {
  const builder = new SignatureBuilder(1000, strong, { blockLength: 700 });
  builder.update(new Uint8Array(999));
  expect(() => builder.digest()).toThrow(expect.objectContaining({ code: "signed-length-differs" }));
  expect(() => builder.update(new Uint8Array(2))).toThrow(expect.objectContaining({ code: "signed-length-differs" }));
});

test("parsing gives back the sums for every k, at any alignment", () => {
  for (const strongLength of [2, 3, 4, 5, 6, 7, 8]) {
    const bytes = sign(content, strong, { blockLength: 700, strongLength });
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    const signature = parseSignature(shifted.subarray(1), content.length);
    expect(signature).toMatchObject({ contentLength: 20_000, blockLength: 700, blockCount: 29, strongLength });
    strong.sum(content, 700, 1400);
    const whole = (BigInt(strong.high) << 32n) | BigInt(strong.low);
    const kept = (BigInt(signature.strongHigh[1]!) << 32n) | BigInt(signature.strongLow[1]!);
    const dropped = BigInt(64 - 8 * strongLength);
    expect(kept).toBe((whole >> dropped) << dropped);
    expect(signature.weak[1]).toBe(weakSum(content, 700, 1400));
  }
});

test.each([
  ["empty", (): Uint8Array => new Uint8Array(0), "bad-signature"],
  ["cut header", (): Uint8Array => signed.subarray(0, 31), "bad-signature"],
  ["magic", (): Uint8Array => withByte(0, 0), "bad-signature"],
  ["newer format", (): Uint8Array => withByte(4, 2), "unknown-signature"],
  ["other weak sum", (): Uint8Array => withByte(18, 0x67), "unknown-signature"],
  ["k 1", (): Uint8Array => withByte(5, 1), "bad-signature"],
  ["k 9", (): Uint8Array => withByte(5, 9), "bad-signature"],
  ["k that is not this one's", (): Uint8Array => withByte(5, 3), "bad-signature"],
  ["block length 0", (): Uint8Array => withNumber(6, 0), "bad-signature"],
  ["block length 1", (): Uint8Array => withNumber(6, 1), "bad-signature"],
  ["block length 2³² − 1", (): Uint8Array => withNumber(6, 2 ** 32 - 1), "bad-signature"],
  ["content length 2⁶⁴ − 1", (): Uint8Array => withNumber(10, 2 ** 32 - 1), "bad-signature"],
  ["another content length", (): Uint8Array => withByte(17, 0x21), "bad-signature"],
  ["a byte less", (): Uint8Array => signed.subarray(0, -1), "bad-signature"],
  ["a byte more", (): Uint8Array => Buffer.concat([signed, Buffer.alloc(1)]), "bad-signature"],
] as const)("a signature with %s is refused", (_name, make, code) => {
  expect(() => parseSignature(make(), content.length)).toThrow(expect.objectContaining({ code }));
});

test("a signature beyond the reader's caps is refused before anything is allocated", () => {
  const caps = { ...SIGNATURE_CAPS, maxBlockCount: 28 };
  expect(() => parseSignature(signed, content.length, caps)).toThrow(/at most 28 blocks, got 29/);
  const huge = withNumber(10, 2 ** 20);
  expect(() => parseSignature(huge, 2 ** 52 + 20_000)).toThrow(expect.objectContaining({ code: "bad-signature" }));
});

test("a parser on random bytes throws its own error only", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(40), (noise, at) => {
      const bytes = Uint8Array.from(signed);
      bytes.set(noise, at);
      expect(outcomeOf(bytes)).toBe(true);
      expect(outcomeOf(noise)).toBe(true);
    }),
    { numRuns: 1000 },
  );
});

function outcomeOf(bytes: Uint8Array): boolean {
  try {
    return parseSignature(bytes, content.length).blockCount > 0;
  } catch (error) {
    return error instanceof DeltaError;
  }
}

function withByte(offset: number, value: number): Uint8Array {
  const bytes = Uint8Array.from(signed);
  bytes[offset] = value;
  return bytes;
}

function withNumber(offset: number, value: number): Uint8Array {
  const bytes = Buffer.from(signed);
  bytes.writeUInt32BE(value, offset);
  return bytes;
}
