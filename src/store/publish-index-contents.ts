import { EMPTY_CONTENT, type ContentId } from "../core/content-id.ts";
import type { PublishIndex } from "./publish-index.ts";
import { contentOf, hexBlob, type Row } from "./publish-index-rows.ts";
import { fingerprintOf, inodeKey, type InodeStat, type StatFingerprint } from "./publish-index-stat.ts";

/** A content as the index knows it. */
export interface IndexedContent {
  readonly row: number;
  readonly content: ContentId;
  readonly lengthBytes: number;
  /** Stat of the copy under contents/ when its bytes were last known to be right; undefined if there is none. */
  readonly retained: StatFingerprint | undefined;
  readonly isPlaced: boolean;
}

/** Where a content of the applied release lies. */
export interface IndexedPlace {
  readonly bundle: number;
  /** In the content table of the bundle. */
  readonly ordinal: number;
  /** Every release from this one to the applied one has it as a file. */
  readonly sinceRelease: number;
}

/** Table `contents` and what belongs to a content: piece hashes until it lies in a bundle, block signature. */
export class IndexedContents {
  readonly #index: PublishIndex;

  constructor(index: PublishIndex) {
    this.#index = index;
  }

  find(content: ContentId): IndexedContent | undefined {
    const row = this.#index.prepare(`${SELECT} WHERE sha256 = ?`).get(hexBlob(content));
    return row === undefined ? undefined : indexedContentOf(row);
  }

  /** Undefined for a content without bytes and one that is unknown. */
  place(content: ContentId): IndexedPlace | undefined {
    const row = this.#index
      .prepare("SELECT bundle, ordinal, since_release FROM contents WHERE sha256 = ? AND bundle IS NOT NULL")
      .get(hexBlob(content));
    if (row === undefined) return undefined;
    // An inner content that no file ever had: nobody has held it as a file since any release.
    const sinceRelease = Number(row.since_release ?? Infinity);
    return { bundle: Number(row.bundle), ordinal: Number(row.ordinal), sinceRelease };
  }

  findOrAdd(content: ContentId, lengthBytes: number): IndexedContent {
    const found = this.find(content);
    if (found !== undefined) return found;
    const insert = this.#index.prepare("INSERT INTO contents(sha256, size) VALUES(?, ?)");
    const { lastInsertRowid } = insert.run(hexBlob(content), lengthBytes);
    return { row: Number(lastInsertRowid), content, lengthBytes, retained: undefined, isPlaced: false };
  }

  /** Contents whose retained copy is this inode: at most one is right, the one its bytes hash to now. */
  retainedBy(inode: InodeStat): IndexedContent[] {
    const rows = this.#index.prepare(`${SELECT} WHERE retained_inode = ?`).all(inodeKey(inode));
    return rows.map(indexedContentOf);
  }

  recordRetained(row: number, copy: InodeStat): void {
    this.#index
      .prepare("UPDATE contents SET retained = ?, retained_inode = ? WHERE id = ?")
      .run(fingerprintOf(copy), inodeKey(copy), row);
  }

  forgetRetained(row: number): void {
    this.#index.prepare("UPDATE contents SET retained = NULL, retained_inode = NULL WHERE id = ?").run(row);
  }

  /** @param hashes SHA-1 of each piece, 20 bytes each */
  addPieces(row: number, pieceLength: number, hashes: Uint8Array): void {
    this.#index
      .prepare("INSERT OR REPLACE INTO pieces(content, piece_length, hashes) VALUES(?, ?, ?)")
      .run(row, pieceLength, hashes);
  }

  pieces(row: number): Uint8Array | undefined {
    const found = this.#index.prepare("SELECT hashes FROM pieces WHERE content = ?").get(row);
    return found?.hashes as Uint8Array | undefined;
  }

  addSignature(row: number, bytes: Uint8Array): void {
    this.#index.prepare("INSERT OR IGNORE INTO signatures(content, bytes) VALUES(?, ?)").run(row, bytes);
  }

  addSketch(row: number, bytes: Uint8Array): void {
    this.#index.prepare("INSERT OR IGNORE INTO sketches(content, bytes) VALUES(?, ?)").run(row, bytes);
  }

