import { closeSync, openSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { isSystemError, messageOf } from "../core/errors.ts";
import { StoreError } from "./errors.ts";

/** Who holds a lock, as far as is known. */
export interface LockHolder {
  readonly pid?: number;
  readonly command?: string;
}

/** Held until disposed or until the process ends in whatever way: the kernel releases it. */
export interface Lock extends AsyncDisposable {
  readonly path: string;
}

/** SQLite's primary result codes: another connection holds the lock. */
const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;

/** The file's bytes are no database: SQLITE_CORRUPT, SQLITE_NOTADB. */
const SQLITE_DAMAGED: readonly number[] = [11, 26];

/**
 * Takes the lock of a directory without waiting: an exclusive transaction on an SQLite file that holds nothing else.
 * Unlike a pid file it can't be left behind by a killed process.
 * @param databasePath file made if missing, mode 0600; nothing but this function may open it (closing any descriptor of
 *   it in the process would release the lock, POSIX record locks being what they are)
 * @throws StoreError `state-unsafe` if the file can't be made or locked for another reason
 */
export async function acquireLock(
  databasePath: string,
  options: { readonly command: string },
): Promise<Lock | { readonly heldBy: LockHolder }> {
  createPrivately(databasePath);
  const holderPath = holderPathOf(databasePath);
  let database: DatabaseSync;
  try {
    database = lockFile(databasePath);
  } catch (error) {
    if (isBusy(error)) return { heldBy: lockHolder(databasePath) };
    const told = `lock "${databasePath}" can't be taken: ${messageOf(error)}`;
    throw new StoreError("state-unsafe", told, { cause: error });
  }
  writeHolder(holderPath, options.command);
  return lockOf(database, databasePath, holderPath);
}

/** @throws SQLite's error */
function lockFile(path: string): DatabaseSync {
  try {
    return lockDatabase(path);
  } catch (error) {
    if (!SQLITE_DAMAGED.includes(primaryCodeOf(error) ?? 0)) throw error;
    // Nothing is kept in it, and an empty file is a database. Emptied in place: the lock is one of the kernel on this very file,
    // whatever its bytes, so whoever took it meanwhile goes on holding it and the second attempt finds it held. A new file in its
    // place would let both in.
    truncateSync(path, 0);
    return lockDatabase(path);
  }
}

function lockDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    // There is nothing to roll back, and a journal would need room: a full disk could not be cleared.
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function lockOf(database: DatabaseSync, path: string, holderPath: string): Lock {
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      if (!database.isOpen) return;
      // Before the lock is free: afterwards the file may be the next holder's.
      removeHolder(holderPath);
      database.close();
    },
  };
}

function isBusy(error: unknown): boolean {
  const primaryCode = primaryCodeOf(error);
  return primaryCode === SQLITE_BUSY || primaryCode === SQLITE_LOCKED;
}

function primaryCodeOf(error: unknown): number | undefined {
  return error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : undefined;
}

function createPrivately(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if (isSystemError(error, "EEXIST")) return;
    throw new StoreError("state-unsafe", `lock "${path}" can't be made: ${messageOf(error)}`, { cause: error });
  }
}

/** Only tells people who holds the lock; nothing is decided by it, so it need not be durable. */
function writeHolder(path: string, command: string): void {
  try {
    writeFileSync(`${path}.new`, JSON.stringify({ pid: process.pid, command }), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch {
    // A full disk must not keep a mirror from serving; the lock itself is held.
  }
}

/** One that stays names a process that is gone, and so nobody. */
function removeHolder(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // A disk that turned read-only must not turn a sync that failed of it into a bug of ours.
  }
}

function holderPathOf(databasePath: string): string {
  return `${databasePath}.holder`;
}

/** Who said to hold the lock and lives, without touching the lock itself; nothing may be decided by it that matters. */
export function lockHolder(databasePath: string): LockHolder {
  let holder: unknown;
  try {
    holder = JSON.parse(readFileSync(holderPathOf(databasePath), "utf8"));
  } catch {
    return {};
  }
  if (typeof holder !== "object" || holder === null) return {};
  const pid = "pid" in holder && Number.isSafeInteger(holder.pid) ? Number(holder.pid) : undefined;
  const command = "command" in holder && typeof holder.command === "string" ? holder.command : undefined;
  if (pid === undefined || !isAlive(pid)) return {};
  return command === undefined ? { pid } : { pid, command };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return isSystemError(error, "EPERM");
  }
}
