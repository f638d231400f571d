import fc from "fast-check";
import { expect, test } from "vitest";
import { findMatches, findMatchesAsync, type BasisFile } from "../../../src/delta/find-matches.ts";
import type { MatchResult } from "../../../src/delta/match-search.ts";
import { parseSignature, type BlockSignature } from "../../../src/delta/signature.ts";
import { loadStrongSum } from "../../../src/delta/strong-sum.ts";
import { weakSum } from "../../../src/delta/weak-sum.ts";
import { edits, memoryBasis, randomBytes, rebuild, sign } from "./edited-content.ts";

const strong = await loadStrongSum();
const BLOCK = 256;
const MIB = 1024 * 1024;

const noise = fc.integer({ min: 1, max: 1000 }).map((seed) => randomBytes(30_000 + seed, seed));
// Few values and long stretches of one: where weak sums repeat.
const dull = fc
  .integer({ min: 1, max: 1000 })
  .map((seed) => randomBytes(30_000 + seed, seed).map((byte, i) => (i % 4096 < 2500 ? 0 : byte & 1)));
const original = fc.oneof(noise, dull);

test("matches plus literals make the target, and matched bytes are equal, whatever was edited", () => {
  fc.assert(
    fc.property(original, edits, (basis, changes) => {
      const target = changes.reduce((bytes, edit) => edit(bytes), basis);
      const result = search(target, [basis]);
      expect(Buffer.compare(rebuild(target, [basis], result), target)).toBe(0);
      expectWellFormed(result, target.length);
    }),
    { numRuns: 300 },
  );
});

test("literals are no more than a naive search of the same rules leaves", () => {
  fc.assert(
    fc.property(original, edits, (basis, changes) => {
      const target = changes.reduce((bytes, edit) => edit(bytes), basis);
      const matched = search(target, [basis]).covered.totalBytes;
      expect(matched).toBeGreaterThanOrEqual(naivelyMatchedBytes(target, basis));
    }),
    { numRuns: 300 },
  );
});

test("several basis files serve one target", () => {
  fc.assert(
    fc.property(noise, noise, edits, (one, other, changes) => {
      const target = changes.reduce((bytes, edit) => edit(bytes), Buffer.concat([one, other]) as Uint8Array);
      const result = search(target, [other, one]);
      expect(Buffer.compare(rebuild(target, [other, one], result), target)).toBe(0);
      expectWellFormed(result, target.length);
    }),
  );
});

test("an unchanged content is one run, its short block included", () => {
  const target = randomBytes(20_001, 7);
  expect(search(target, [target]).runs).toEqual([{ targetOffset: 0, basis: 0, basisOffset: 0, length: 20_001 }]);
});

test("an insertion costs at most the block it falls into", () => {
  const basis = randomBytes(3 * MIB + 77, 8);
  const target = Buffer.concat([basis.subarray(0, 2 * MIB - 5), randomBytes(10, 9), basis.subarray(2 * MIB - 5)]);
  const result = search(target, [basis]);
  expect(target.length - result.covered.totalBytes).toBeLessThanOrEqual(2 * BLOCK);
  expect(result.runs.length).toBe(2);
});

test("one basis block serves all equal blocks of the target", () => {
  const block = randomBytes(BLOCK, 10);
  const target = Buffer.concat(Array<Uint8Array>(100).fill(block));
  const result = search(target, [Buffer.concat([randomBytes(1000, 11), block])]);
  expect(result.covered.totalBytes).toBe(target.length);
  expect(result.runs.every((run) => run.basisOffset === 1000)).toBe(true);
});

test("the trailing short block is found at the end of a basis and after its predecessor", () => {
  const target = randomBytes(10 * BLOCK + 100, 12);
  const atEnd = search(target, [Buffer.concat([randomBytes(5000, 13), target.subarray(-100)])]);
  expect(atEnd.runs).toEqual([{ targetOffset: 10 * BLOCK, basis: 0, basisOffset: 5000, length: 100 }]);
  const inside = search(target, [Buffer.concat([target, randomBytes(5000, 14)])]);
  expect(inside.covered.totalBytes).toBe(target.length);
  // The same where a window ends between the last whole block and the short one.
  const padding = randomBytes(MIB - 10 * BLOCK - 50, 15);
  const split = search(target, [Buffer.concat([padding, target, randomBytes(MIB, 16)])]);
  expect(split.covered.totalBytes).toBe(target.length);
});

