import { MAX_LINE_BYTES, type LogBlock } from "./log-block.ts";

const LINE_FEED = 0x0a;

/**
 * Cuts a stream into blocks of whole lines. What is carried from one block to the next is {@link MAX_LINE_BYTES} at most, whatever
 * comes: a line that grows beyond it is skipped and counted.
 */
export class BlockCutter {
  #block: LogBlock;
  /** Of the block's bytes, the begun line included. */
  #filled = 0;
  #isSkipping = false;

  constructor(block: LogBlock) {
    this.#block = block;
  }

  /** Takes bytes from `at` on until the block is full. @returns how many; fewer than were there if it is */
  take(chunk: Uint8Array, at: number): number {
    let from = at;
    if (this.#isSkipping) {
      const end = chunk.indexOf(LINE_FEED, from);
      if (end < 0) return chunk.length - at;
      this.#isSkipping = false;
      from = end + 1;
    }
    const taken = chunk.subarray(from, from + this.#block.bytes.length - this.#filled);
    this.#block.bytes.set(taken, this.#filled);
    this.#filled += taken.length;
    return from + taken.length - at;
  }

  /** Ends the block after its last whole line and goes on in `next`, which is clear. @returns the ended block */
  turn(next: LogBlock): LogBlock {
    const ended = this.#block;
    const length = ended.bytes.subarray(0, this.#filled).lastIndexOf(LINE_FEED) + 1;
    const begun = ended.bytes.subarray(length, this.#filled);
    ended.lengthBytes = length;
    this.#block = next;
    this.#filled = 0;
    if (begun.length > MAX_LINE_BYTES) {
      ended.tooLong++;
      this.#isSkipping = true;
    } else if (begun.length > 0) {
      next.bytes.set(begun);
      this.#filled = begun.length;
    }
    return ended;
  }

  /**
   * The stream ended, perhaps without an end of its last line.
   * @param isCut that line may go on where nothing can be read any more: it is left out
   * @returns the last block
   */
  end(isCut: boolean): LogBlock {
    const { bytes } = this.#block;
    this.#block.lengthBytes = isCut ? bytes.subarray(0, this.#filled).lastIndexOf(LINE_FEED) + 1 : this.#filled;
    return this.#block;
  }
}
