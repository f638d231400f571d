import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findMatches, type BasisFile } from "../../../src/delta/find-matches.ts";
import { KernelMatchSearch } from "../../../src/delta/kernel-match-search.ts";
import { windowLengthFor, type MatchResult, type MatchSearch } from "../../../src/delta/match-search.ts";
import { PlainMatchSearch } from "../../../src/delta/plain-match-search.ts";
import { SearchKernelCode } from "../../../src/delta/search-kernel.ts";
import { indexSignature, NO_BLOCK } from "../../../src/delta/signature-index.ts";
import { parseSignature, type BlockSignature } from "../../../src/delta/signature.ts";
import { loadStrongSum } from "../../../src/delta/strong-sum.ts";
import { weakSum } from "../../../src/delta/weak-sum.ts";
import { readSearchKernel } from "../../../src/store/search-kernel-file.ts";
import { edits, memoryBasis, randomBytes, rebuild, sign } from "./edited-content.ts";

const strong = await loadStrongSum();
const kernel = new SearchKernelCode(readSearchKernel()).instantiate();
const BLOCK = 256;
const MIB = 1024 * 1024;

type StartSearch = (signature: BlockSignature) => MatchSearch;
const startPlain: StartSearch = (signature) => new PlainMatchSearch(signature, strong);
const startKernel: StartSearch = (signature) => new KernelMatchSearch(signature, kernel);

const noise = fc.integer({ min: 1, max: 1000 }).map((seed) => randomBytes(30_000 + seed, seed));
// Few values and long stretches of one: where weak sums repeat.
const dull = fc
  .integer({ min: 1, max: 1000 })
  .map((seed) => randomBytes(30_000 + seed, seed).map((byte, i) => (i % 4096 < 2500 ? 0 : byte & 1)));
const original = fc.oneof(noise, dull);

test("kernel and plain search agree on every match and on every strong sum they make", () => {
  const setting = fc.record({
    content: original,
    changes: edits,
    strongLength: fc.integer({ min: 2, max: 8 }),
    blockLength: fc.integer({ min: 256, max: 3000 }),
    forgedSums: fc.array(fc.tuple(fc.nat(100), fc.nat(100)), { maxLength: 4 }),
  });
  fc.assert(
    fc.property(setting, ({ content, changes, strongLength, blockLength, forgedSums }) => {
      const target = changes.reduce((bytes, edit) => edit(bytes), content);
      const signature = parseSignature(sign(target, strong, { blockLength, strongLength }), target.length);
      // Weak sums of other blocks, so that strong sums decide and fail.
      for (const [to, from] of forgedSums) {
        signature.weak[to % signature.blockCount] = signature.weak[from % signature.blockCount]!;
      }
      const [plain, compiled] = [startPlain(signature), startKernel(signature)];
      const bases = [content, target.subarray(target.length >>> 1)];
      expect(findMatches(compiled, bases.map(memoryBasis))).toEqual(findMatches(plain, bases.map(memoryBasis)));
      expect(compiled.hashedBytes).toBe(plain.hashedBytes);
    }),
    { numRuns: 500 },
  );
});

test("kernel and plain search agree on windows of 256 KiB and more, on noise and on repetitions", () => {
  const target = Buffer.concat([tiled(3 * MIB), new Uint8Array(MIB), randomBytes(MIB + 77, 30)]);
  const basis = Buffer.concat([target.subarray(MIB + 5), randomBytes(999, 31), target.subarray(0, 2 * MIB)]);
  for (const blockLength of [700, 4096, 131_072]) {
    const signature = signatureOf(target, blockLength);
    const found = findMatches(startKernel(signature), [memoryBasis(basis)]);
    expect(found).toEqual(findMatches(startPlain(signature), [memoryBasis(basis)]));
    expect(found.covered.totalBytes).toBeGreaterThan(target.length / 2);
  }
});

