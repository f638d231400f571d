import type { FileHandle } from "node:fs/promises";
import { messageOf } from "../core/errors.ts";
import { displayPath, type RepoPath } from "../core/repo-path.ts";
import type { MatchedRun } from "../delta/match-search.ts";
import type { StagedTransfer } from "./staged-transfer.ts";
import type { SyncLog } from "./sync-log.ts";

const COPY_CHUNK_BYTES = 256 * 1024;

/** A basis file, or what it unpacks to. */
export interface OpenBasis {
  readonly handle: FileHandle;
  /** For the log. */
  readonly path: RepoPath;
}

interface CopyContext {
  readonly transfer: StagedTransfer;
  readonly log: SyncLog;
}

/**
 * Stages what the search found and what is not there yet. A basis that fails here, after it was searched, gives no more; errors
 * of the staging area are passed on.
 */
export async function copyMatches(
  runs: readonly MatchedRun[],
  bases: readonly OpenBasis[],
  context: CopyContext,
): Promise<void> {
  const { transfer } = context;
  const buffer = Buffer.allocUnsafe(COPY_CHUNK_BYTES);
  const failed = new Set<number>();
  for (const run of runs) {
    for (const missing of [...transfer.present.missingIn(run.targetOffset, run.targetOffset + run.length)]) {
      for (let offset = missing.start; offset < missing.end && !failed.has(run.basis); offset += COPY_CHUNK_BYTES) {
        const into = buffer.subarray(0, missing.end - offset);
        const at = run.basisOffset + offset - run.targetOffset;
        if (await readBasis(bases[run.basis]!, { into, at }, context)) await transfer.write(offset, into);
        else failed.add(run.basis);
      }
    }
  }
}

/** False if the basis ends before, or can't be read. */
async function readBasis(
  { handle, path }: OpenBasis,
  { into, at }: { readonly into: Uint8Array; readonly at: number },
  { log }: CopyContext,
): Promise<boolean> {
  try {
    const { bytesRead } = await handle.read(into, 0, into.length, at);
    return bytesRead === into.length;
  } catch (error) {
    log.warn({ path: displayPath(path), reason: messageOf(error) }, "basis file can't be read");
    return false;
  }
}
