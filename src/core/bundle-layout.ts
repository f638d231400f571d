import { CoreError } from "./errors.ts";

/** Where a content lies in its bundle. Offsets and lengths in bytes. */
export interface PlacedContent {
  /** Position in the bundle's content table. */
  readonly ordinal: number;
  /** Offset of the first byte; always a multiple of the piece length. */
  readonly offset: number;
  /** Length without padding; at least 1. */
  readonly length: number;
  readonly firstPiece: number;
  readonly pieceCount: number;
}

/** Longest padded length of one bundle, unless a single content is longer. */
export const MAX_BUNDLE_BYTES: number = 4 * 2 ** 30;
/** Most contents in one bundle: a .torrent above 10 MB is refused by libtorrent. */
export const MAX_BUNDLE_CONTENTS = 32_768;
/** Piece lengths a bundle may have ("swarm size"): powers of two, BEP 3's usual range. */
export const MIN_PIECE_LENGTH: number = 16 * 1024;
export const MAX_PIECE_LENGTH: number = 16 * 1024 * 1024;

/**
 * Geometry of a content bundle (BEP 3 + BEP 47): every content starts at a piece and is followed by zeros up to the
 * next piece, the last one too, so a piece belongs to exactly one content, all pieces have the full length, and the
 * hash of a piece depends on its content alone. Padding is stored by nobody.
 */
export class BundleLayout {
  readonly pieceLength: number;
  readonly contentCount: number;
  readonly pieceCount: number;
  readonly totalLengthBytes: number;
  readonly #lengths: readonly number[];
  /** First piece of each content, and the piece count at the end. */
  readonly #firstPieces: Float64Array;

  /**
   * @param rule on piece lengths: the format's unless a simulation tries others
   * @throws CoreError `bad-layout` for an odd piece length, an empty or absurdly long content, or no content
   */
  constructor(lengths: readonly number[], pieceLength: number, rule: PieceLengthRule = assertPieceLength) {
    rule(pieceLength);
    if (lengths.length === 0) throw new CoreError("bad-layout", "a bundle needs at least one content");
    this.pieceLength = pieceLength;
    this.contentCount = lengths.length;
    this.#lengths = lengths;
    this.#firstPieces = new Float64Array(lengths.length + 1);
    let piece = 0;
    lengths.forEach((length, ordinal) => {
      if (!Number.isSafeInteger(length) || length < 1) {
        throw new CoreError("bad-layout", `content ${ordinal} of a bundle has length ${length}`);
      }
      this.#firstPieces[ordinal] = piece;
      piece += Math.ceil(length / pieceLength);
    });
    this.#firstPieces[lengths.length] = piece;
    if (piece > 0x7fff_ffff) throw new CoreError("bad-layout", `a bundle of ${piece} pieces has too many`);
    this.pieceCount = piece;
    this.totalLengthBytes = piece * pieceLength;
  }

  content(ordinal: number): PlacedContent {
    const length = this.#lengths[ordinal];
    if (length === undefined) throw new RangeError(`content ${ordinal} of ${this.contentCount}`);
    const firstPiece = this.#firstPieces[ordinal]!;
    const pieceCount = this.#firstPieces[ordinal + 1]! - firstPiece;
    return { ordinal, offset: firstPiece * this.pieceLength, length, firstPiece, pieceCount };
  }

  /** The content a piece belongs to. */
  contentOfPiece(piece: number): PlacedContent {
    if (!Number.isInteger(piece) || piece < 0 || piece >= this.pieceCount) {
      throw new RangeError(`piece ${piece} of ${this.pieceCount}`);
    }
    let low = 0;
    let high = this.contentCount - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#firstPieces[middle]! <= piece) low = middle;
      else high = middle - 1;
    }
    return this.content(low);
  }

  /** Bytes of a piece that are content; the rest up to the piece length is padding. */
  dataLengthOfPiece(piece: number): number {
    const content = this.contentOfPiece(piece);
    return Math.min(this.pieceLength, content.length - (piece - content.firstPiece) * this.pieceLength);
  }
}

/** Throws if a bundle may not have pieces of so many bytes. */
export type PieceLengthRule = (pieceLength: number) => void;

/** What BEP 3 itself allows: its early clients had pieces of any length. @throws CoreError `bad-layout` */
export function assertAnyPieceLength(pieceLength: number): void {
  if (!Number.isSafeInteger(pieceLength) || pieceLength < 1) {
    throw new CoreError("bad-layout", `piece length ${pieceLength} is not a positive number of bytes`);
  }
}

/** @throws CoreError `bad-layout` unless a power of two within the allowed range */
export function assertPieceLength(pieceLength: number): void {
  const isPowerOfTwo = Number.isInteger(pieceLength) && pieceLength > 0 && (pieceLength & (pieceLength - 1)) === 0;
  if (!isPowerOfTwo || pieceLength < MIN_PIECE_LENGTH || pieceLength > MAX_PIECE_LENGTH) {
    throw new CoreError("bad-layout", `piece length ${pieceLength} is not a power of two from 16 KiB to 16 MiB`);
  }
}
