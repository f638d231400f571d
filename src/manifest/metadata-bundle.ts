import { encodeCanonicalObject, jsonText, type UnknownFields } from "../codec/canonical-json.ts";
import { assertPieceLength, MIN_PIECE_LENGTH } from "../core/bundle-layout.ts";
import { repoPathFromText, type RepoPath } from "../core/repo-path.ts";
import type { FieldReader } from "./field-reader.ts";

/*
 * A metadata bundle carries what mirrors need of a release besides contents. It has the layout of every bundle: each of
 * its files starts at a piece, padding is stored and sent by nobody. It can't stand in the bundle list, because it
 * carries that list and the change list with it: release.json names it.
 */

/** Files of a metadata bundle besides its objects; a release without something for one leaves it out. */
export const METADATA_FILES = {
  /** Block signatures of the release's new contents: content records. */
  signatures: "signatures",
  /** Similarity sketches of new contents: content records. */
  sketches: "sketches",
  /** How compressed contents are made again from their inner ones: JSON lines. */
  recompression: "recompression",
} as const;

export type MetadataFileName = (typeof METADATA_FILES)[keyof typeof METADATA_FILES];

/** Metadata bundles that a release names and that mirrors keep: its own and those of the releases before it. */
export const LISTED_METADATA_BUNDLES = 3;
/** As long as the whole info dictionary (20 bytes per piece) stays well below what BEP 9 readers take. */
const MAX_PIECES = 400_000;

/** A metadata bundle as release.json names it (docs/protocol.md, "Metadata bundle"). */
export interface MetadataBundleRow {
  /** Of the same count as the numbers of the bundle list; never used again. */
  readonly number: number;
  /** 40 lower-case hex digits. */
  readonly infoHash: string;
  /** With padding: a multiple of the piece length. */
  readonly lengthBytes: number;
  readonly pieceLength: number;
  /** Number of the release that it belongs to. */
  readonly release: number;
  readonly unknown?: UnknownFields;
}

/** Path of a zstd frame (chunk, index, change list, bundle list or content table) in the bundle. */
export function objectFilePath(sha256: string): RepoPath {
  return repoPathFromText(`objects/${sha256}`);
}

/** The SHA-256 of the plain bytes of an object, from its path in the bundle; undefined for another file. */
export function objectOfFilePath(path: RepoPath): string | undefined {
  return /^objects\/([0-9a-f]{64})$/.exec(path)?.[1];
}

/** Piece length in bytes: 16 KiB, doubled as often as the info dictionary asks for. @param fileLengths in bytes */
export function metadataPieceLength(fileLengths: readonly number[]): number {
  let pieceLength = MIN_PIECE_LENGTH;
  const pieces = (): number => fileLengths.reduce((sum, length) => sum + Math.ceil(length / pieceLength), 0);
  while (pieces() > MAX_PIECES) pieceLength *= 2;
  return pieceLength;
}

export function encodeMetadataRow(row: MetadataBundleRow): string {
  return encodeCanonicalObject(
    [
      ["number", jsonText(row.number)],
      ["infoHash", jsonText(row.infoHash)],
      ["length", jsonText(row.lengthBytes)],
      ["pieceLength", jsonText(row.pieceLength)],
      ["release", jsonText(row.release)],
    ],
    row.unknown,
  );
}

/** @throws ManifestError of the reader's code, CoreError `bad-layout` */
export function readMetadataRow(reader: FieldReader): MetadataBundleRow {
  const row: MetadataBundleRow = {
    number: reader.integer("number", 1),
    infoHash: reader.text("infoHash", /^[0-9a-f]{40}$/, "a SHA-1 of 40 lower-case hex digits"),
    lengthBytes: reader.integer("length", 1),
    pieceLength: reader.integer("pieceLength", 1),
    release: reader.integer("release", 1),
    ...reader.unknown(),
  };
  assertPieceLength(row.pieceLength);
  if (row.lengthBytes % row.pieceLength !== 0) reader.fail("length", `a multiple of ${row.pieceLength}`);
  return row;
}
