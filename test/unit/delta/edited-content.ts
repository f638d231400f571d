import fc from "fast-check";
import { seededRandom } from "../../../src/core/clock.ts";
import type { BasisFile } from "../../../src/delta/find-matches.ts";
import type { MatchResult } from "../../../src/delta/match-search.ts";
import { SignatureBuilder, type SignatureOptions } from "../../../src/delta/signature-builder.ts";
import type { StrongSum } from "../../../src/delta/strong-sum.ts";

export function randomBytes(length: number, seed: number): Uint8Array {
  const random = seededRandom(seed);
  return Uint8Array.from({ length }, () => random() * 256);
}

export function sign(content: Uint8Array, strongSum: StrongSum, options: SignatureOptions): Uint8Array {
  const builder = new SignatureBuilder(content.length, strongSum, options);
  builder.update(content);
  return builder.digest();
}

export function memoryBasis(bytes: Uint8Array): BasisFile {
  return {
    length: bytes.length,
    read(into, offset) {
      const part = bytes.subarray(offset, offset + into.length);
      into.set(part);
      return part.length;
    },
  };
}

/** The target as a mirror builds it: matches from the basis files, the rest from elsewhere. */
export function rebuild(target: Uint8Array, bases: readonly Uint8Array[], { runs, covered }: MatchResult): Uint8Array {
  const built = new Uint8Array(target.length).fill(0xee);
  for (const { targetOffset, basis, basisOffset, length } of runs) {
    built.set(bases[basis]!.subarray(basisOffset, basisOffset + length), targetOffset);
  }
  for (const { start, end } of covered.missingIn(0, target.length)) built.set(target.subarray(start, end), start);
  return built;
}

type Edit = (bytes: Uint8Array) => Uint8Array;

const position = fc.nat(60_000);
const length = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 5000 }));

/** Insert, delete, overwrite, move, swap halves, repeat a part, fill with zeros. */
export const edits: fc.Arbitrary<readonly Edit[]> = fc.array(
  fc.oneof(
    fc.tuple(position, length, fc.nat()).map(
      ([at, size, seed]) =>
        (bytes: Uint8Array) =>
          splice(bytes, at, { remove: 0, insert: randomBytes(size, seed) }),
    ),
    fc.tuple(position, length).map(
      ([at, size]) =>
        (bytes: Uint8Array) =>
          splice(bytes, at, { remove: size, insert: new Uint8Array(0) }),
    ),
    fc.tuple(position, length, fc.nat()).map(
      ([at, size, seed]) =>
        (bytes: Uint8Array) =>
          splice(bytes, at, { remove: size, insert: randomBytes(size, seed) }),
    ),
    fc.tuple(position, length, position).map(
      ([at, size, to]) =>
        (bytes: Uint8Array) =>
          splice(splice(bytes, at, { remove: size, insert: new Uint8Array(0) }), to, {
            remove: 0,
            insert: part(bytes, at, size),
          }),
    ),
    fc.constant((bytes: Uint8Array) =>
      Buffer.concat([bytes.subarray(bytes.length >>> 1), bytes.subarray(0, bytes.length >>> 1)]),
    ),
    fc.tuple(position, length, fc.integer({ min: 2, max: 6 })).map(
      ([at, size, times]) =>
        (bytes: Uint8Array) =>
          splice(bytes, at, { remove: 0, insert: Buffer.concat(Array<Uint8Array>(times).fill(part(bytes, at, size))) }),
    ),
    fc.tuple(position, length).map(
      ([at, size]) =>
        (bytes: Uint8Array) =>
          splice(bytes, at, { remove: size, insert: new Uint8Array(size) }),
    ),
  ),
  { maxLength: 6 },
);

function part(bytes: Uint8Array, at: number, size: number): Uint8Array {
  return bytes.slice(at % (bytes.length + 1), (at % (bytes.length + 1)) + size);
}

function splice(
  bytes: Uint8Array,
  at: number,
  { remove, insert }: { readonly remove: number; readonly insert: Uint8Array },
): Uint8Array {
  const start = at % (bytes.length + 1);
  return Buffer.concat([bytes.subarray(0, start), insert, bytes.subarray(start + remove)]);
}
