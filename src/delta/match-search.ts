import { RangeSet } from "../core/byte-range.ts";
import type { BlockSignature } from "./signature.ts";

/** Bytes of the target that a basis seems to hold: a hint, to be checked by piece and content hashes. */
export interface MatchedRun {
  /** Offset in the target. */
  readonly targetOffset: number;
  /** Which basis, in the order in which they were searched, from 0. */
  readonly basis: number;
  readonly basisOffset: number;
  readonly length: number;
}

export interface MatchResult {
  /** Ascending by target offset, disjoint; neighbours differ in basis or distance. */
  readonly runs: readonly MatchedRun[];
  /** Target bytes in `runs`; the rest are literals, to be fetched. */
  readonly covered: RangeSet;
}

/**
 * Searches the windows of one basis file after the other for the blocks of a signature, as rsync's sender does: where
 * a block's sums match, the search goes on at its end, with the block that follows in the target tried first; else one
 * byte on. All blocks of the target with these sums are matched at once; the first match of a block stays.
 *
 * `PlainMatchSearch` is the reference, `KernelMatchSearch` the one that people run; both find the same.
 */
export interface MatchSearch {
  /** Where the bytes of a basis are put before they are searched. */
  readonly window: Uint8Array;
  /** Length of the target's trailing short block, 0 if it has none. */
  readonly shortLength: number;
  /** True once every block was found; more searching finds nothing. */
  readonly isComplete: boolean;
  readonly isShortBlockMatched: boolean;
  /** Bytes that went into strong sums so far: what a search costs beyond rolling over each byte once. */
  readonly hashedBytes: number;
  /** The windows that follow are of the next basis file. */
  beginBasis(): void;
  /**
   * Searches the first `length` bytes of the window, which lie at `basisOffset` of the present basis.
   * @returns how many of them are done with: less than a block is left, to stand first in the next window
   */
  searchWindow(length: number, basisOffset: number): number;
  /** Tries the trailing short block on the first bytes of the window, which lie at `basisOffset`. */
  tryShortBlock(basisOffset: number): void;
  /** What was found so far. */
  result(): MatchResult;
}

/** A quarter of a level 2 cache: what was read is still there when it is summed (256 KiB took 8 % less than 1 MiB). */
const WINDOW_LENGTH = 256 * 1024;
const WINDOW_BLOCKS = 4;

/** Length in bytes of a search's window: a whole number of pages, and room for some blocks. */
export function windowLengthFor(blockLength: number): number {
  return Math.max(WINDOW_LENGTH, WINDOW_BLOCKS * blockLength);
}

/** Strong sums that fail may take as many bytes as were scanned, times this: so the search is linear on any input. */
export const FAILED_BYTES_PER_SCANNED_BYTE = 2;
/** The most of that allowance that is saved up: about 5 ms of work. */
export const MAX_FAILED_BYTES: number = 32 * 1024 * 1024;

/**
 * From so many bytes on, the strong sum alone says whether the expected block is there: 2⁻³² per block that changed.
 * Shorter ones are compared with the weak sum as well.
 */
export const MIN_TRUSTED_STRONG_LENGTH = 4;

/** In place of a basis: the block was not found. */
export const UNMATCHED = -1;

/** Per block of the target, where it was found. */
export interface FoundBlocks {
  /** Which basis, or {@link UNMATCHED}. */
  readonly basisOf: Int32Array;
  /** Offset in that basis. */
  readonly offsetOf: Float64Array;
}

/** Joins blocks that lie one behind the other in target and basis. */
export function joinRuns(signature: BlockSignature, found: FoundBlocks): MatchResult {
  const { blockCount, blockLength, contentLength } = signature;
  const runs: MatchedRun[] = [];
  const covered = new RangeSet();
  for (let block = 0; block < blockCount;) {
    const first = block++;
    if (found.basisOf[first] === UNMATCHED) continue;
    while (block < blockCount && followsInBasis(block, blockLength, found)) block++;
    const targetOffset = first * blockLength;
    const end = Math.min(contentLength, block * blockLength);
    runs.push({
      targetOffset,
      basis: found.basisOf[first]!,
      basisOffset: found.offsetOf[first]!,
      length: end - targetOffset,
    });
    covered.add(targetOffset, end);
  }
  return { runs, covered };
}

/** True if a matched block continues the run of the one before it. */
export function followsInBasis(block: number, blockLength: number, { basisOf, offsetOf }: FoundBlocks): boolean {
  return basisOf[block] === basisOf[block - 1] && offsetOf[block] === offsetOf[block - 1]! + blockLength;
}
