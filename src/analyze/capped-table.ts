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
  /** The numbers of the row at a slot lie side by side, from `slot * columns` on: a large table costs one miss of the cache per row. */
  values: Float64Array;
  readonly #shape: CappedTableShape;
  /** Pairs; both 0 is an empty slot, so that this key is held as (0, 1). */
  #keys: Uint32Array;
  #slots = FEWEST_SLOTS;

  constructor(shape: CappedTableShape) {
    this.#shape = shape;
    this.values = new Float64Array(shape.columns * FEWEST_SLOTS);
    this.#keys = new Uint32Array(2 * FEWEST_SLOTS);
  }

  /** Where the row of a key lies until the next new key; -1 if the sample leaves the key out. */
  slotOf(first: number, second: number): number {
    if (!this.#isSampled(first, second)) return -1;
    const held = first === 0 && second === 0 ? 1 : second;
    const slot = this.#place(first, held);
    if (this.#isUsed(slot)) return slot;
    if (this.rows >= this.#shape.maxRows) {
      this.#thin();
      return this.slotOf(first, second);
    }
    if (this.rows >= MOST_FILLED * this.#slots) {
      this.#rebuild(2 * this.#slots);
      return this.slotOf(first, second);
    }
    this.#keys[2 * slot] = first;
    this.#keys[2 * slot + 1] = held;
    this.rows++;
    return slot;
  }

  /** The same for a key that is there; -1 if it is not. */
  find(first: number, second: number): number {
    const slot = this.#place(first, first === 0 && second === 0 ? 1 : second);
    return this.#isUsed(slot) ? slot : -1;
  }

  /** Slots that hold a row, in no order. */
  *slots(): Generator<number> {
    for (let slot = 0; slot < this.#slots; slot++) if (this.#isUsed(slot)) yield slot;
  }

  firstOf(slot: number): number {
    return this.#keys[2 * slot]!;
  }

  secondOf(slot: number): number {
    return this.#keys[2 * slot + 1]!;
  }

  #isUsed(slot: number): boolean {
    return (this.#keys[2 * slot]! | this.#keys[2 * slot + 1]!) !== 0;
  }

  #isSampled(first: number, second: number): boolean {
    if (this.scale === 1) return true;
    // Scrambled once more: the place of a row hangs on other bits.
    const drawn =
      this.#shape.sampledBy === "first" ? mixBits(first ^ 0x5bd1e995) : mixBits(hashOf(first, second) ^ 0x27d4eb2f);
    return (drawn & (this.scale - 1)) === 0;
  }

  #place(first: number, second: number): number {
    const keys = this.#keys;
    const last = this.#slots - 1;
    let slot = hashOf(first, second) & last;
    for (;;) {
      const heldFirst = keys[2 * slot]!;
      const heldSecond = keys[2 * slot + 1]!;
      if ((heldFirst === first && heldSecond === second) || (heldFirst | heldSecond) === 0) return slot;
      slot = (slot + 1) & last;
    }
  }

  #thin(): void {
    this.scale *= 2;
    this.#rebuild(this.#slots);
  }

  #rebuild(slots: number): void {
    const [keys, values, { columns }] = [this.#keys, this.values, this.#shape];
    this.#keys = new Uint32Array(2 * slots);
    this.values = new Float64Array(columns * slots);
    this.#slots = slots;
    this.rows = 0;
    for (let old = 0; 2 * old < keys.length; old++) {
      const [first, second] = [keys[2 * old]!, keys[2 * old + 1]!];
      if ((first | second) === 0 || !this.#isSampled(first, second)) continue;
      const slot = this.#place(first, second);
      this.#keys[2 * slot] = first;
      this.#keys[2 * slot + 1] = second;
      for (let column = 0; column < columns; column++)
        this.values[slot * columns + column] = values[old * columns + column]!;
      this.rows++;
    }
  }
}

function hashOf(first: number, second: number): number {
  return mixBits(first ^ Math.imul(second, 0x9e3779b1));
}
