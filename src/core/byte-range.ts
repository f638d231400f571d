import { CoreError } from "./errors.ts";

/** Half-open range of byte offsets: `start` ≤ offset < `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** @throws CoreError `bad-range` unless 0 ≤ start ≤ end and both are safe integers */
export function byteRange(start: number, end: number): ByteRange {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || start > end) {
    throw new CoreError("bad-range", `expected 0 ≤ start ≤ end, got ${start}…${end}`);
  }
  return { start, end };
}

/** Of all empty sets; never changed. */
const NO_BOUNDS: number[] = [];

/**
 * Set of byte offsets, kept as sorted, disjoint, non-adjacent, non-empty ranges. Adding and removing cost
 * O(log n + touched ranges) plus the move of the array's tail.
 */
export class RangeSet {
  #starts: number[] = NO_BOUNDS;
  #ends: number[] = NO_BOUNDS;
  #totalBytes = 0;

  static of(...ranges: readonly ByteRange[]): RangeSet {
    const set = new RangeSet();
    for (const range of ranges) set.add(range.start, range.end);
    return set;
  }

  /** How many offsets the set holds. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  get isEmpty(): boolean {
    return this.#totalBytes === 0;
  }

  get rangeCount(): number {
    return this.#starts.length;
  }

  add(start: number, end: number): void {
    byteRange(start, end);
    if (start === end) return;
    if (this.#totalBytes === 0) {
      // Such lists have no room to grow: most sets hold one range for good, and there may be millions of them.
      this.#starts = [start];
      this.#ends = [end];
      this.#totalBytes = end - start;
      return;
    }
    // All ranges that overlap or touch [start, end) melt into one.
    const first = firstIndexWhere(this.#ends, start);
    let last = first;
    let mergedStart = start;
    let mergedEnd = end;
    let removed = 0;
    while (last < this.#starts.length && this.#starts[last]! <= end) {
      mergedStart = Math.min(mergedStart, this.#starts[last]!);
      mergedEnd = Math.max(mergedEnd, this.#ends[last]!);
      removed += this.#ends[last]! - this.#starts[last]!;
      last++;
    }
    this.#starts.splice(first, last - first, mergedStart);
    this.#ends.splice(first, last - first, mergedEnd);
    this.#totalBytes += mergedEnd - mergedStart - removed;
  }

  remove(start: number, end: number): void {
    byteRange(start, end);
    if (start === end || this.#totalBytes === 0) return;
    const first = firstIndexWhere(this.#ends, start + 1);
    let last = first;
    const keptStarts: number[] = [];
    const keptEnds: number[] = [];
    while (last < this.#starts.length && this.#starts[last]! < end) {
      const rangeStart = this.#starts[last]!;
      const rangeEnd = this.#ends[last]!;
      if (rangeStart < start) {
        keptStarts.push(rangeStart);
        keptEnds.push(start);
      }
      if (rangeEnd > end) {
        keptStarts.push(end);
        keptEnds.push(rangeEnd);
      }
      this.#totalBytes -= Math.min(rangeEnd, end) - Math.max(rangeStart, start);
      last++;
    }
    this.#starts.splice(first, last - first, ...keptStarts);
    this.#ends.splice(first, last - first, ...keptEnds);
    if (this.#totalBytes === 0) this.#starts = this.#ends = NO_BOUNDS;
  }

  addAll(other: Iterable<ByteRange>): void {
    for (const range of other) this.add(range.start, range.end);
  }

  covers(start: number, end: number): boolean {
    if (start === end) return true;
    const index = firstIndexWhere(this.#ends, start + 1);
    return index < this.#starts.length && this.#starts[index]! <= start && this.#ends[index]! >= end;
  }

  /** The parts of [start, end) that the set holds. */
  *within(start: number, end: number): Generator<ByteRange> {
    for (let i = firstIndexWhere(this.#ends, start + 1); i < this.#starts.length && this.#starts[i]! < end; i++) {
      yield { start: Math.max(start, this.#starts[i]!), end: Math.min(end, this.#ends[i]!) };
    }
  }

  /** The parts of [start, end) that the set lacks. */
  *missingIn(start: number, end: number): Generator<ByteRange> {
    let position = start;
    for (const held of this.within(start, end)) {
      if (held.start > position) yield { start: position, end: held.start };
      position = held.end;
    }
    if (position < end) yield { start: position, end };
  }

  *[Symbol.iterator](): Generator<ByteRange> {
    for (let i = 0; i < this.#starts.length; i++) yield { start: this.#starts[i]!, end: this.#ends[i]! };
  }
}

/** Index of the first element ≥ `value` of an ascending array. */
function firstIndexWhere(ascending: readonly number[], value: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ascending[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
