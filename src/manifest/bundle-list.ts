import {
  jsonText,
  joinJsonLines,
  parseCanonicalObject,
  requireSameLine,
  splitJsonLines,
} from "../codec/canonical-json.ts";
import { encodeCanonicalObject, type UnknownFields } from "../codec/canonical-json.ts";
import { MAX_BUNDLE_CONTENTS, assertPieceLength } from "../core/bundle-layout.ts";
import { RECORD_BYTES } from "./content-table.ts";
import { ManifestError, refusing, type ManifestErrorCode } from "./errors.ts";
import { FieldReader } from "./field-reader.ts";
import { encodeObjectRef, readObjectRef, type ObjectRef } from "./object-ref.ts";

/**
 * "content": contents that files of the tree have. "inner": uncompressed streams of compressed contents; no file has
 * them, they are served by unpacking. Both have the same layout.
 */
export type BundleKind = "content" | "inner";

/** One line of the bundle list (docs/protocol.md, "Bundle list"). */
export interface BundleRow {
  /** Never used again, also after the bundle is retired. */
  readonly number: number;
  readonly kind: BundleKind;
  /** 40 lower-case hex digits. */
  readonly infoHash: string;
  /** With padding: a multiple of the piece length. */
  readonly lengthBytes: number;
  readonly pieceLength: number;
  readonly contentCount: number;
  /** Number of the release that made it. */
  readonly release: number;
  /** Its content table. */
  readonly table: ObjectRef;
  /** Name in the info dictionary, where stock clients save it: one safe part of a path. */
  readonly name: string;
  readonly unknown?: UnknownFields;
}

/** Uncompressed bytes of the list. */
export function encodeBundleList(rows: readonly BundleRow[]): Uint8Array {
  return joinJsonLines(rows.map(encodeBundleRow));
}

/** @throws ManifestError `bad-bundle-list`, `bad-order` unless the numbers ascend */
export function parseBundleList(bytes: Uint8Array): BundleRow[] {
  const rows = refusing("bad-bundle-list", "bundle list", () =>
    Array.from(splitJsonLines(bytes), (line) => {
      const row = readBundleRow(new FieldReader(parseCanonicalObject(line), "bad-bundle-list", "bundle list"));
      requireSameLine(line, encodeBundleRow(row));
      return row;
    }),
  );
  checkAscending(rows.map((row) => row.number));
  return rows;
}

/** @throws ManifestError `bad-order` */
export function checkAscending(numbers: readonly number[]): void {
  const index = numbers.findIndex((number, i) => i > 0 && number <= numbers[i - 1]!);
  if (index < 0) return;
  throw new ManifestError("bad-order", `bundles: expected a number above ${numbers[index - 1]}, got ${numbers[index]}`);
}

export function encodeBundleRow(row: BundleRow): string {
  return encodeCanonicalObject(
    [
      ["number", jsonText(row.number)],
      ["kind", jsonText(row.kind)],
      ["infoHash", jsonText(row.infoHash)],
      ["length", jsonText(row.lengthBytes)],
      ["pieceLength", jsonText(row.pieceLength)],
      ["contents", jsonText(row.contentCount)],
      ["release", jsonText(row.release)],
      ["table", encodeObjectRef(row.table)],
      ["name", jsonText(row.name)],
    ],
    row.unknown,
  );
}

/** @throws ManifestError of the reader's code, CoreError `bad-layout` */
export function readBundleRow(reader: FieldReader): BundleRow {
  const row: BundleRow = {
    number: reader.integer("number", 1),
    kind: reader.text("kind", /^(?:content|inner)$/, `"content" or "inner"`) as BundleKind,
    infoHash: reader.text("infoHash", /^[0-9a-f]{40}$/, "a SHA-1 of 40 lower-case hex digits"),
    lengthBytes: reader.integer("length", 1),
    pieceLength: reader.integer("pieceLength", 1),
    contentCount: reader.integer("contents", 1, MAX_BUNDLE_CONTENTS),
    release: reader.integer("release", 1),
    table: readObjectRef(reader.object("table")),
    name: reader.text("name", BUNDLE_NAME, "one safe part of a path"),
    ...reader.unknown(),
  };
  assertPieceLength(row.pieceLength);
  if (row.lengthBytes % row.pieceLength !== 0) reader.fail("length", `a multiple of ${row.pieceLength}`);
  if (row.table.lengthBytes !== row.contentCount * RECORD_BYTES) reader.fail("table", `${row.contentCount} records`);
  return row;
}

/** Stock clients make a directory of it: no slash, no control character, not "." or "..". */
// eslint-disable-next-line no-control-regex -- control characters are what must not be in a name
export const BUNDLE_NAME: RegExp = /^(?!\.{1,2}$)[^/\x00-\x1f\x7f]{1,200}$/;

/**
 * The bundle list after a release.
 *
 * @param change what the release added and retired (numbers)
 * @throws ManifestError `change-mismatch` if a bundle to add is there, or one to retire is not
 */
export function applyBundleChanges(
  rows: readonly BundleRow[],
  change: { readonly bundlesAdded: readonly BundleRow[]; readonly bundlesRetired: readonly number[] },
): BundleRow[] {
  const byNumber = new Map(rows.map((row) => [row.number, row]));
  for (const row of change.bundlesAdded) {
    if (byNumber.has(row.number)) mismatch(`bundle ${row.number} cannot be added: it is there already`);
    byNumber.set(row.number, row);
  }
  for (const number of change.bundlesRetired) {
    if (!byNumber.delete(number)) mismatch(`bundle ${number} cannot be retired: it is not there`);
  }
  return [...byNumber.values()].sort((a, b) => a.number - b.number);
}

function mismatch(problem: string): never {
  throw new ManifestError("change-mismatch" satisfies ManifestErrorCode, `change list: ${problem}`);
}
