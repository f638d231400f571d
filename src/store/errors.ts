import { displayPath } from "../core/repo-path.ts";
import { DISK_FAILURES, isSystemError, messageOf, PrsyncError } from "../core/errors.ts";

export type StoreErrorCode =
  | "no-procfs"
  | "root-unusable"
  | "root-replaced"
  | "temp-dir-unusable"
  | "not-a-file"
  | "disk-full"
  | "disk-read-only"
  | "disk-failed"
  | "state-unsafe"
  | "state-busy"
  | "registry-busy"
  | "staging-removed"
  | "staged-missing"
  | "staged-changed"
  | "staging-thread-failed"
  | "content-changed"
  | "unpack-busy"
  | "already-enrolled"
  | "unknown-volunteer"
  | "index-too-new"
  | "index-damaged"
  | "kernel-missing";

/** The disk, or something on it, is not what this program needs or left there. */
export class StoreError extends PrsyncError<StoreErrorCode> {}

const FULL_DISK = ["ENOSPC", "EDQUOT"] as const;
/** Primary result codes of SQLite: SQLITE_READONLY, SQLITE_IOERR, SQLITE_FULL. */
const SQLITE_CODES: ReadonlyMap<number, "disk-read-only" | "disk-failed" | "disk-full"> = new Map([
  [8, "disk-read-only"],
  [10, "disk-failed"],
  [13, "disk-full"],
]);

/**
 * Errors after which no further file can succeed either (full, read-only or failing disk), as a StoreError; undefined
 * for errors that concern one path alone.
 */
export function fatalDiskError(error: unknown, action: string): StoreError | undefined {
  if (error instanceof StoreError && /^(disk-|root-)/.test(error.code)) return error;
  const told = `${action} failed: ${messageOf(error)}`;
  if (isSystemError(error, ...FULL_DISK)) return new StoreError("disk-full", told, { cause: error });
  if (isSystemError(error, "EROFS")) return new StoreError("disk-read-only", told, { cause: error });
  if (isSystemError(error, ...DISK_FAILURES)) return new StoreError("disk-failed", told, { cause: error });
  const sqlite =
    error instanceof Error && "errcode" in error ? SQLITE_CODES.get(Number(error.errcode) & 0xff) : undefined;
  if (sqlite !== undefined) return new StoreError(sqlite, told, { cause: error });
  return undefined;
}

/**
 * A system error of a call that went through /proc/self/fd, with the path people know in place of the one the kernel
 * saw. `code` stays, so {@link isSystemError} works as before. Anything else is returned as it is.
 */
export function withShownPath(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || !("syscall" in error) || !("path" in error)) return error;
  const shown = displayPath(path === "" ? "." : path);
  const [reason] = error.message.split(", ");
  error.message = `${reason}, ${String(error.syscall)} "${shown}"`;
  error.path = shown;
  return error;
}

/** A system error of a call on an open file, which names none ("EISDIR: illegal operation on a directory, read"), with the path; anything else as it is. */
export function namingPath(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || !("syscall" in error) || "path" in error) return error;
  return Object.assign(error, { message: `${error.message} "${path}"`, path });
}
