import { closeSync, fstatSync, type BigIntStats } from "node:fs";
import type { ContentTable } from "../manifest/content-table.ts";
import type { PublishIndex } from "./publish-index.ts";
import { contentOf } from "./publish-index-rows.ts";
import type { StatFingerprint } from "./publish-index-stat.ts";
import type { RetainedContents } from "./retained-contents.ts";
import { readWhole, type SmallReads } from "./small-reads.ts";

/** Rows of the index are read so many at a time: a millisecond or two, and peers ask for all of a bundle in no order. */
const ORDINALS_PER_PAGE = 512;
/** inode, size, mtime, ctime: what a fingerprint tells. 32 bytes per content, 70 MB at 2.2 million. */
const FIELDS = 4;

/** A bundle by its number in the index. */
export interface BundleContents {
  readonly number: number;
  readonly contents: ContentTable;
}

/**
 * The small contents of a bundle, read whole and on the spot from their retained copies: no look into the index and no trip to
 * the thread pool for each, which cost ten times as much as the bytes. A copy that is not as the index had it when its page was
 * read gives undefined: whoever asks looks it up by its content then.
 */
export class SmallCopies {
  readonly #bundle: BundleContents;
  readonly #index: PublishIndex;
  readonly #retained: RetainedContents;
  readonly #smallReads: SmallReads;
  readonly #pages: BigInt64Array[] = [];

  constructor(
    bundle: BundleContents,
    from: { readonly index: PublishIndex; readonly retained: RetainedContents; readonly smallReads: SmallReads },
  ) {
    this.#bundle = bundle;
    this.#index = from.index;
    this.#retained = from.retained;
    this.#smallReads = from.smallReads;
  }

  /** All bytes of a content; undefined if it has no copy, if that is not as it was recorded, or on a disk that lets one wait. */
  read(ordinal: number, lengthBytes: number): Uint8Array | undefined {
    if (!this.#smallReads.isQuick) return undefined;
    return this.#smallReads.run(() => {
      // The index lies on a disk as well.
      const page = (this.#pages[Math.floor(ordinal / ORDINALS_PER_PAGE)] ??= this.#loadPage(ordinal));
      const at = (ordinal % ORDINALS_PER_PAGE) * FIELDS;
      if (page[at + 1] !== BigInt(lengthBytes)) return undefined;
      const descriptor = this.#retained.openSync(this.#bundle.contents.content(ordinal));
      if (descriptor === undefined) return undefined;
      try {
        const bytes = readWhole(descriptor, lengthBytes);
        // Checked after reading: a write that these bytes saw has changed the times by now.
        const isSame = isAsRecorded(fstatSync(descriptor, { bigint: true }), page, at);
        return isSame && bytes.length === lengthBytes ? bytes : undefined;
      } finally {
        closeSync(descriptor);
      }
    });
  }

  /** A content without a copy has size −1. */
  #loadPage(ordinal: number): BigInt64Array {
    const { number, contents } = this.#bundle;
    const first = ordinal - (ordinal % ORDINALS_PER_PAGE);
    // The index may have another bundle of that number by now, with more contents.
    const end = Math.min(first + ORDINALS_PER_PAGE, contents.count);
    const page = new BigInt64Array(ORDINALS_PER_PAGE * FIELDS).fill(-1n);
    const rows = this.#index
      .prepare("SELECT ordinal, sha256, retained FROM contents WHERE bundle = ? AND ordinal >= ? AND ordinal < ?")
      .all(number, first, end);
    for (const row of rows) {
      if (row.retained === null || contentOf(row.sha256) !== contents.content(Number(row.ordinal))) continue;
      page.set(fieldsOf(row.retained as StatFingerprint), (Number(row.ordinal) - first) * FIELDS);
    }
    return page;
  }
}

function fieldsOf(fingerprint: StatFingerprint): bigint[] {
  return fingerprint.split(".").map((field) => BigInt.asIntN(64, BigInt(field)));
}

function isAsRecorded(stats: BigIntStats, page: BigInt64Array, at: number): boolean {
  return (
    BigInt.asIntN(64, stats.ino) === page[at] &&
    stats.size === page[at + 1] &&
    stats.mtimeNs === page[at + 2] &&
    stats.ctimeNs === page[at + 3]
  );
}
