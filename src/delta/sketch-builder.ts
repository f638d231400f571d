import { hash } from "node:crypto";
import { MAX_HANDPRINTS, type Sketch } from "./sketch.ts";
import type { StrongSum } from "./strong-sum.ts";

/** No boundary in the first bytes of a chunk: they are passed over, as FastCDC does (USENIX ATC 2016). */
const MIN_CHUNK_LENGTH = 1024;
/** A chunk ends here at the latest. Without low-entropy data one in e⁷ does; such chunks are left out of sketches. */
const MAX_CHUNK_LENGTH: number = 32 * 1024;
/** A boundary is where the upper 12 bits of the gear sum are 0: every 4 KiB on average. */
const BOUNDARY_SHIFT = 32 - 12;

/** One number per byte value: the first four bytes of its SHA-256, big-endian. */
const GEAR = Uint32Array.from({ length: 256 }, (_, byte) =>
  hash("sha256", Uint8Array.of(byte), "buffer").readUInt32BE(),
);

/**
 * Makes the sketch of a content that streams by, in slices of any length. The gear sum (h = 2h + GEAR[byte], 32 bits) depends
 * on the last 32 bytes alone, so boundaries move with the bytes. A chunk's xxHash64 gives its rank (upper half) and its
 * handprint (lower half): what was chosen for being small stays spread over all values.
 *
 * Invariant: `#carry` is the begun chunk, shorter than {@link MAX_CHUNK_LENGTH} between calls and no longer than it need be: a
 * mirror may have thousands of contents begun.
 */
export class SketchBuilder {
  readonly #strongSum: StrongSum;
  #carry: Uint8Array = new Uint8Array(0);
  /** Chosen chunks, ascending by rank, then handprint. */
  readonly #ranks: number[] = [];
  readonly #handprints: number[] = [];

  constructor(strongSum: StrongSum) {
    this.#strongSum = strongSum;
  }

  /** The next bytes of the content. */
  update(bytes: Uint8Array): void {
    let position = this.#finishCarried(bytes);
    while (position < bytes.length) {
      const end = chunkEnd(bytes, position);
      if (end === undefined) break;
      this.#take(bytes, position, end);
      position = end;
    }
    if (position < bytes.length) this.#carry = bytes.slice(position);
  }

  /** The content ended. */
  digest(): Sketch {
    this.#offer(this.#carry, 0, this.#carry.length);
    this.#carry = new Uint8Array(0);
    return [...this.#handprints];
  }

  /** Ends the begun chunk with the first of `bytes`. @returns how many of them it took; all if it does not end there */
  #finishCarried(bytes: Uint8Array): number {
    const before = this.#carry.length;
    if (before === 0) return 0;
    const joined = Buffer.concat([this.#carry, bytes.subarray(0, MAX_CHUNK_LENGTH)]);
    const end = chunkEnd(joined, 0);
    this.#carry = end === undefined ? joined : new Uint8Array(0);
    if (end === undefined) return bytes.length;
    this.#take(joined, 0, end);
    return end - before;
  }

  #take(bytes: Uint8Array, start: number, end: number): void {
    if (end - start < MAX_CHUNK_LENGTH) this.#offer(bytes, start, end);
  }

  #offer(bytes: Uint8Array, start: number, end: number): void {
    if (start === end) return;
    this.#strongSum.sum(bytes, start, end);
    const { high: rank, low: handprint } = this.#strongSum;
    let place = this.#ranks.length;
    while (place > 0 && isAfter(this.#ranks[place - 1]!, this.#handprints[place - 1]!, { rank, handprint })) place--;
    if (place === MAX_HANDPRINTS || this.#handprints.includes(handprint)) return;
    this.#ranks.splice(place, 0, rank);
    this.#handprints.splice(place, 0, handprint);
    this.#ranks.length = this.#handprints.length = Math.min(MAX_HANDPRINTS, this.#ranks.length);
  }
}

function isAfter(
  rank: number,
  handprint: number,
  other: { readonly rank: number; readonly handprint: number },
): boolean {
  return rank > other.rank || (rank === other.rank && handprint > other.handprint);
}

/** Where the chunk that begins at `start` ends; undefined if `bytes` end before it does. */
function chunkEnd(bytes: Uint8Array, start: number): number | undefined {
  const last = Math.min(bytes.length, start + MAX_CHUNK_LENGTH);
  let gear = 0;
  // The sum is complete, with 32 bytes in it, at the first position where a boundary may be.
  let position = start + MIN_CHUNK_LENGTH - 32;
  while (position < last) {
    gear = ((gear << 1) + GEAR[bytes[position]!]!) | 0;
    position++;
    if (gear >>> BOUNDARY_SHIFT === 0 && position >= start + MIN_CHUNK_LENGTH) return position;
  }
  return position === start + MAX_CHUNK_LENGTH ? position : undefined;
}
