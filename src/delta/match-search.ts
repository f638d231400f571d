import { RangeSet } from "../core/byte-range.ts";
import type { BlockSignature } from "./signature.ts";
import { indexSignature, NO_BLOCK, spreadWeakSum, type SignatureIndex } from "./signature-index.ts";
import type { StrongSum } from "./strong-sum.ts";
import { createWeakScanner, type WeakScanner } from "./weak-scanner.ts";
import { weakSum } from "./weak-sum.ts";

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

const WINDOW_LENGTH = 1024 * 1024;
const WINDOW_BLOCKS = 4;
/** Strong sums that fail may take as many bytes as were scanned, times this: so the search is linear on any input. */
const FAILED_BYTES_PER_SCANNED_BYTE = 2;
/** The most of that allowance that is saved up: what one window may spend, about 5 ms. */
const MAX_FAILED_BYTES: number = 32 * 1024 * 1024;
const UNMATCHED = -1;

/**
 * Searches the windows of one basis file after the other for the blocks of a signature, as rsync's sender does: where
 * a block's sums match, the search goes on at its end, with the block that follows in the target tried first; else one
 * byte on. All blocks of the target with these sums are matched at once; the first match of a block stays.
 *
 * Memory: about 50 bytes per block, whatever the length of the basis files.
 */
export class MatchSearch {
  /** How long windows should be; only the last one of a basis is shorter. */
  readonly windowLength: number;
  /** Length of the target's trailing short block, 0 if it has none. */
  readonly shortLength: number;
  readonly #signature: BlockSignature;
  readonly #index: SignatureIndex;
  readonly #scanner: WeakScanner;
  readonly #strongSum: StrongSum;
  readonly #strongMask: { readonly high: number; readonly low: number };
  readonly #basisOf: Int32Array;
  readonly #offsetOf: Float64Array;
  #unmatched: number;
  #basis = -1;
  /** Block that would continue the run at the present position. */
  #expected: number = NO_BLOCK;
  #failedBytesLeft = 0;

  constructor(signature: BlockSignature, strongSum: StrongSum) {
    this.#signature = signature;
    this.#strongSum = strongSum;
    this.#index = indexSignature(signature);
    this.#scanner = createWeakScanner(this.#index, signature.blockLength);
    this.#strongMask = strongMask(signature.strongLength);
    this.#basisOf = new Int32Array(signature.blockCount).fill(UNMATCHED);
    this.#offsetOf = new Float64Array(signature.blockCount);
    this.#unmatched = signature.blockCount;
    this.shortLength = signature.contentLength % signature.blockLength;
    this.windowLength = Math.max(WINDOW_LENGTH, WINDOW_BLOCKS * signature.blockLength);
  }

  /** True once every block was found; more searching finds nothing. */
  get isComplete(): boolean {
    return this.#unmatched === 0;
  }

  get isShortBlockMatched(): boolean {
    return this.shortLength === 0 || this.#basisOf[this.#signature.blockCount - 1] !== UNMATCHED;
  }

  /** The windows that follow are of the next basis file. */
  beginBasis(): void {
    this.#basis++;
    this.#expected = NO_BLOCK;
  }

