import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { gunzip } from "../codec/gunzip.ts";
import { messageOf } from "../core/errors.ts";
import { displayPath, RESERVED_TOP_LEVEL_NAME, type RepoPath } from "../core/repo-path.ts";
import { MAX_INNER_BYTES } from "../manifest/recompression.ts";
import type { ConfinedDirectory } from "../store/confined-directory.ts";
import { openNamelessFile, writeAll } from "../store/nameless-file.ts";
import type { OpenBasis } from "./copy-matches.ts";
import type { SpareRoom } from "./spare-room.ts";
import type { SyncLog } from "./sync-log.ts";

interface UnpackContext {
  readonly destination: ConfinedDirectory;
  readonly room: SpareRoom;
  readonly log: SyncLog;
  readonly signal: AbortSignal;
}

/** What a gzip file of DEST unpacks to, in a file without a name. */
export interface UnpackedBasis extends OpenBasis, AsyncDisposable {
  readonly lengthBytes: number;
}

/** The first of some files that unpacks; undefined if none does. @throws the signal's reason */
export async function unpackBasis(
  paths: readonly RepoPath[],
  context: UnpackContext,
): Promise<UnpackedBasis | undefined> {
  for (const path of paths) {
    try {
      return await unpackFile(path, context);
    } catch (error) {
      context.signal.throwIfAborted();
      context.log.debug({ path: displayPath(path), reason: messageOf(error) }, "relative can't be unpacked");
    }
  }
  return undefined;
}

/** @throws CodecError for anything but a gzip file that there is room for, at most {@link MAX_INNER_BYTES}; system errors */
async function unpackFile(path: RepoPath, { destination, signal, room }: UnpackContext): Promise<UnpackedBasis> {
  await using packed = await destination.openForReading(path);
  const file = await readable(packed);
  const handle = await openNamelessFile(join(destination.rootPath, RESERVED_TOP_LEVEL_NAME));
  let lengthBytes = 0;
  try {
    for await (const bytes of gunzip(file, Math.min(MAX_INNER_BYTES, room.leftBytes))) {
      signal.throwIfAborted();
      await writeAll(handle, bytes, lengthBytes);
      lengthBytes += bytes.length;
    }
  } catch (error) {
    await handle.close();
    throw error;
  }
  return { handle, path, lengthBytes, [Symbol.asyncDispose]: () => handle.close() };
}

async function readable(packed: FileHandle) {
  const { size } = await packed.stat();
  return {
    lengthBytes: size,
    read: async (offset: number, length: number): Promise<Uint8Array> => {
      const bytes = Buffer.allocUnsafe(Math.max(0, Math.min(length, size - offset)));
      return bytes.subarray(0, (await packed.read(bytes, 0, bytes.length, offset)).bytesRead);
    },
  };
}
