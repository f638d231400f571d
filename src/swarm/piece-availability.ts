import type { Random } from "../core/clock.ts";

const NOT_OPEN = -1;
/** Pieces that are looked at beyond the lowest open one: more than are under way at a time on a fast line. */
const MOST_AHEAD = 1_024;

/**
 * How many peers other than the origin offer each wanted piece, and the pieces not yet begun in order of rarity.
 *
 * Invariant: an open piece lies in the bucket of its count, at `#position`. Changing a count and removing a piece are
 * O(1); a pick costs as many steps as it meets pieces that are not acceptable.
 */
export class PieceAvailability {
  readonly #counts: Uint16Array;
  readonly #position: Int32Array;
  readonly #buckets: number[][] = [[]];
  #openCount = 0;
  /** No open piece lies below. */
  #lowest = 0;
  /** Wanted pieces that nobody but the origin offers. */
  #unofferedCount = 0;

  /** @param pieceCount of the bundle */
  constructor(pieceCount: number) {
    this.#counts = new Uint16Array(pieceCount);
    this.#position = new Int32Array(pieceCount).fill(NOT_OPEN);
  }

  /** Pieces that are wanted and not yet begun. */
  get openCount(): number {
    return this.#openCount;
  }

  /** Wanted pieces, begun or not, that no peer other than the origin offers. */
  get unofferedCount(): number {
    return this.#unofferedCount;
  }

  /** The piece is wanted; once, before anything is said of it. */
  want(piece: number): void {
    this.#unofferedCount++;
    this.open(piece);
  }

  /** The piece is here: offers of it are to be taken back before, and nothing is said of it any more. */
  done(piece: number): void {
    if (this.#counts[piece] === 0) this.#unofferedCount--;
  }

  countOf(piece: number): number {
    return this.#counts[piece]!;
  }

  isOpen(piece: number): boolean {
    return this.#position[piece] !== NOT_OPEN;
  }

  /** A peer offers (+1) or no longer offers (−1) the wanted piece. */
  change(piece: number, by: 1 | -1): void {
    const wasOpen = this.isOpen(piece);
    if (wasOpen) this.close(piece);
    const count = (this.#counts[piece]! += by);
    if (count === 0) this.#unofferedCount++;
    else if (count === 1 && by === 1) this.#unofferedCount--;
    if (wasOpen) this.open(piece);
  }

  /** The piece is wanted and nobody works on it. */
  open(piece: number): void {
    if (this.isOpen(piece)) return;
    const count = this.#counts[piece]!;
    while (this.#buckets.length <= count) this.#buckets.push([]);
    const bucket = this.#buckets[count]!;
    this.#position[piece] = bucket.length;
    bucket.push(piece);
    this.#openCount++;
    this.#lowest = Math.min(this.#lowest, piece);
  }

  close(piece: number): void {
    const position = this.#position[piece]!;
    if (position === NOT_OPEN) return;
    const bucket = this.#buckets[this.#counts[piece]!]!;
    const last = bucket.pop()!;
    if (last !== piece) {
      bucket[position] = last;
      this.#position[last] = position;
    }
    this.#position[piece] = NOT_OPEN;
    this.#openCount--;
  }

  /** The first open piece that is acceptable; undefined, too, if it is not among the next hundreds: no look at all of them for each pick. */
  pickFirst(isAcceptable: (piece: number) => boolean): number | undefined {
    const { length } = this.#position;
    while (this.#lowest < length && !this.isOpen(this.#lowest)) this.#lowest++;
    const end = Math.min(length, this.#lowest + MOST_AHEAD);
    for (let piece = this.#lowest; piece < end; piece++) {
      if (this.isOpen(piece) && isAcceptable(piece)) return piece;
    }
    return undefined;
  }

  /**
   * The rarest open piece that is acceptable, at random among equally rare ones.
   * @param counts `from` … `to` (inclusive): offered by that many peers
   */
  pickRarest(
    isAcceptable: (piece: number) => boolean,
    random: Random,
    counts: { readonly from: number; readonly to: number },
  ): number | undefined {
    const highest = Math.min(counts.to, this.#buckets.length - 1);
    for (let count = counts.from; count <= highest; count++) {
      const found = pickFrom(this.#buckets[count]!, isAcceptable, random);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

function pickFrom(
  bucket: readonly number[],
  isAcceptable: (piece: number) => boolean,
  random: Random,
): number | undefined {
  const start = Math.floor(random() * bucket.length);
  for (let step = 0; step < bucket.length; step++) {
    const piece = bucket[(start + step) % bucket.length]!;
    if (isAcceptable(piece)) return piece;
  }
  return undefined;
}
