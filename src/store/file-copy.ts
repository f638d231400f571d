import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { copyFile } from "node:fs/promises";
import { promisify } from "node:util";
import { type ContentId, contentIdOf } from "../core/content-id.ts";
import { isSystemError } from "../core/errors.ts";
import { baseNameOf, parentOf, type RepoPath } from "../core/repo-path.ts";
import type { ConfinedDirectory } from "./confined-directory.ts";
import { withShownPath } from "./errors.ts";
import { writeSparse } from "./sparse-write.ts";

const read = promisify(fs.read);
const fsync = promisify(fs.fsync);

const CHUNK_BYTES = 1024 * 1024;

/** New file with the same bytes, as a reflink where the file system can; not durable yet. `path` must not exist. */
export async function cloneFile(descriptor: number, directory: ConfinedDirectory, path: RepoPath): Promise<void> {
  using parent = directory.pinDirectory(parentOf(path));
  const leaf = Buffer.from(parent.procPath + baseNameOf(path), "latin1");
  try {
    const mode = fs.constants.COPYFILE_FICLONE | fs.constants.COPYFILE_EXCL;
    await copyFile(`/proc/self/fd/${descriptor}`, leaf, mode);
  } catch (error) {
    throw withShownPath(error, path);
  }
}

/** What file systems without reflinks answer, and `directory` on another one. */
const NO_REFLINK = ["ENOTSUP", "EOPNOTSUPP", "ENOSYS", "ENOTTY", "EINVAL", "EXDEV"] as const;

/** As {@link cloneFile}; where there are no reflinks, blocks of zeros become holes. */
export async function cloneSparsely(descriptor: number, directory: ConfinedDirectory, path: RepoPath): Promise<void> {
  using parent = directory.pinDirectory(parentOf(path));
  const leaf = Buffer.from(parent.procPath + baseNameOf(path), "latin1");
  try {
    const mode = fs.constants.COPYFILE_FICLONE_FORCE | fs.constants.COPYFILE_EXCL;
    return await copyFile(`/proc/self/fd/${descriptor}`, leaf, mode);
  } catch (error) {
    if (!isSystemError(error, ...NO_REFLINK)) throw withShownPath(error, path);
  }
  const { size } = fs.fstatSync(descriptor);
  const copy = directory.createExclusive(path);
  try {
    fs.ftruncateSync(copy, size);
    let offset = 0;
    for await (const bytes of chunksOf(descriptor, size)) {
      if (bytes === undefined) break;
      await writeSparse(copy, bytes, offset);
      offset += bytes.length;
    }
  } catch (error) {
    throw withShownPath(error, path);
  } finally {
    fs.closeSync(copy);
  }
}

/** Makes the bytes of a file durable: before it is renamed into place, say. */
export async function fsyncFile(directory: ConfinedDirectory, path: RepoPath): Promise<void> {
  const descriptor = directory.openForReadingSync(path);
  try {
    await fsync(descriptor);
  } catch (error) {
    throw withShownPath(error, path);
  } finally {
    fs.closeSync(descriptor);
  }
}

/** SHA-256 of an open file, or undefined if it was cut short meanwhile. */
export async function hashOpenFile(descriptor: number, size: number): Promise<ContentId | undefined> {
  const hash = createHash("sha256");
  for await (const bytes of chunksOf(descriptor, size)) {
    if (bytes === undefined) return undefined;
    hash.update(bytes);
  }
  return contentIdOf(hash.digest());
}

/** A file's bytes in order, valid until the next is asked for. Undefined, as the last, if it ends before `size`. */
export async function* chunksOf(descriptor: number, size: number): AsyncGenerator<Uint8Array | undefined> {
  const buffer = Buffer.allocUnsafe(Math.min(size, CHUNK_BYTES));
  for (let offset = 0; offset < size;) {
    const { bytesRead } = await read(descriptor, buffer, 0, Math.min(buffer.length, size - offset), offset);
    yield bytesRead === 0 ? undefined : buffer.subarray(0, bytesRead);
    if (bytesRead === 0) return;
    offset += bytesRead;
  }
}