  /** Encoded similarity sketch. */
  sketchOfRow(row: number): Uint8Array | undefined {
    const found = this.#index.prepare("SELECT bytes FROM sketches WHERE content = ?").get(row);
    return found?.bytes as Uint8Array | undefined;
  }

  sketch(content: ContentId): Uint8Array | undefined {
    const found = this.find(content);
    return found === undefined ? undefined : this.sketchOfRow(found.row);
  }

  /** Length of the signature of a row, 0 if it has none. */
  signatureLength(row: number): number {
    const found = this.#index.prepare("SELECT length(bytes) AS n FROM signatures WHERE content = ?").get(row);
    return Number(found?.n ?? 0);
  }

  signatureOfRow(row: number): Uint8Array | undefined {
    const found = this.#index.prepare("SELECT bytes FROM signatures WHERE content = ?").get(row);
    return found?.bytes as Uint8Array | undefined;
  }

  byRow(row: number): IndexedContent | undefined {
    const found = this.#index.prepare(`${SELECT} WHERE id = ?`).get(row);
    return found === undefined ? undefined : indexedContentOf(found);
  }

  signature(content: ContentId): Uint8Array | undefined {
    const found = this.#index
      .prepare("SELECT bytes FROM signatures WHERE content = (SELECT id FROM contents WHERE sha256 = ?)")
      .get(hexBlob(content));
    return found?.bytes as Uint8Array | undefined;
  }

  /**
   * Contents that nobody needs any more: last used by a release before the newest three, and at least 48 hours ago;
   * or left over from a publish that did not get that far.
   */
  *expired(newestRelease: number, nowMs: number): Generator<IndexedContent> {
    const statement = this.#index.prepare(
      `${SELECT} WHERE dropped_release <= ? AND dropped_ms <= ? AND ${IS_UNUSED} LIMIT 500`,
    );
    const bounds = retentionBounds(newestRelease, nowMs);
    // Pages start over because the caller deletes what it was given.
    for (let rows = statement.all(...bounds); rows.length > 0; rows = statement.all(...bounds)) {
      yield* rows.map(indexedContentOf);
    }
  }

  delete(row: number): void {
    const index = this.#index;
    index.prepare("DELETE FROM signatures WHERE content = ?").run(row);
    index.prepare("DELETE FROM recompressions WHERE content = ?1 OR inner = ?1").run(row);
    index.prepare("DELETE FROM sketches WHERE content = ?").run(row);
    index.prepare("DELETE FROM pieces WHERE content = ?").run(row);
    index.prepare("DELETE FROM contents WHERE id = ?").run(row);
  }
}

/** Releases whose contents and objects stay, besides what {@link RETAINED_MS} keeps (design: three, and 48 hours). */
const RETAINED_RELEASES = 3;
const RETAINED_MS = 48 * 3_600_000;

/**
 * Something last used by release D − 1 (`dropped_release` D) may go once D − 1 is none of the newest three releases
 * and it was dropped 48 hours ago.
 * @returns the highest `dropped_release` and the highest `dropped_ms` that may go
 */
export function retentionBounds(newestRelease: number, nowMs: number): [release: number, droppedMs: number] {
  return [newestRelease - RETAINED_RELEASES + 1, nowMs - RETAINED_MS];
}

const SELECT = "SELECT id, sha256, size, retained, bundle FROM contents";

/** Belt and braces: a content that a path needs never goes, whatever the book-keeping says. */
export const IS_UNUSED: string = `sha256 <> x'${EMPTY_CONTENT}'
  AND NOT EXISTS(SELECT 1 FROM entries e WHERE e.content = contents.id)
  AND NOT EXISTS(SELECT 1 FROM pending p WHERE p.content = contents.id)`;

function indexedContentOf(row: Row): IndexedContent {
  return {
    row: Number(row.id),
    content: contentOf(row.sha256),
    lengthBytes: Number(row.size),
    retained: row.retained === null ? undefined : (row.retained as StatFingerprint),
    isPlaced: row.bundle !== null,
  };
}
