import type { DatabaseSync } from "node:sqlite";

/** Raised when a table changes its meaning; an index of another version is rebuilt, since all of it can be. */
export const PUBLISH_INDEX_VERSION = 7;

/** Values of the column `kind`: an entry's kind, or (in `pending` only) the removal of the path. */
export const ROW_KIND = { file: 0, directory: 1, symlink: 2, removed: 9 } as const;

/**
 * The publisher's index. Hashes and paths are BLOBs, so that SQLite's memcmp order is the manifest's order.
 *
 * - `entries`: the manifest of the applied release; `stat` is what the path looked like when its content was read
 *   (publish-index-stat.ts), NULL if the path must be read again; `uid` and `gid` are NULL where releases have no owners.
 * - `directories`: SHA-256 over names and stats of all children of a directory ("" is the top) as `entries` has them
 *   (settled-directories.ts). A directory with a path in `pending` has none.
 * - `pending`: what the next release changes, and the cache of hashes of a publish that was interrupted.
 * - `contents`: every content that is live or retained. `bundle`, `ordinal`: where it lies; `retained`: stat of the
 *   copy under contents/, NULL if there is none; `since_release`: from it on every release up to the applied one has it as a
 *   file; `dropped_release`: first release without it.
 * - `recompressions`: contents that unpack to `inner`, a content too, with their line of the file `recompression`.
 * - `pieces`: SHA-1 of the pieces of contents that are in no bundle yet.
 * - `objects`: zstd frames under objects/ by the SHA-256 of their plain bytes, and files of metadata bundles under
 *   metadata/ by their own.
 * - Rows of `bundles`, `metadata_bundles`, `objects`, `releases` with a number above meta `applied` belong to a release that is prepared
 *   but perhaps not signed: TUF's metadata decides (publish-index-release.ts).
 */
const SCHEMA = `
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE entries(path BLOB PRIMARY KEY, kind INTEGER NOT NULL, mode INTEGER, mtime TEXT NOT NULL, size INTEGER,
  content INTEGER, target BLOB, link BLOB, stat TEXT, uid INTEGER, gid INTEGER) WITHOUT ROWID;
CREATE INDEX entries_content ON entries(content) WHERE content IS NOT NULL;
CREATE INDEX entries_link ON entries(link) WHERE link IS NOT NULL;
CREATE TABLE directories(path BLOB PRIMARY KEY, digest BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE pending(path BLOB PRIMARY KEY, kind INTEGER NOT NULL, mode INTEGER, mtime TEXT, size INTEGER,
  content INTEGER, target BLOB, link BLOB, stat TEXT, uid INTEGER, gid INTEGER, generation INTEGER NOT NULL,
  failure TEXT) WITHOUT ROWID;
CREATE INDEX pending_link ON pending(link) WHERE link IS NOT NULL;
CREATE TABLE contents(id INTEGER PRIMARY KEY, sha256 BLOB NOT NULL UNIQUE, size INTEGER NOT NULL, bundle INTEGER,
  ordinal INTEGER, retained TEXT, retained_inode TEXT, since_release INTEGER, dropped_release INTEGER,
  dropped_ms INTEGER);
CREATE INDEX contents_bundle ON contents(bundle, ordinal) WHERE bundle IS NOT NULL;
CREATE INDEX contents_unplaced ON contents(id) WHERE bundle IS NULL;
CREATE INDEX contents_inode ON contents(retained_inode) WHERE retained_inode IS NOT NULL;
CREATE INDEX contents_dropped ON contents(dropped_release) WHERE dropped_release IS NOT NULL;
CREATE TABLE pieces(content INTEGER PRIMARY KEY, piece_length INTEGER NOT NULL, hashes BLOB NOT NULL);
CREATE TABLE signatures(content INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE recompressions(content INTEGER PRIMARY KEY, inner INTEGER NOT NULL, line TEXT NOT NULL);
CREATE INDEX recompressions_inner ON recompressions(inner);
CREATE TABLE sketches(content INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE bundles(number INTEGER PRIMARY KEY, kind TEXT NOT NULL, info_hash BLOB NOT NULL UNIQUE, length INTEGER NOT NULL,
  piece_length INTEGER NOT NULL, contents INTEGER NOT NULL, release INTEGER NOT NULL, table_sha256 BLOB NOT NULL,
  table_length INTEGER NOT NULL, name TEXT NOT NULL, retired_release INTEGER);
CREATE TABLE metadata_bundles(release INTEGER PRIMARY KEY, number INTEGER NOT NULL UNIQUE, info_hash BLOB NOT NULL UNIQUE,
  length INTEGER NOT NULL, piece_length INTEGER NOT NULL);
CREATE TABLE objects(sha256 BLOB PRIMARY KEY, last_release INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE releases(number INTEGER PRIMARY KEY, bytes BLOB NOT NULL, created_ms INTEGER NOT NULL);
`;

/** Makes the tables in an empty database. */
export function createSchema(database: DatabaseSync): void {
  database.exec(`BEGIN IMMEDIATE; ${SCHEMA} PRAGMA user_version = ${PUBLISH_INDEX_VERSION}; COMMIT`);
}

/** 0 for an empty database. */
export function schemaVersionOf(database: DatabaseSync): number {
  return Number(database.prepare("PRAGMA user_version").get()!.user_version);
}
