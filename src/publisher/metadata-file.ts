import { type ContentRecord, encodeRecordsIndex } from "../manifest/content-records.ts";
import type { MetadataFileName } from "../manifest/metadata-bundle.ts";
import type { IndexedContents } from "../store/publish-index-contents.ts";
import type { NewBundle } from "../store/publish-index-release.ts";
import type { PublishIndex } from "../store/publish-index.ts";

/** What the files of a metadata bundle are made from. */
export interface MetadataFileContext {
  readonly index: PublishIndex;
  readonly contents: IndexedContents;
  /** Number of the release that is made. */
  readonly release: number;
  /** Bundles that the release adds, inner ones too: `contentRows` are the ids of its new contents in bundle order. */
  readonly bundlesAdded: readonly NewBundle[];
}

/**
 * One file of the metadata bundle. `parts` gives its bytes in order, as many at a time as it likes; without a byte the
 * release has no such file. Called once per release, the bytes go to disk as they come.
 */
export interface MetadataFileProducer {
  readonly name: MetadataFileName;
  readonly parts: (context: MetadataFileContext) => Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** Rows in the index of the contents that lie in bundles since this release, in bundle order. */
export function* newContentRows({ bundlesAdded }: MetadataFileContext): Generator<number> {
  for (const { contentRows } of bundlesAdded) yield* contentRows;
}

/**
 * The parts of a file of content records (manifest/content-records.ts) about the new contents: the lengths of all are asked for
 * first, then the bytes one by one. No part if there is no record.
 *
 * @param lengthOf bytes of the record of a content, by its row; 0 for none
 * @param bytesOf exactly so many bytes
 */
export function* contentRecordParts(
  context: MetadataFileContext,
  lengthOf: (row: number) => number,
  bytesOf: (row: number) => Uint8Array,
): Generator<Uint8Array> {
  const rows: number[] = [];
  const records: ContentRecord[] = [];
  for (const row of newContentRows(context)) {
    const lengthBytes = lengthOf(row);
    if (lengthBytes === 0) continue;
    rows.push(row);
    records.push({ content: context.contents.byRow(row)!.content, lengthBytes });
  }
  if (records.length === 0) return;
  yield encodeRecordsIndex(records);
  for (const row of rows) yield bytesOf(row);
}