test("a basis shorter than a block, or empty, gives nothing and harms nothing", () => {
  const target = randomBytes(20_000, 17);
  expect(search(target, [new Uint8Array(0), target.subarray(0, 255), target.subarray(0, 1)]).runs).toEqual([]);
});

test("the asynchronous search finds the same and pauses before each window", async () => {
  const basis = randomBytes(3 * MIB, 18);
  const target = Buffer.concat([basis.subarray(MIB), basis.subarray(0, MIB + 1000)]);
  let pauses = 0;
  const result = await findMatchesAsync(signatureOf(target), [asyncBasis(basis)], {
    strongSum: strong,
    pause: async () => void pauses++,
  });
  expect(result).toEqual(search(target, [basis]));
  expect(pauses).toBeGreaterThanOrEqual(3);
});

test("reads stay within one window, whatever the length of the basis", () => {
  const reads: { offset: number; length: number }[] = [];
  const basis = randomBytes(5 * MIB, 19);
  const target = randomBytes(20_000, 20);
  findMatches(
    signatureOf(target),
    [
      {
        length: basis.length,
        read: (offset, length) => (reads.push({ offset, length }), basis.subarray(offset, offset + length)),
      },
    ],
    strong,
  );
  expect(Math.max(...reads.map((read) => read.length))).toBe(MIB);
  expect(reads.reduce((sum, read) => sum + read.length, 0)).toBeLessThan(basis.length + 8 * BLOCK);
});

test("a basis that ends early is searched as far as it goes, the next one after it", () => {
  const target = randomBytes(4 * MIB, 21);
  const shrunk = target.subarray(0, MIB + 10);
  const basis = { ...viewedBasis(shrunk), length: target.length };
  const result = findMatches(signatureOf(target), [basis, memoryBasis(target.subarray(MIB))], strong);
  expect(result.covered.totalBytes).toBe(target.length);
  expect(new Set(result.runs.map((run) => run.basis))).toEqual(new Set([0, 1]));
});

test.each(["weak", "strongHigh", "strongLow"] as const)("a block whose %s sum differs does not match", (sums) => {
  const target = randomBytes(20 * BLOCK, 28);
  const signature = signatureOf(target);
  signature[sums][7]! ^= 1;
  const missing = findMatches(signature, [memoryBasis(target)], strong).covered.missingIn(0, target.length);
  expect([...missing]).toEqual([{ start: 7 * BLOCK, end: 8 * BLOCK }]);
});

test("a signature of equal weak and different strong sums is indexed in linear time", () => {
  const blockCount = 300_000;
  const distinct = Uint32Array.from({ length: blockCount }, (_, block) => block);
  const signature: BlockSignature = {
    contentLength: blockCount * BLOCK,
    blockLength: BLOCK,
    blockCount,
    strongLength: 8,
    weak: new Uint32Array(blockCount),
    strongHigh: distinct,
    strongLow: distinct,
  };
  expect(secondsToSearch(signature, new Uint8Array(MIB))).toBeLessThan(1);
});

test("a signature that lies gives a match with wrong bytes: the caller's hashes decide", () => {
  const target = randomBytes(20_000, 22);
  const basis = randomBytes(20_000, 23);
  const result = findMatches(
    parseSignature(sign(basis, strong, { blockLength: BLOCK }), 20_000),
    [memoryBasis(basis)],
    strong,
  );
  expect(result.covered.totalBytes).toBe(20_000);
  expect(Buffer.compare(rebuild(target, [basis], result), target)).not.toBe(0);
});

test("64 MiB of zeros are matched by the first block that is zero", () => {
  const zeros = new Uint8Array(64 * MIB);
  const result = findMatches(signatureOf(zeros, 8192), [memoryBasis(zeros.subarray(0, MIB))], strong);
  expect(result.covered.totalBytes).toBe(64 * MIB);
});

test("64 MiB of zeros around a block that is nowhere are searched in linear time, those before it as one run", () => {
  const basis = new Uint8Array(64 * MIB);
  const target = new Uint8Array(64 * MIB);
  target.set(randomBytes(8192, 27), 32 * MIB);
  const signature = signatureOf(target, 8192);
  const noiseSeconds = secondsToSearch(signature, tiled(64 * MIB));
  const started = process.cpuUsage();
  const result = findMatches(signature, [viewedBasis(basis)], strong);
  expect(cpuSecondsSince(started)).toBeLessThan(3 * noiseSeconds + 0.2);
  expect(result.covered.totalBytes).toBe(64 * MIB - 8192);
  expect(result.runs[0]).toEqual({ targetOffset: 0, basis: 0, basisOffset: 0, length: 32 * MIB });
});

