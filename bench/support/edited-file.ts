import { createCipheriv } from "node:crypto";
import { RangeSet } from "../../src/core/byte-range.ts";
import { seededRandom, type Random } from "../../src/core/clock.ts";
import type { BasisFile } from "../../src/delta/find-matches.ts";

/**
 * One edit per so many bytes, as between typescript 5.9.2 and 5.9.3 (tar, 23.7 MB), where the changes lie in 24 of 362
 * blocks of 64 KiB (`bench/results/delta.json`);
 */
const BYTES_PER_EDIT = 1_000_000;
/** and a small file that changed has changed in a few places. */
const MIN_EDITS = 3;
/** Length of an edit: its logarithm is uniform. */
const MIN_EDIT_LENGTH = 16;
const MAX_EDIT_LENGTH = 4096;
const CIPHER_BLOCK = 16;

/** Two versions of a file that lie nowhere: any part of them is made when it is read. */
export interface EditedFile {
  readonly basis: BasisFile;
  readonly target: BasisFile;
  /** Bytes of the target that the basis holds nowhere. */
  readonly newRanges: RangeSet;
  readonly editCount: number;
}

/** A stretch of the target. */
interface Segment {
  readonly start: number;
  readonly length: number;
  readonly isNew: boolean;
  /** In the basis, or in the stream of new bytes. */
  readonly sourceOffset: number;
}

/**
 * A file of noise of `sizeBytes` and what inserts, deletes and overwrites (a third each, places uniform) make of it. The
 * same seed makes the same bytes.
 */
export function editedFile(sizeBytes: number, seed: number): EditedFile {
  const segments = editedSegments(sizeBytes, seededRandom(seed));
  const basis = noise(seed);
  const news = noise(seed + 1);
  const last = segments.at(-1)!;
  const target: BasisFile = {
    length: last.start + last.length,
    read(into, offset) {
      const end = Math.min(offset + into.length, this.length);
      for (let i = segmentAt(segments, offset), at = offset; at < end; i++) {
        const { start, length, isNew, sourceOffset } = segments[i]!;
        const stop = Math.min(end, start + length);
        (isNew ? news : basis)(into.subarray(at - offset, stop - offset), sourceOffset + at - start);
        at = stop;
      }
      return Math.max(0, end - offset);
    },
  };
  const newRanges = RangeSet.of(
    ...segments.filter(({ isNew }) => isNew).map(({ start, length }) => ({ start, end: start + length })),
  );
  return { basis: wholeFile(sizeBytes, basis), target, newRanges, editCount: editCountOf(sizeBytes) };
}

function editCountOf(sizeBytes: number): number {
  return Math.max(MIN_EDITS, Math.round(sizeBytes / BYTES_PER_EDIT));
}

function editedSegments(sizeBytes: number, random: Random): Segment[] {
  const places = Array.from({ length: editCountOf(sizeBytes) }, () => Math.floor(random() * sizeBytes));
  const segments: Segment[] = [];
  let [at, kept, made] = [0, 0, 0]; // offsets in the target, in the basis, in the new bytes
  const append = (length: number, isNew: boolean): void => {
    if (length > 0) segments.push({ start: at, length, isNew, sourceOffset: isNew ? made : kept });
    at += length;
    if (isNew) made += length;
    else kept += length;
  };
  for (const place of places.sort((a, b) => a - b)) {
    append(Math.max(0, place - kept), false);
    const length = Math.floor(MIN_EDIT_LENGTH * (MAX_EDIT_LENGTH / MIN_EDIT_LENGTH) ** random());
    const kind = Math.floor(random() * 3); // 0 inserts, 1 deletes, 2 overwrites
    if (kind !== 1) append(length, true);
    if (kind !== 0) kept = Math.min(sizeBytes, kept + length);
  }
  append(sizeBytes - kept, false);
  return segments;
}

function segmentAt(segments: readonly Segment[], offset: number): number {
  let low = 0;
  let high = segments.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (segments[middle]!.start <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}

type Noise = (into: Uint8Array, offset: number) => void;

/** An endless stream of bytes that do not compress, to be read at any offset: AES in counter mode. */
function noise(seed: number): Noise {
  const key = Buffer.alloc(CIPHER_BLOCK, `seed ${seed} `);
  return (into, offset) => {
    const counter = Buffer.alloc(CIPHER_BLOCK);
    counter.writeBigUInt64BE(BigInt(Math.floor(offset / CIPHER_BLOCK)), CIPHER_BLOCK - 8);
    const skipped = offset % CIPHER_BLOCK;
    const bytes = createCipheriv("aes-128-ctr", key, counter).update(Buffer.alloc(skipped + into.length));
    into.set(bytes.subarray(skipped));
  };
}

function wholeFile(length: number, read: Noise): BasisFile {
  return {
    length,
    read(into, offset) {
      const got = Math.max(0, Math.min(into.length, length - offset));
      read(into.subarray(0, got), offset);
      return got;
    },
  };
}
