import { existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { messageOf } from "../core/errors.ts";
import { StoreError } from "./errors.ts";

/** Raised with every change of the tables. */
export const MIRROR_INDEX_VERSION = 5;

/**
 * The mirror's index. Paths and hashes are BLOBs, so that SQLite's memcmp order is the manifest's order. Times are
 * nanoseconds, inode numbers signed 64 bits.
 *
 * - `chunk_refs`: manifest index, slot 0 of the held release, slot 1 of the one that is being fetched; `chunks` holds
 *   the zstd frames both name.
 * - `entries`: the held manifest, one canonical line per path.
 * - `files`: what is known to be on disk; true only while the file's stat is the recorded one.
 * - `bundle_contents`: content tables that were fetched. `infos`: bencoded info dictionaries.
 * - `pending`: paths that an activation was about to put there; empty once its release is held.
 * - `gone`: paths that stand in DEST and that the release lacks, and since when this was seen.
 * - `recompressions`: contents that unpack to `inner`, with their line of the file `recompression`.
 * - `staged`: which pieces of a part are verified.
 * - `meta`'s `verifiedRelease` goes with the first file that is no longer recorded as verified.
 * - `sketches`: encoded sketches of contents that are held or on their way; `handprints` leads from some of their handprints
 *   to `sketches.id`.
 */
const SCHEMA = `
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE chunks(sha256 BLOB PRIMARY KEY, frame BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE chunk_refs(slot INTEGER NOT NULL, position INTEGER NOT NULL, sha256 BLOB NOT NULL, line TEXT NOT NULL,
  PRIMARY KEY(slot, position)) WITHOUT ROWID;
CREATE TABLE entries(path BLOB PRIMARY KEY, line TEXT NOT NULL, content BLOB, size INTEGER) WITHOUT ROWID;
CREATE INDEX entries_content ON entries(content) WHERE content IS NOT NULL;
CREATE TABLE files(path BLOB PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
  ino INTEGER NOT NULL, content BLOB NOT NULL, verified INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX files_content ON files(content, verified DESC);
CREATE INDEX files_unverified ON files(path) WHERE verified = 0;
CREATE TRIGGER files_removed AFTER DELETE ON files BEGIN DELETE FROM meta WHERE key = 'verifiedRelease'; END;
CREATE TRIGGER files_believed AFTER INSERT ON files WHEN NEW.verified = 0
  BEGIN DELETE FROM meta WHERE key = 'verifiedRelease'; END;
CREATE TABLE bundles(number INTEGER PRIMARY KEY, info_hash BLOB NOT NULL UNIQUE, line TEXT NOT NULL);
CREATE TABLE bundle_contents(bundle INTEGER NOT NULL, ordinal INTEGER NOT NULL, content BLOB NOT NULL,
  length INTEGER NOT NULL, PRIMARY KEY(bundle, ordinal)) WITHOUT ROWID;
CREATE INDEX bundle_contents_content ON bundle_contents(content);
CREATE TABLE infos(info_hash BLOB PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE pending(path BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE gone(path BLOB PRIMARY KEY, since_ms INTEGER NOT NULL, is_ours INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE staged(content BLOB PRIMARY KEY, length INTEGER NOT NULL, piece_length INTEGER NOT NULL,
  verified BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE sketches(id INTEGER PRIMARY KEY, content BLOB NOT NULL UNIQUE, bytes BLOB NOT NULL);
CREATE TABLE handprints(handprint INTEGER NOT NULL, sketch INTEGER NOT NULL, PRIMARY KEY(handprint, sketch)) WITHOUT ROWID;
CREATE INDEX handprints_sketch ON handprints(sketch);
CREATE TABLE recompressions(content BLOB PRIMARY KEY, inner BLOB NOT NULL, line TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX recompressions_inner ON recompressions(inner);
`;

/** SQLite's primary result codes for a file that is damaged or no database at all. */
const DAMAGED_CODES: readonly number[] = [11, 26];
const DATABASE_FILES = ["", "-wal", "-shm"] as const;

/** True if the index can't be believed any more and must be opened anew with `rebuild`. */
export function isIndexDamaged(error: unknown): boolean {
  if (error instanceof StoreError) return error.code === "index-damaged";
  return error instanceof Error && "errcode" in error && DAMAGED_CODES.includes(Number(error.errcode) & 0xff);
}

/**
 * Opens the database, made if missing.
 * @throws StoreError `index-too-new` if a newer version of the program made it, `index-damaged`
 */
export function openIndexDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 5_000 });
  try {
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -32768;");
    createTables(database, path);
    return database;
  } catch (error) {
    database.close();
    if (!isIndexDamaged(error)) throw error;
    throw new StoreError("index-damaged", `index "${path}" is damaged: ${messageOf(error)}`, { cause: error });
  }
}

function createTables(database: DatabaseSync, path: string): void {
  const version = Number(database.prepare("PRAGMA user_version").get()!.user_version);
  if (version === MIRROR_INDEX_VERSION) return;
  if (version > MIRROR_INDEX_VERSION) {
    const told = `index "${path}" has version ${version}, this program knows ${MIRROR_INDEX_VERSION}`;
    throw new StoreError("index-too-new", told);
  }
  if (version > 0) dropTables(database);
  database.exec(`BEGIN IMMEDIATE; ${SCHEMA} PRAGMA user_version = ${MIRROR_INDEX_VERSION}; COMMIT`);
}

/** What an older version left is found out anew: all of it can be rebuilt. */
function dropTables(database: DatabaseSync): void {
  const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all();
  for (const { name } of tables) database.exec(`DROP TABLE "${name as string}"`);
}

const DAMAGE_NOTE = ".is-damaged";

/** For {@link isNotedAsDamaged}, until {@link moveAside}. */
export function noteAsDamaged(path: string): void {
  writeFileSync(path + DAMAGE_NOTE, "");
}

/** SQLite sees damage only where it reads: whoever came upon it left a note. */
export function isNotedAsDamaged(path: string): boolean {
  return existsSync(path + DAMAGE_NOTE);
}

/** Moves a damaged database out of the way, over one that was moved before, and returns its new path. */
export function moveAside(path: string): string {
  const aside = `${path}.damaged`;
  for (const suffix of DATABASE_FILES) {
    rmSync(aside + suffix, { force: true });
    if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix);
  }
  rmSync(path + DAMAGE_NOTE, { force: true });
  return aside;
}
