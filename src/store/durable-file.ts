import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { open, readFile, rename, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { isSystemError, messageOf } from "../core/errors.ts";
import { StoreError, fatalDiskError } from "./errors.ts";

/**
 * Puts `bytes` under `path` so that after a crash at any moment the file is the old one or the new one, never a part,
 * and is the new one once this returns: temporary file beside it, fsync, rename, fsync of the directory. The directory
 * exists.
 *
 * @throws StoreError `disk-full`, `disk-read-only`, `disk-failed`; `state-unsafe` for other reasons
 */
export async function writeFileDurably(
  path: string,
  bytes: Uint8Array | string,
  options: { readonly mode: number },
): Promise<void> {
  const temporaryPath = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await writeNewFile(temporaryPath, bytes, options.mode);
    await rename(temporaryPath, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    // After a failed fsync the pages may be lost though a second fsync succeeds: the part is thrown away.
    await unlink(temporaryPath).catch(() => undefined);
    throw asStoreError(error, `writing "${path}"`);
  }
}

/** Removes a file for good; false if there was none. @throws StoreError as {@link writeFileDurably} */
export async function removeFileDurably(path: string): Promise<boolean> {
  try {
    await unlink(path);
    await syncDirectory(dirname(path));
    return true;
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return false;
    throw asStoreError(error, `removing "${path}"`);
  }
}

/** Undefined if there is no such file. */
export async function readFileIfExists(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Makes created, renamed and removed names of a directory survive a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  await using handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  await handle.sync();
}

async function writeNewFile(path: string, bytes: Uint8Array | string, mode: number): Promise<void> {
  await using handle = await open(path, "wx", mode);
  // The umask may have taken bits away.
  await handle.chmod(mode);
  await handle.writeFile(bytes);
  await handle.sync();
}

function asStoreError(error: unknown, action: string): StoreError {
  const fatal = fatalDiskError(error, action);
  return fatal ?? new StoreError("state-unsafe", `${action} failed: ${messageOf(error)}`, { cause: error });
}
