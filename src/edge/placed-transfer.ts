import type { MirrorBundle } from "./mirror-bundle.ts";
import type { ContentPlace } from "./bundle-catalog.ts";
import type { StagedTransfer } from "./staged-transfer.ts";

/** A content on its way and where its bundle has it. */
export interface PlacedTransfer {
  readonly transfer: StagedTransfer;
  readonly place: ContentPlace;
}

/** By number of the bundle. */
export type BundleGroups = ReadonlyMap<number, readonly PlacedTransfer[]>;

/** A piece of a content. */
export interface PieceOfContent {
  readonly piece: number;
  /** Offsets within the content. */
  readonly start: number;
  readonly end: number;
}

/** The pieces of a content in its bundle, in order. */
export function* piecesOf(bundle: MirrorBundle, place: ContentPlace): Generator<PieceOfContent> {
  const { layout } = bundle;
  const { firstPiece, pieceCount } = layout.content(place.ordinal);
  for (let piece = firstPiece; piece < firstPiece + pieceCount; piece++) {
    const start = (piece - firstPiece) * layout.pieceLength;
    yield { piece, start, end: start + layout.dataLengthOfPiece(piece) };
  }
}