test("colliding weak sums on zeros cost at most three times a search of noise", () => {
  const zeros = new Uint8Array(64 * MIB);
  const signature = signatureOf(randomBytes(MIB, 24), 8192);
  const noiseSeconds = secondsToSearch(signature, tiled(64 * MIB));
  // Every block claims the sum of zeros, each with another strong sum: all are candidates at every offset.
  const lying = { ...signature, weak: signature.weak.map(() => weakSum(zeros, 0, 8192)) };
  const lyingSeconds = secondsToSearch(lying, zeros);
  expect(lyingSeconds).toBeLessThan(3 * noiseSeconds + 0.2);
});

test("matches are found again after a stretch of colliding sums", () => {
  const zeros = new Uint8Array(40 * MIB);
  const target = randomBytes(MIB, 25);
  const signature = signatureOf(target, 8192);
  signature.weak[5] = weakSum(zeros, 0, 8192);
  const basis = Buffer.concat([zeros, target]);
  const result = findMatches(signature, [memoryBasis(basis)], strong);
  expect(result.covered.totalBytes).toBeGreaterThanOrEqual(MIB - 2 * 8192);
});

function search(target: Uint8Array, bases: readonly Uint8Array[]): MatchResult {
  return findMatches(signatureOf(target), bases.map(memoryBasis), strong);
}

function signatureOf(target: Uint8Array, blockLength = BLOCK): BlockSignature {
  return parseSignature(sign(target, strong, { blockLength, strongLength: 8 }), target.length);
}

function asyncBasis(bytes: Uint8Array): { length: number; read(offset: number, length: number): Promise<Uint8Array> } {
  return { length: bytes.length, read: async (offset, length) => bytes.slice(offset, offset + length) };
}

function expectWellFormed({ runs, covered }: MatchResult, targetLength: number): void {
  let end = 0;
  for (const run of runs) {
    expect(run.targetOffset).toBeGreaterThanOrEqual(end);
    expect(run.length).toBeGreaterThan(0);
    end = run.targetOffset + run.length;
  }
  expect(end).toBeLessThanOrEqual(targetLength);
  expect(runs.reduce((sum, run) => sum + run.length, 0)).toBe(covered.totalBytes);
}

/** Whole blocks compared as text at every offset: found, all blocks with this text count and the search jumps. */
function naivelyMatchedBytes(target: Uint8Array, basis: Uint8Array): number {
  const blocks = new Map<string, number>();
  const targetText = Buffer.from(target).toString("latin1");
  const basisText = Buffer.from(basis).toString("latin1");
  for (let at = 0; at + BLOCK <= targetText.length; at += BLOCK) {
    const text = targetText.slice(at, at + BLOCK);
    blocks.set(text, (blocks.get(text) ?? 0) + BLOCK);
  }
  const shortText = targetText.slice(targetText.length - (targetText.length % BLOCK));
  let matched = shortText !== "" && basisText.endsWith(shortText) ? shortText.length : 0;
  for (let at = 0; at + BLOCK <= basisText.length;) {
    const text = basisText.slice(at, at + BLOCK);
    const bytes = blocks.get(text);
    if (bytes !== undefined) blocks.set(text, 0);
    matched += bytes ?? 0;
    at += bytes === undefined ? 1 : BLOCK;
  }
  return matched;
}

function tiled(length: number): Uint8Array {
  const tile = randomBytes(MIB + 1, 26);
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += tile.length) bytes.set(tile.subarray(0, length - at), at);
  return bytes;
}

/** A basis in memory that copies nothing, where time is measured. */
function viewedBasis(bytes: Uint8Array): BasisFile {
  return { length: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) };
}

function secondsToSearch(signature: BlockSignature, bytes: Uint8Array): number {
  const started = process.cpuUsage();
  findMatches(signature, [viewedBasis(bytes)], strong);
  return cpuSecondsSince(started);
}

function cpuSecondsSince(started: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(started);
  return (user + system) / 1e6;
}
