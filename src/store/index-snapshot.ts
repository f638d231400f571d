import { accessSync, constants, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { isSystemError, messageOf, PrsyncError } from "../core/errors.ts";
import { fatalDiskError, StoreError } from "./errors.ts";

/** Version of a database without tables. */
const EMPTY_VERSION = 0;
/** How long whoever replays a log after a crash may keep a reader waiting. */
const BUSY_MS = 10_000;

/** SQLite's primary result codes: can't be opened; a table that should be there is not, damaged, no database. */
const SQLITE_CANTOPEN = 14;
const DAMAGED_CODES: readonly number[] = [1, 11, 26];

/** What came of reading an index; why not, if it can't be used though nothing is wrong with it. */
export type IndexRead<Result> =
  { readonly outcome: "read"; readonly result: Result } | { readonly outcome: "none" | "older" | "unreadable" };

/** The file of an index and the version this program knows. */
export interface IndexFile {
  readonly path: string;
  readonly version: number;
}

/**
 * Shows one state of an index to `read`, whatever its program writes meanwhile, and leaves no trace beside it: SQLite would make
 * the files of its log for a mere reader and leave them. `read` may be called twice; what it gave the first time is dropped then.
 * @throws StoreError `index-too-new`, `index-damaged`, `disk-failed`; what `read` throws
 */
export async function readIndexSnapshot<Result>(
  file: IndexFile,
  read: (database: DatabaseSync) => Promise<Result>,
): Promise<IndexRead<Result>> {
  try {
    accessSync(file.path, constants.R_OK);
    return await readAtRest(file, read);
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ENOTDIR")) return { outcome: "none" };
    if (isSystemError(error, "EACCES", "EPERM") || codeOf(error) === SQLITE_CANTOPEN) return { outcome: "unreadable" };
    throw asStoreError(error, file.path);
  }
}

type Read<Result> = (database: DatabaseSync) => Promise<Result>;

/** Without its log the file holds all; it did so from beginning to end if it is the same afterwards and still has none. */
async function readAtRest<Result>(file: IndexFile, read: Read<Result>): Promise<IndexRead<Result>> {
  const before = restingState(file.path);
  if (before === undefined) return await readBesideWriter(file, read);
  const isUndisturbed = (): boolean => restingState(file.path) === before;
  const url = pathToFileURL(file.path);
  url.search = "?immutable=1";
  try {
    const found = await readFrom(url, file, read);
    if (isUndisturbed()) return found;
  } catch (error) {
    if (isUndisturbed()) throw error;
  }
  return await readBesideWriter(file, read);
}

function readBesideWriter<Result>(file: IndexFile, read: Read<Result>): Promise<IndexRead<Result>> {
  return readFrom(file.path, file, read);
}

async function readFrom<Result>(from: string | URL, file: IndexFile, read: Read<Result>): Promise<IndexRead<Result>> {
  using database = new DatabaseSync(from, { readOnly: true, timeout: BUSY_MS });
  database.exec("BEGIN");
  const version = Number(database.prepare("PRAGMA user_version").get()!.user_version);
  if (version > file.version) {
    const told = `index "${file.path}" has version ${version}, this program knows ${file.version}`;
    throw new StoreError("index-too-new", told);
  }
  if (version === EMPTY_VERSION) return { outcome: "none" };
  if (version < file.version) return { outcome: "older" };
  return { outcome: "read", result: await read(database) };
}

/** Undefined while there is a log of changes. */
function restingState(path: string): string | undefined {
  const log = statSync(`${path}-wal`, { throwIfNoEntry: false });
  if (log !== undefined) return undefined;
  const { ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
  return [ino, size, mtimeNs, ctimeNs].join();
}

/** What a record of ours is not is damage, too. */
function asStoreError(error: unknown, path: string): unknown {
  if (error instanceof StoreError) return error;
  if (!(error instanceof PrsyncError) && !DAMAGED_CODES.includes(codeOf(error) ?? 0)) {
    return fatalDiskError(error, `reading index "${path}"`) ?? error;
  }
  return new StoreError("index-damaged", `index "${path}" is damaged: ${messageOf(error)}`, { cause: error });
}

function codeOf(error: unknown): number | undefined {
  return error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : undefined;
}