  /**
   * Searches `window`, which lies at `windowOffset` of the present basis. Keeps nothing of it.
   * @returns the basis offset at which the next window must start; less than a block is left of this one then
   */
  searchWindow(window: Uint8Array, windowOffset: number): number {
    const { blockLength } = this.#signature;
    const last = window.length - blockLength;
    this.#failedBytesLeft = Math.min(
      MAX_FAILED_BYTES,
      this.#failedBytesLeft + FAILED_BYTES_PER_SCANNED_BYTE * Math.max(window.length, blockLength),
    );
    let position = 0;
    this.#tryExpectedShortBlock(window, windowOffset, position);
    while (position <= last && !this.isComplete) {
      this.#scanner.seek(window, position);
      const found = this.#continues(window) || this.#findNext(window, last);
      position = this.#scanner.position;
      if (!found) {
        this.#expected = NO_BLOCK;
        position++;
        continue;
      }
      this.#take(this.#expected, windowOffset + position);
      position += blockLength;
      this.#expected++;
      this.#tryExpectedShortBlock(window, windowOffset, position);
    }
    return windowOffset + position;
  }

  /** Tries the trailing short block on bytes that lie at `basisOffset` of the present basis. */
  tryShortBlock(bytes: Uint8Array, basisOffset: number): void {
    const block = this.#signature.blockCount - 1;
    if (bytes.length !== this.shortLength || this.isShortBlockMatched) return;
    if (weakSum(bytes, 0, bytes.length) !== this.#signature.weak[block]) return;
    this.#strongSum.sum(bytes, 0, bytes.length);
    if (this.#hasStrongSum(block)) this.#assign(block, basisOffset);
  }

  /** What was found so far. */
  result(): MatchResult {
    const { blockCount, blockLength, contentLength } = this.#signature;
    const runs: MatchedRun[] = [];
    const covered = new RangeSet();
    for (let block = 0; block < blockCount;) {
      const first = block++;
      if (this.#basisOf[first] === UNMATCHED) continue;
      while (block < blockCount && this.#follows(block)) block++;
      const targetOffset = first * blockLength;
      const end = Math.min(contentLength, block * blockLength);
      runs.push({
        targetOffset,
        basis: this.#basisOf[first]!,
        basisOffset: this.#offsetOf[first]!,
        length: end - targetOffset,
      });
      covered.add(targetOffset, end);
    }
    return { runs, covered };
  }

  /** True if the block at the scanner's position is the expected one, which needs no look-up. */
  #continues(window: Uint8Array): boolean {
    const { blockLength, weak } = this.#signature;
    const expected = this.#expected;
    if (expected === NO_BLOCK || (expected + 1) * blockLength > this.#signature.contentLength) return false;
    if (weak[expected] !== this.#scanner.weak) return false;
    this.#strongSum.sum(window, this.#scanner.position, this.#scanner.position + blockLength);
    return this.#hasStrongSum(expected);
  }

  /** Scans on to the next block of the signature and makes it the expected one. */
  #findNext(window: Uint8Array, last: number): boolean {
    const { blockLength } = this.#signature;
    while (this.#scanner.find(last)) {
      const { position } = this.#scanner;
      this.#strongSum.sum(window, position, position + blockLength);
      const leader = this.#leaderWithSums(this.#scanner.weak);
      if (leader !== NO_BLOCK) {
        this.#expected = leader;
        return true;
      }
      this.#failedBytesLeft -= blockLength;
      if (this.#failedBytesLeft > 0) {
        if (!this.#scanner.step(last)) return false;
      } else {
        // Sums made to collide: what is skipped costs at most a match.
        this.#scanner.seek(window, Math.min(last, position + blockLength));
        if (this.#scanner.position === last) return false;
      }
    }
    return false;
  }

  #leaderWithSums(weak: number): number {
    const { bucketHead, bucketNext, bucketShift } = this.#index;
    let leader = bucketHead[spreadWeakSum(weak) >>> bucketShift]!;
    while (leader !== NO_BLOCK && !(this.#signature.weak[leader] === weak && this.#hasStrongSum(leader))) {
      leader = bucketNext[leader]!;
    }
    return leader;
  }

  #take(block: number, basisOffset: number): void {
    if (this.#basisOf[block] !== UNMATCHED) {
      // Matched before; taken anew where that makes one run of two, as in long stretches of zeros.
      const continues = block > 0 && this.#isAt(block - 1, basisOffset - this.#signature.blockLength);
      if (continues && !this.#follows(block)) this.#assign(block, basisOffset);
      return;
    }
    const { groupNext, leader } = this.#index;
    for (let member = leader[block]!; member !== NO_BLOCK; member = groupNext[member]!) {
      this.#assign(member, basisOffset);
    }
  }

  #assign(block: number, basisOffset: number): void {
    if (this.#basisOf[block] === UNMATCHED) this.#unmatched--;
    this.#basisOf[block] = this.#basis;
    this.#offsetOf[block] = basisOffset;
  }

  #tryExpectedShortBlock(window: Uint8Array, windowOffset: number, position: number): void {
    if (this.shortLength === 0 || this.#expected !== this.#signature.blockCount - 1) return;
    this.tryShortBlock(window.subarray(position, position + this.shortLength), windowOffset + position);
  }

  #isAt(block: number, basisOffset: number): boolean {
    return this.#basisOf[block] === this.#basis && this.#offsetOf[block] === basisOffset;
  }

  /** True if a matched block continues the run of the one before it. */
  #follows(block: number): boolean {
    return (
      this.#basisOf[block] === this.#basisOf[block - 1] &&
      this.#offsetOf[block] === this.#offsetOf[block - 1]! + this.#signature.blockLength
    );
  }

  #hasStrongSum(block: number): boolean {
    const { strongHigh, strongLow } = this.#signature;
    return (
      strongHigh[block] === (this.#strongSum.high & this.#strongMask.high) >>> 0 &&
      strongLow[block] === (this.#strongSum.low & this.#strongMask.low) >>> 0
    );
  }
}

function strongMask(strongLength: number): { readonly high: number; readonly low: number } {
  const maskOf = (bytes: number): number => (bytes <= 0 ? 0 : bytes >= 4 ? -1 : -1 << (32 - 8 * bytes));
  return { high: maskOf(strongLength), low: maskOf(strongLength - 4) };
}
