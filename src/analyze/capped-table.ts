import { mixBits } from "./byte-hash.ts";

export interface CappedTableShape {
  /** Numbers kept per row, 0 at first. */
  readonly columns: number;
  /** More rows than these are never kept. */
  readonly maxRows: number;
  /** What a sample is drawn by: the whole key, or its first half, so that all rows with the same first half stay or go together. */
  readonly sampledBy: "key" | "first";
}

const FEWEST_SLOTS = 1024;
const MOST_FILLED = 0.7;

/**
 * Rows of numbers under keys of two unsigned 32-bit numbers, never more than `maxRows`. When they would be, every second one by its hash is
 * dropped, and from then on only such keys are taken: what remains is a uniform sample, complete since the first line, in which
 * each row stands for {@link scale} (adaptive sampling, Wegman; Flajolet 1990). The relative standard error of a sum is about
 * 1/√rows, below 0.3 % for 2^17 rows of like weight.
 */
export class CappedTable {
  /** Each row stands for so many: 1, 2, 4, … */
  scale = 1;
  rows = 0;
  columns: readonly Float64Array[];
  readonly #shape: CappedTableShape;
  #firsts: Uint32Array;
  #seconds: Uint32Array;
  #isUsed: Uint8Array;

  constructor(shape: CappedTableShape) {
    this.#shape = shape;
    this.columns = Array.from({ length: shape.columns }, () => new Float64Array(FEWEST_SLOTS));
    this.#firsts = new Uint32Array(FEWEST_SLOTS);
    this.#seconds = new Uint32Array(FEWEST_SLOTS);
    this.#isUsed = new Uint8Array(FEWEST_SLOTS);
  }

  /** Where the row of a key lies until the next new key; -1 if the sample leaves the key out. */
  slotOf(first: number, second: number): number {
    if (!this.#isSampled(first, second)) return -1;
    const slot = this.#place(first, second);
    if (this.#isUsed[slot] === 1) return slot;
    if (this.rows >= this.#shape.maxRows) {
      this.#thin();
      return this.slotOf(first, second);
    }
    if (this.rows >= MOST_FILLED * this.#isUsed.length) {
      this.#rebuild(2 * this.#isUsed.length);
      return this.slotOf(first, second);
    }
    this.#isUsed[slot] = 1;
    this.#firsts[slot] = first;
    this.#seconds[slot] = second;
    this.rows++;
    return slot;
  }

  /** The same for a key that is there; -1 if it is not. */
  find(first: number, second: number): number {
    const slot = this.#place(first, second);
    return this.#isUsed[slot] === 1 ? slot : -1;
  }

  /** Slots that hold a row, in no order. */
  *slots(): Generator<number> {
    for (let slot = 0; slot < this.#isUsed.length; slot++) if (this.#isUsed[slot] === 1) yield slot;
  }

  firstOf(slot: number): number {
    return this.#firsts[slot]!;
  }

  secondOf(slot: number): number {
    return this.#seconds[slot]!;
  }

  #isSampled(first: number, second: number): boolean {
    if (this.scale === 1) return true;
    // Scrambled once more: the place of a row hangs on other bits.
    const drawn =
      this.#shape.sampledBy === "first" ? mixBits(first ^ 0x5bd1e995) : mixBits(hashOf(first, second) ^ 0x27d4eb2f);
    return (drawn & (this.scale - 1)) === 0;
  }

  #place(first: number, second: number): number {
    const last = this.#isUsed.length - 1;
    let slot = hashOf(first, second) & last;
    while (this.#isUsed[slot] === 1 && (this.#firsts[slot] !== first || this.#seconds[slot] !== second))
      slot = (slot + 1) & last;
    return slot;
  }

  #thin(): void {
    this.scale *= 2;
    this.#rebuild(this.#isUsed.length);
  }

  #rebuild(length: number): void {
    const [firsts, seconds, isUsed, columns] = [this.#firsts, this.#seconds, this.#isUsed, this.columns];
    this.#firsts = new Uint32Array(length);
    this.#seconds = new Uint32Array(length);
    this.#isUsed = new Uint8Array(length);
    this.columns = columns.map(() => new Float64Array(length));
    this.rows = 0;
    for (let old = 0; old < isUsed.length; old++) {
      if (isUsed[old] === 0 || !this.#isSampled(firsts[old]!, seconds[old]!)) continue;
      const slot = this.#place(firsts[old]!, seconds[old]!);
      this.#isUsed[slot] = 1;
      this.#firsts[slot] = firsts[old]!;
      this.#seconds[slot] = seconds[old]!;
      this.columns.forEach((column, index) => (column[slot] = columns[index]![old]!));
      this.rows++;
    }
  }
}

function hashOf(first: number, second: number): number {
  return mixBits(first ^ Math.imul(second, 0x9e3779b1));
}
