import type { ContentId } from "../core/content-id.ts";
import type { RepoPath } from "../core/repo-path.ts";
import type { Selection } from "../filter/selection.ts";
import { withMergeFiles } from "./merge-files.ts";
import type { Mirror } from "./mirror.ts";
import { withRememberedQuota } from "./quota.ts";
import { verifyFile, type FileVerdict } from "./verify-held.ts";

export interface VerifyResult {
  readonly files: number;
  readonly bytes: number;
  /** Files of the held release that are not what it says; noted for the next sync to mend. */
  readonly bad: readonly BadFile[];
}

export interface BadFile {
  readonly path: RepoPath;
  readonly verdict: Exclude<FileVerdict, "intact">;
}

/** Bad files that a sync did not mend. */
export interface LeftUnmended {
  /** Not as the release has them. */
  readonly unmended: readonly RepoPath[];
  /** Not part of what this mirror holds any more: the release, the selection or the cut of the quota changed. */
  readonly unwanted: readonly RepoPath[];
}

/**
 * Hashes every file again that the mirror holds of its release, whatever its size and time say: by the selection and the quota of the last
 * sync, as another one that nobody has gone by yet says nothing about what is there.
 */
export async function verifyMirror(context: Mirror, signal: AbortSignal): Promise<VerifyResult> {
  const bad: BadFile[] = [];
  let bytes = 0;
  const files = filesOf(context, await appliedSelection(context));
  for (const { path, content, size } of files) {
    signal.throwIfAborted();
    bytes += size;
    const verdict = await verifyFile(path, content, { ...context, signal });
    if (verdict !== "intact") bad.push({ path, verdict });
  }
  return { files: files.length, bytes, bad };
}

/** Looks again at bad files after a sync: only what is there and right counts as mended. */
export async function lookAgain(context: Mirror, bad: readonly BadFile[], signal: AbortSignal): Promise<LeftUnmended> {
  const unmended: RepoPath[] = [];
  const unwanted: RepoPath[] = [];
  const selection = await appliedSelection(context);
  for (const { path } of bad) {
    signal.throwIfAborted();
    const entry = context.index.manifest.entry(path);
    if (entry?.kind !== "file" || selection.verdictOn(path, entry, false) !== "wanted") unwanted.push(path);
    else if ((await verifyFile(path, entry.content, { ...context, signal })) !== "intact") unmended.push(path);
  }
  return { unmended, unwanted };
}

async function appliedSelection(context: Mirror): Promise<Selection> {
  const { selection } = await withMergeFiles(context, context.selected.applied.selection);
  return withRememberedQuota(context, selection);
}

interface ExpectedFile {
  readonly path: RepoPath;
  readonly content: ContentId;
  readonly size: number;
}

/** A list, not the entries themselves: the look-up must end before the first record is written. */
function filesOf({ index }: Mirror, selection: Selection): ExpectedFile[] {
  const files: ExpectedFile[] = [];
  for (const entry of index.manifest.entries()) {
    if (entry.kind !== "file" || selection.verdictOn(entry.path, entry, false) !== "wanted") continue;
    files.push({ path: entry.path, content: entry.content, size: entry.size });
  }
  return files;
}
