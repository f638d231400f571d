import { NO_BLOCK, spreadWeakSum, type SignatureIndex } from "./signature-index.ts";
import { weakSum } from "./weak-sum.ts";

/**
 * The inner loop of the plain search. It knows weak sums only: it stops wherever a block of the signature has the weak sum of
 * the basis bytes at its position.
 */
export class WeakScanner {
  /** Offset in the window of the block that is summed. */
  position = 0;
  readonly #index: SignatureIndex;
  readonly #blockLength: number;
  #window: Uint8Array = new Uint8Array(0);
  // The halves of the sum, mod 2³² instead of 2¹⁶ while rolling: the upper bits never reach the lower ones.
  #a = 0;
  #b = 0;

  constructor(index: SignatureIndex, blockLength: number) {
    this.#index = index;
    this.#blockLength = blockLength;
  }

  /** Weak sum of that block, unsigned. */
  get weak(): number {
    return ((this.#a & 0xffff) | (this.#b << 16)) >>> 0;
  }

  /** Sums the block at `position` of `window`, of which a whole block must be left. */
  seek(window: Uint8Array, position: number): void {
    const sum = weakSum(window, position, position + this.#blockLength);
    this.#window = window;
    this.#a = sum & 0xffff;
    this.#b = sum >>> 16;
    this.position = position;
  }

  /** Rolls on until the weak sum is in the index, at `last` at most; the present position counts. False if none is. */
  find(last: number): boolean {
    const { filter, filterShift } = this.#index;
    const window = this.#window;
    const blockLength = this.#blockLength;
    let position = this.position;
    let a = this.#a;
    let b = this.#b;
    let found = false;
    for (;;) {
      const sum = (a & 0xffff) | (b << 16);
      const spread = spreadWeakSum(sum);
      if ((filter[spread >>> filterShift]! & (1 << (spread & 7))) !== 0 && this.#isIndexed(sum >>> 0)) {
        found = true;
        break;
      }
      if (position >= last) break;
      const leaving = window[position]!;
      a = (a - leaving + window[position + blockLength]!) | 0;
      b = (b - Math.imul(blockLength, leaving) + a) | 0;
      position++;
    }
    this.position = position;
    this.#a = a;
    this.#b = b;
    return found;
  }

  /** One byte on; false if the position is `last` already. */
  step(last: number): boolean {
    if (this.position >= last) return false;
    const leaving = this.#window[this.position]!;
    this.#a = (this.#a - leaving + this.#window[this.position + this.#blockLength]!) | 0;
    this.#b = (this.#b - Math.imul(this.#blockLength, leaving) + this.#a) | 0;
    this.position++;
    return true;
  }

  #isIndexed(sum: number): boolean {
    const { bucketHead, bucketNext, bucketShift, weak } = this.#index;
    let leader = bucketHead[spreadWeakSum(sum) >>> bucketShift]!;
    while (leader !== NO_BLOCK && weak[leader] !== sum) leader = bucketNext[leader]!;
    return leader !== NO_BLOCK;
  }
}