test("a kernel that served a large signature serves a small one", () => {
  const large = tiled(20 * MIB);
  expect(findMatches(startKernel(signatureOf(large)), [memoryBasis(large)]).covered.totalBytes).toBe(large.length);
  const small = randomBytes(20_000, 32);
  expect(findMatches(startKernel(signatureOf(small)), [memoryBasis(large)]).runs).toEqual([]);
});

test("a signature of equal weak and different strong sums leaves no long chain to walk", () => {
  const blockCount = 300_000;
  const distinct = Uint32Array.from({ length: blockCount }, (_, block) => block);
  const { bucketHead, bucketNext } = indexSignature({
    contentLength: blockCount * BLOCK,
    blockLength: BLOCK,
    blockCount,
    strongLength: 8,
    weak: new Uint32Array(blockCount),
    strongHigh: distinct,
    strongLow: distinct,
  });
  const chainLength = (head: number): number => {
    let length = 0;
    for (let block = head; block !== NO_BLOCK; block = bucketNext[block]!) length++;
    return length;
  };
  expect(Math.max(...Array.from(bucketHead.subarray(0, 1000), chainLength))).toBe(16);
});

describe.each([
  ["plain", startPlain],
  ["kernel", startKernel],
])("%s search:", (_name, start) => {
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
    const basis = randomBytes(MIB + 77, 8);
    const target = Buffer.concat([basis.subarray(0, MIB / 2 - 5), randomBytes(10, 9), basis.subarray(MIB / 2 - 5)]);
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
    const padding = randomBytes(windowLengthFor(BLOCK) - 10 * BLOCK - 50, 15);
    const split = search(target, [Buffer.concat([padding, target, randomBytes(MIB, 16)])]);
    expect(split.covered.totalBytes).toBe(target.length);
  });

  test("a basis shorter than a block, or empty, gives nothing and harms nothing", () => {
    const target = randomBytes(20_000, 17);
    expect(search(target, [new Uint8Array(0), target.subarray(0, 255), target.subarray(0, 1)]).runs).toEqual([]);
  });

  test("a basis that ends early is searched as far as it goes, the next one after it", () => {
    const target = randomBytes(MIB, 21);
    const shrunk = target.subarray(0, MIB / 4 + 10);
    const basis = { ...memoryBasis(shrunk), length: target.length };
    const result = findMatches(start(signatureOf(target)), [basis, memoryBasis(target.subarray(MIB / 4))]);
    expect(result.covered.totalBytes).toBe(target.length);
    expect(new Set(result.runs.map((run) => run.basis))).toEqual(new Set([0, 1]));
  });

  test.each(["weak", "strongHigh", "strongLow"] as const)("a block whose %s sum differs does not match", (sums) => {
    const target = randomBytes(20 * BLOCK, 28);
    const signature = signatureOf(target);
    signature[sums][7]! ^= 1;
    // Another block before it, so that it is not the expected one: there a long strong sum suffices.
    const basis = Buffer.concat([randomBytes(100, 29), target.subarray(7 * BLOCK, 8 * BLOCK)]);
    expect(findMatches(start(signature), [memoryBasis(basis)]).runs).toEqual([]);
  });

  test.each([
    [3, 19 * BLOCK],
    [4, 20 * BLOCK],
  ])("a strong sum of %i bytes and a wrong weak one: %i bytes match in a run", (strongLength, matchedBytes) => {
    const target = randomBytes(20 * BLOCK, 28);
    const signature = parseSignature(sign(target, strong, { blockLength: BLOCK, strongLength }), target.length);
    signature.weak[7]! ^= 1;
    expect(findMatches(start(signature), [memoryBasis(target)]).covered.totalBytes).toBe(matchedBytes);
  });

  test("a signature that lies gives a match with wrong bytes: the caller's hashes decide", () => {
    const target = randomBytes(20_000, 22);
    const basis = randomBytes(20_000, 23);
    const result = findMatches(start(parseSignature(sign(basis, strong, { blockLength: BLOCK }), 20_000)), [
      memoryBasis(basis),
    ]);
    expect(result.covered.totalBytes).toBe(20_000);
    expect(Buffer.compare(rebuild(target, [basis], result), target)).not.toBe(0);
  });

  test("64 MiB of zeros are matched by the first block that is zero", () => {
    const zeros = new Uint8Array(64 * MIB);
    const result = findMatches(start(signatureOf(zeros, 8192)), [memoryBasis(zeros.subarray(0, MIB))]);
    expect(result.covered.totalBytes).toBe(64 * MIB);
  });

  test("matches are found again after a stretch of colliding sums", () => {
    const zeros = new Uint8Array(40 * MIB);
    const target = randomBytes(MIB, 25);
    const signature = signatureOf(target, 8192);
    signature.weak[5] = weakSum(zeros, 0, 8192);
    const basis = Buffer.concat([zeros, target]);
    const result = findMatches(start(signature), [memoryBasis(basis)]);
    expect(result.covered.totalBytes).toBeGreaterThanOrEqual(MIB - 2 * 8192);
  });

  test("each byte of a basis is read once, whatever its length, but for the tail", () => {
    const read: [start: number, end: number][] = [];
    const basis = tiled(5 * MIB);
    findMatches(start(signatureOf(randomBytes(20_000, 20))), [
      {
        length: basis.length,
        read: (into, offset) => {
          read.push([offset, offset + into.length]);
          return memoryBasis(basis).read(into, offset);
        },
      },
    ]);
    const [tail, ...rest] = read.reverse();
    expect(tail).toEqual([basis.length - (20_000 % BLOCK), basis.length]);
    expect(rest.reverse().reduce((end, [from, to]) => (from === end ? to : -1), 0)).toBe(basis.length);
  });

  test("64 MiB of zeros around a block that is nowhere cost three sums per byte, those before it are one run", () => {
    const target = new Uint8Array(64 * MIB);
    target.set(randomBytes(8192, 27), 32 * MIB);
    const search = start(signatureOf(target, 8192));
    const result = findMatches(search, [memoryBasis(new Uint8Array(64 * MIB))]);
    expect(search.hashedBytes).toBeLessThan(3 * 64 * MIB);
    expect(result.covered.totalBytes).toBe(64 * MIB - 8192);
    expect(result.runs[0]).toEqual({ targetOffset: 0, basis: 0, basisOffset: 0, length: 32 * MIB });
  });

  test("weak sums made to collide at every offset cost three strong sums per byte at most", () => {
    const zeros = new Uint8Array(64 * MIB);
    const signature = signatureOf(randomBytes(MIB, 24), 8192);
    // Every block claims the sum of zeros, each with another strong sum: all are candidates at every offset.
    const search = start({ ...signature, weak: signature.weak.map(() => weakSum(zeros, 0, 8192)) });
    expect(findMatches(search, [memoryBasis(zeros)]).runs).toEqual([]);
    expect(search.hashedBytes).toBeLessThan(3 * zeros.length);
  });

  test("a basis whose reading fails ends there and is told once; the next one is searched", () => {
    const target = randomBytes(MIB, 33);
    const failing: BasisFile = {
      length: target.length,
      read(into, offset) {
        if (offset >= MIB / 4) throw new Error("EIO");
        return memoryBasis(target).read(into, offset);
      },
    };
    const told: unknown[] = [];
    const onUnreadable = (basis: number, error: unknown): number => told.push([basis, (error as Error).message]);
    const result = findMatches(start(signatureOf(target)), [failing, memoryBasis(target.subarray(MIB / 4 - BLOCK))], {
      onUnreadable,
    });
    expect(told).toEqual([[0, "EIO"]]);
    expect(result.covered.totalBytes).toBe(target.length);
    expect(() => findMatches(start(signatureOf(target)), [failing])).toThrow("EIO");
  });

  function search(target: Uint8Array, bases: readonly Uint8Array[]): MatchResult {
    return findMatches(start(signatureOf(target)), bases.map(memoryBasis));
  }
});

function signatureOf(target: Uint8Array, blockLength = BLOCK): BlockSignature {
  return parseSignature(sign(target, strong, { blockLength, strongLength: 8 }), target.length);
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
