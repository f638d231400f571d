import { randomUUID } from "node:crypto";
import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";

/** A file to write and read that has no name: it is gone when it is closed, however the program ends. */
export async function openNamelessFile(directory: string): Promise<FileHandle> {
  const path = join(directory, `nameless-${randomUUID()}`);
  const handle = await open(path, "wx+", 0o600);
  await rm(path);
  return handle;
}

/** Writes all of `bytes`: a single call may take a part of them (a disk that is nearly full). @throws system errors */
export async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}
