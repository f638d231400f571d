import {
  FAILED_BYTES_PER_SCANNED_BYTE,
  followsInBasis,
  joinRuns,
  MAX_FAILED_BYTES,
  MIN_TRUSTED_STRONG_LENGTH,
  UNMATCHED,
  windowLengthFor,
  type FoundBlocks,
  type MatchResult,
  type MatchSearch,
} from "./match-search.ts";
import type { BlockSignature } from "./signature.ts";
import { indexSignature, NO_BLOCK, spreadWeakSum, type SignatureIndex } from "./signature-index.ts";
import type { StrongSum } from "./strong-sum.ts";
import { WeakScanner } from "./weak-scanner.ts";
import { weakSum } from "./weak-sum.ts";

/**
 * The search in plain TypeScript: the reference that the kernel (kernel/match-search.ts) is compared with. Memory: about
 * 50 bytes per block, whatever the length of the basis files.
 */
export class PlainMatchSearch implements MatchSearch {
  readonly window: Uint8Array;
  readonly shortLength: number;
  hashedBytes = 0;
  readonly #signature: BlockSignature;
  readonly #index: SignatureIndex;
  readonly #scanner: WeakScanner;
  readonly #strongSum: StrongSum;
  readonly #strongMask: { readonly high: number; readonly low: number };
  readonly #found: FoundBlocks;
  #unmatched: number;
  #basis = -1;
  /** Block that would continue the run at the present position. */
  #expected: number = NO_BLOCK;
  #failedBytesLeft = 0;
  /** Position in the window whose block was summed last, −1 for none. */
  #summedPosition = -1;

  constructor(signature: BlockSignature, strongSum: StrongSum) {
    const { blockLength, blockCount, contentLength, strongLength } = signature;
    this.#signature = signature;
    this.#strongSum = strongSum;
    this.#index = indexSignature(signature);
    this.#scanner = new WeakScanner(this.#index, blockLength);
    this.#strongMask = strongMask(strongLength);
    this.#found = {
      basisOf: new Int32Array(blockCount).fill(UNMATCHED),
      offsetOf: new Float64Array(blockCount),
    };
    this.#unmatched = blockCount;
    this.shortLength = contentLength % blockLength;
    this.window = new Uint8Array(windowLengthFor(blockLength));
  }

  get isComplete(): boolean {
    return this.#unmatched === 0;
  }

  get isShortBlockMatched(): boolean {
    return this.shortLength === 0 || this.#found.basisOf[this.#signature.blockCount - 1] !== UNMATCHED;
  }

  beginBasis(): void {
    this.#basis++;
    this.#expected = NO_BLOCK;
  }

  searchWindow(length: number, basisOffset: number): number {
    const { blockLength } = this.#signature;
    const last = length - blockLength;
    const allowance = this.#failedBytesLeft + FAILED_BYTES_PER_SCANNED_BYTE * Math.max(length, blockLength);
    this.#failedBytesLeft = Math.min(MAX_FAILED_BYTES, allowance);
    this.#summedPosition = -1;
    let position = 0;
    this.#tryExpectedShortBlock(position, length, basisOffset);
    while (position <= last && !this.isComplete) {
      if (!this.#continuesAt(position)) {
        position = this.#findNext(position, last);
        if (position > last) {
          this.#expected = NO_BLOCK;
          break;
        }
      }
      this.#take(this.#expected, basisOffset + position);
      position += blockLength;
      this.#expected++;
      this.#tryExpectedShortBlock(position, length, basisOffset);
    }
    return position;
  }

  tryShortBlock(basisOffset: number): void {
    if (!this.isShortBlockMatched) this.#tryShortBlockAt(0, basisOffset);
  }

  result(): MatchResult {
    return joinRuns(this.#signature, this.#found);
  }

  /** True if the block at `position` is the expected one, which needs no look-up. */
  #continuesAt(position: number): boolean {
    const { blockLength, weak, strongLength } = this.#signature;
    const expected = this.#expected;
    if (expected === NO_BLOCK || (expected + 1) * blockLength > this.#signature.contentLength) return false;
    this.#sumBlockAt(position);
    if (!this.#hasStrongSum(expected)) return false;
    if (strongLength >= MIN_TRUSTED_STRONG_LENGTH) return true;
    return weakSum(this.window, position, position + blockLength) === weak[expected];
  }

  /** Position of the next block of the signature, made the expected one; one past `last` if there is none. */
  #findNext(from: number, last: number): number {
    const { blockLength } = this.#signature;
    const scanner = this.#scanner;
    scanner.seek(this.window, from);
    while (scanner.find(last)) {
      const { position } = scanner;
      const leader = this.#leaderWithSums(scanner.weak, position);
      if (leader !== NO_BLOCK) {
        this.#expected = leader;
        return position;
      }
      this.#failedBytesLeft -= blockLength;
      if (this.#failedBytesLeft > 0) {
        if (!scanner.step(last)) break;
      } else {
        // Sums made to collide: what is skipped costs at most a match.
        if (position + blockLength >= last) break;
        scanner.seek(this.window, position + blockLength);
      }
    }
    return last + 1;
  }

  #leaderWithSums(weak: number, position: number): number {
    this.#sumBlockAt(position);
    const { bucketHead, bucketNext, bucketShift } = this.#index;
    let leader = bucketHead[spreadWeakSum(weak) >>> bucketShift]!;
    while (leader !== NO_BLOCK && !(this.#signature.weak[leader] === weak && this.#hasStrongSum(leader))) {
      leader = bucketNext[leader]!;
    }
    return leader;
  }

  #take(block: number, basisOffset: number): void {
    if (this.#found.basisOf[block] !== UNMATCHED) {
      // Matched before; taken anew where that makes one run of two, as in long stretches of zeros.
      const { blockLength } = this.#signature;
      const continues = block > 0 && this.#isAt(block - 1, basisOffset - blockLength);
      if (continues && !followsInBasis(block, blockLength, this.#found)) this.#assign(block, basisOffset);
      return;
    }
    const { groupNext, leader } = this.#index;
    for (let member = leader[block]!; member !== NO_BLOCK; member = groupNext[member]!) {
      this.#assign(member, basisOffset);
    }
  }

  #assign(block: number, basisOffset: number): void {
    if (this.#found.basisOf[block] === UNMATCHED) this.#unmatched--;
    this.#found.basisOf[block] = this.#basis;
    this.#found.offsetOf[block] = basisOffset;
  }

  #tryExpectedShortBlock(position: number, length: number, basisOffset: number): void {
    if (this.isShortBlockMatched || this.#expected !== this.#signature.blockCount - 1) return;
    if (position + this.shortLength <= length) this.#tryShortBlockAt(position, basisOffset + position);
  }

  #tryShortBlockAt(position: number, basisOffset: number): void {
    const block = this.#signature.blockCount - 1;
    const end = position + this.shortLength;
    if (weakSum(this.window, position, end) !== this.#signature.weak[block]) return;
    this.#summedPosition = -1;
    this.hashedBytes += this.shortLength;
    this.#strongSum.sum(this.window, position, end);
    if (this.#hasStrongSum(block)) this.#assign(block, basisOffset);
  }

  #isAt(block: number, basisOffset: number): boolean {
    return this.#found.basisOf[block] === this.#basis && this.#found.offsetOf[block] === basisOffset;
  }

  /** Failing as the expected block and being looked up costs one sum. */
  #sumBlockAt(position: number): void {
    if (position === this.#summedPosition) return;
    const { blockLength } = this.#signature;
    this.#strongSum.sum(this.window, position, position + blockLength);
    this.#summedPosition = position;
    this.hashedBytes += blockLength;
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
