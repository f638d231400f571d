import { hash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { DeltaError } from "../../../src/delta/errors.ts";
import { SketchBuilder } from "../../../src/delta/sketch-builder.ts";
import {
  encodeSketch,
  estimateSharedBytes,
  MAX_HANDPRINTS,
  parseSketch,
  type Sketch,
  type SketchedContent,
} from "../../../src/delta/sketch.ts";
import { loadStrongSum } from "../../../src/delta/strong-sum.ts";
import { randomBytesOf } from "../../support/sample-tree.ts";

const strong = await loadStrongSum();

function sketchOf(...slices: readonly Uint8Array[]): Sketch {
  const builder = new SketchBuilder(strong);
  for (const slice of slices) builder.update(slice);
  return builder.digest();
}

function sketched(bytes: Uint8Array): SketchedContent {
  return { lengthBytes: bytes.length, sketch: sketchOf(bytes) };
}

/** docs/protocol.md word for word, over the whole content at once. */
function sketchBySpecification(content: Uint8Array): Sketch {
  const gear = Array.from({ length: 256 }, (_, byte) => hash("sha256", Uint8Array.of(byte), "buffer").readUInt32BE());
  const isBoundary = (end: number): boolean => {
    let sum = 0;
    for (let i = end - 32; i < end; i++) sum = (2 * sum + gear[content[i]!]!) % 2 ** 32;
    return sum < 2 ** 20;
  };
  const chunks = new Map<number, number>();
  for (let start = 0, end: number; start < content.length; start = end) {
    const most = Math.min(content.length, start + 32_768);
    end = Math.min(most, start + 1024);
    while (end < most && !isBoundary(end)) end++;
    if (end - start === 32_768) continue;
    strong.sum(content, start, end);
    chunks.set(strong.low, Math.min(strong.high, chunks.get(strong.low) ?? Infinity));
  }
  const byRank = [...chunks].toSorted(([a, rankA], [b, rankB]) => rankA - rankB || a - b);
  return byRank.slice(0, 16).map(([handprint]) => handprint);
}

/** Noise, zeros and repeated text, of up to 200 kB. */
const contents = fc
  .array(
    fc.oneof(
      fc.tuple(fc.nat(60_000), fc.nat()).map(([length, seed]) => randomBytesOf(seed, length)),
      fc.nat(70_000).map((length) => new Uint8Array(length)),
      fc.nat(1_000).map((lines) => Buffer.from("the same line again and again\n".repeat(lines))),
    ),
    { maxLength: 3 },
  )
  .map((parts) => Buffer.concat(parts));

test("a sketch is what the specification says, in whatever slices the content comes", () => {
  fc.assert(
    fc.property(contents, fc.array(fc.nat(150_000), { maxLength: 6 }), (content, cuts) => {
      const ends = [...cuts.toSorted((a, b) => a - b), content.length];
      const slices = ends.map((end, i) => content.subarray(ends[i - 1] ?? 0, end));
      expect(sketchOf(...slices)).toEqual(sketchBySpecification(content));
    }),
    { numRuns: 30 },
  );
});

test("a sketch of zeros is empty and says nothing", () => {
  expect(sketchOf(new Uint8Array(2 ** 20))).toEqual([]);
  expect(estimateSharedBytes(sketched(new Uint8Array(2 ** 20)), sketched(randomBytesOf(1, 300_000)))).toBeUndefined();
});

test("what two contents share is found wherever it lies, and unlike contents share nothing", () => {
  const base = randomBytesOf(1, 2_000_000);
  const moved = Buffer.concat([randomBytesOf(2, 777), base.subarray(1_000_000), base.subarray(0, 1_000_000)]);
  const half = Buffer.concat([base.subarray(0, 1_000_000), randomBytesOf(3, 1_000_000)]);
  const other = randomBytesOf(4, 2_000_000);
  const estimate = (target: Uint8Array): number =>
    estimateSharedBytes(sketched(target), sketched(base))! / target.length;
  expect(estimate(moved)).toBeGreaterThan(0.9);
  expect(Math.abs(estimate(half) - 0.5)).toBeLessThan(0.3);
  expect(estimate(other)).toBe(0);
});

test("a part of a large image is recognised as such from both sides", () => {
  const image = randomBytesOf(1, 4_000_000);
  const part = image.subarray(1_234_567, 2_234_567);
  const shared = estimateSharedBytes(sketched(part), sketched(image))!;
  expect(shared).toBeGreaterThan(300_000);
  expect(shared).toBeLessThanOrEqual(1_000_000);
  expect(estimateSharedBytes(sketched(image), sketched(part))).toBe(shared);
});

test("the estimate of the shared part is right within its standard error over many pairs", () => {
  const errors = Array.from({ length: 30 }, (_, seed) => {
    const shared = (seed % 10) / 10;
    const base = randomBytesOf(10 * seed, 400_000);
    const target = Buffer.concat([
      base.subarray(0, shared * 400_000),
      randomBytesOf(10 * seed + 1, (1 - shared) * 400_000),
    ]);
    return estimateSharedBytes(sketched(target), sketched(base))! / 400_000 - shared;
  });
  const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
  const deviation = Math.sqrt(errors.reduce((sum, error) => sum + error ** 2, 0) / errors.length);
  // √(s(1−s)/16) is 0.125 at most; the mean of 30 has a sixth of it.
  expect(Math.abs(mean)).toBeLessThan(0.1);
  expect(deviation).toBeLessThan(0.15);
});

test("an encoded sketch reads back, anything else is refused by its own error", () => {
  const sketches = fc.uniqueArray(fc.integer({ min: 0, max: 2 ** 32 - 1 }), { maxLength: MAX_HANDPRINTS });
  fc.assert(fc.property(sketches, (sketch) => void expect(parseSketch(encodeSketch(sketch))).toEqual(sketch)));
  const written = fc.uint8Array({ maxLength: 80 }).map((bytes) => Uint8Array.of(1, ...bytes));
  fc.assert(fc.property(written, (bytes) => void expect(isReadable(bytes) && bytes.length % 4 !== 1).toBe(false)));
  const twice = encodeSketch([1, 2, 1]);
  const short = Uint8Array.of(1, 0, 0, 0);
  for (const bad of [new Uint8Array(0), short, new Uint8Array(69).fill(1), twice]) {
    expect(() => parseSketch(bad)).toThrow(DeltaError);
  }
  expect(parseSketch(Uint8Array.of(2, 7))).toBeUndefined();
});

function isReadable(bytes: Uint8Array): boolean {
  try {
    return parseSketch(bytes) !== undefined;
  } catch (error) {
    if (!(error instanceof DeltaError)) throw error;
    return false;
  }
}
