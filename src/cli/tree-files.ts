import { createHash, type Hash } from "node:crypto";
import { closeSync, read, readSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { promisify } from "node:util";
import { CodecError } from "../codec/errors.ts";
import { gunzip, type ReadableBytes } from "../codec/gunzip.ts";
import { isGzip } from "../codec/gzip-header.ts";
import type { TreeFile } from "../analyze/tree-report.ts";
import { isSystemError, messageOf, PrsyncError } from "../core/errors.ts";
import type { RepoPath } from "../core/repo-path.ts";
import { SketchBuilder } from "../delta/sketch-builder.ts";
import { isSketched, type SketchedContent } from "../delta/sketch.ts";
import { loadStrongSum, type StrongSum } from "../delta/strong-sum.ts";
import { MAX_INNER_BYTES } from "../manifest/recompression.ts";
import { ConfinedDirectory } from "../store/confined-directory.ts";
import { orderedWalk } from "../store/ordered-walk.ts";

const READ_BYTES = 1024 * 1024;
/** After so many the event loop has a turn, in which signals arrive: about 20 ms. */
const TURN_BYTES = 4 * READ_BYTES;
/** As publish has it: what is shorter is not worth looking into. */
const LEAST_LOOKED_INTO_BYTES = 64 * 1024;

/** A file or directory of the tree. */
export interface UnreadableFile {
  readonly unreadable: RepoPath;
  readonly reason: string;
}

/**
 * Reads every regular file below a directory, in the manifest's order, and what can't be read with the reason. Symlinks are not followed.
 * @throws StoreError or the system's error if the directory itself can't be read; the signal's reason
 */
export async function* readTreeFiles(path: string, signal: AbortSignal): AsyncGenerator<TreeFile | UnreadableFile> {
  using root = ConfinedDirectory.open(path);
  const strongSum = await loadStrongSum();
  for await (const batch of orderedWalk(root)) {
    for (const entry of batch) {
      signal.throwIfAborted();
      if (entry.kind === "unreadable")
        yield { unreadable: entry.path ?? ("" as RepoPath), reason: messageOf(entry.error) };
      else if (entry.kind === "file") yield await readFileOf(root, entry.path, { strongSum, signal });
    }
  }
}

interface Reading {
  readonly strongSum: StrongSum;
  readonly signal: AbortSignal;
}

async function readFileOf(
  root: ConfinedDirectory,
  path: RepoPath,
  reading: Reading,
): Promise<TreeFile | UnreadableFile> {
  let descriptor: number | undefined;
  try {
    descriptor = root.openForReadingSync(path);
    const { sizeBytes, hash, sketch, isPacked } = await digest(descriptor, reading);
    const isLookedInto = isPacked && sizeBytes >= LEAST_LOOKED_INTO_BYTES;
    const inner = isLookedInto ? await sketchInner(openedBytes(descriptor, sizeBytes), reading) : undefined;
    return {
      path,
      sizeBytes,
      content: hash.digest("base64"),
      sketch: isSketched(sizeBytes) ? sketch.digest() : undefined,
      inner,
    };
  } catch (error) {
    if (error instanceof PrsyncError || isSystemError(error, "ENOENT", "EACCES", "ELOOP", "EIO"))
      return { unreadable: path, reason: messageOf(error) };
    throw error;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

interface Digested {
  readonly sizeBytes: number;
  readonly hash: Hash;
  readonly sketch: SketchBuilder;
  readonly isPacked: boolean;
}

const buffer = Buffer.allocUnsafe(READ_BYTES);

async function digest(descriptor: number, { strongSum, signal }: Reading): Promise<Digested> {
  const hash = createHash("sha256");
  const sketch = new SketchBuilder(strongSum);
  let sizeBytes = 0;
  let isPacked = false;
  for (;;) {
    const length = readSync(descriptor, buffer, 0, buffer.length, sizeBytes);
    if (length === 0) return { sizeBytes, hash, sketch, isPacked };
    const slice = buffer.subarray(0, length);
    if (sizeBytes === 0) isPacked = isGzip(slice);
    hash.update(slice);
    sketch.update(slice);
    sizeBytes += length;
    if (sizeBytes % TURN_BYTES === 0) await setImmediate();
    signal.throwIfAborted();
  }
}

function openedBytes(descriptor: number, lengthBytes: number): ReadableBytes {
  return {
    lengthBytes,
    read: async (offset, length) => {
      const { bytesRead, buffer } = await readAsync(descriptor, Buffer.allocUnsafe(length), 0, length, offset);
      return buffer.subarray(0, bytesRead);
    },
  };
}

const readAsync = promisify(read);

/** Undefined for what is too small for a sketch, and for what publish does not look into: no whole gzip file, or more in it than {@link MAX_INNER_BYTES}. */
async function sketchInner(
  packed: ReadableBytes,
  { strongSum, signal }: Reading,
): Promise<SketchedContent | undefined> {
  const sketch = new SketchBuilder(strongSum);
  let lengthBytes = 0;
  try {
    for await (const slice of gunzip(packed, MAX_INNER_BYTES)) {
      signal.throwIfAborted();
      sketch.update(slice);
      lengthBytes += slice.length;
    }
  } catch (error) {
    if (error instanceof CodecError) return undefined;
    throw error;
  }
  return isSketched(lengthBytes) ? { lengthBytes, sketch: sketch.digest() } : undefined;
}
