import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import { contentIdOf, parseContentId, type ContentId } from "../core/content-id.ts";
import { DISK_FAILURES, isSystemError, messageOf } from "../core/errors.ts";
import { displayPath, type RepoPath } from "../core/repo-path.ts";
import { StoreError } from "../store/errors.ts";
import { chunksOf } from "../store/file-copy.ts";
import { fileStatOf, isSameFileStat, type FileStat } from "../store/file-stat.ts";
import type { FileRecord } from "../store/mirror-index-files.ts";
import type { Mirror } from "./mirror.ts";

/** What a look at one file found. */
export type FileVerdict = "intact" | "changed" | "missing" | "unreadable";

const BATCH = 64;

/**
 * Recorded for a file whose bytes the disk refuses to give: no file has it, so the next sync puts the right one there whatever
 * size and time say.
 */
const NO_CONTENT: ContentId = parseContentId("0".repeat(64));

/** What hashing works with. */
export type VerifyContext = Pick<Mirror, "index" | "destination" | "holdings" | "ports">;

/**
 * Hashes files that were believed by size and time alone (adopted from rsync, or cut off before they were recorded). What is
 * right may be given to others from then on; what is wrong is noted for the next sync to mend.
 * @returns how many were wrong
 */
export async function verifyAdopted(context: VerifyContext, signal: AbortSignal): Promise<number> {
  let wrong = 0;
  let after: RepoPath | undefined;
  for (;;) {
    const paths = context.index.files.unverified({ ...(after === undefined ? {} : { after }), limit: BATCH });
    if (paths.length === 0) return wrong;
    for (const path of paths) {
      const record = context.index.files.get(path);
      if (record === undefined || record.content === NO_CONTENT) continue;
      const verdict = await verifyFile(path, record.content, { ...context, signal });
      const isMendable = verdict !== "unreadable" || context.index.files.get(path)?.content === NO_CONTENT;
      if (verdict !== "intact" && isMendable) wrong++;
    }
    after = paths.at(-1);
  }
}

/**
 * Hashes one file and settles its record: verified if it is `expected`; else what it really is, so that no size and time makes
 * anybody believe otherwise, and the path is noted for the next sync. If the record changed meanwhile, a sync put a newer
 * file there: nothing is settled.
 */
export async function verifyFile(
  path: RepoPath,
  expected: ContentId,
  context: VerifyContext & { readonly signal: AbortSignal },
): Promise<FileVerdict> {
  const { index, destination, ports } = context;
  await setImmediate();
  const before = index.files.get(path);
  let found: FoundFile | undefined;
  try {
    await using handle = await destination.openForReading(path);
    found = await hashFile(handle, context.signal);
  } catch (error) {
    context.signal.throwIfAborted();
    if (!isMissing(error)) {
      ports.log.warn({ path: displayPath(path), reason: messageOf(error) }, "file can't be read");
      if (isSystemError(error, ...DISK_FAILURES)) settleUnreadable(path, before, context);
      return "unreadable";
    }
  }
  if (!isSameRecord(before, index.files.get(path))) return "intact";
  if (found?.content === expected) {
    index.files.put(path, { stat: found.stat, content: expected, isVerified: true });
    return "intact";
  }
  context.holdings.isComplete = false;
  index.transaction(() => {
    index.files.noteChanged(path);
    if (found?.content !== undefined) {
      index.files.put(path, { stat: found.stat, content: found.content, isVerified: true });
    }
  });
  return found === undefined ? "missing" : "changed";
}

interface FoundFile {
  readonly stat: FileStat;
  /** Undefined if the file was written to meanwhile. */
  readonly content: ContentId | undefined;
}

async function hashFile(handle: FileHandle, signal: AbortSignal): Promise<FoundFile> {
  const before = fileStatOf(await handle.stat({ bigint: true }));
  const hash = createHash("sha256");
  for await (const bytes of chunksOf(handle.fd, before.size)) {
    signal.throwIfAborted();
    if (bytes === undefined) return { stat: before, content: undefined };
    hash.update(bytes);
  }
  const stat = fileStatOf(await handle.stat({ bigint: true }));
  return { stat, content: isSameFileStat(before, stat) ? contentIdOf(hash.digest()) : undefined };
}

/** Nothing there, or something that is no file: both are not there as the release has it. */
function isMissing(error: unknown): boolean {
  return isSystemError(error, "ENOENT", "ENOTDIR") || error instanceof StoreError;
}

function settleUnreadable(path: RepoPath, record: FileRecord | undefined, context: VerifyContext): void {
  const stats = context.destination.lstat(path);
  if (stats === undefined || !isSameRecord(record, context.index.files.get(path))) return;
  context.holdings.isComplete = false;
  context.index.transaction(() => {
    context.index.files.noteChanged(path);
    context.index.files.put(path, { stat: fileStatOf(stats), content: NO_CONTENT, isVerified: false });
  });
}

function isSameRecord(a: FileRecord | undefined, b: FileRecord | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.content === b.content && isSameFileStat(a.stat, b.stat);
}
