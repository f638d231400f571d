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

/** Hashes every file again that the mirror holds of its release, whatever its size and time say. */
export async function verifyMirror(context: Mirror, signal: AbortSignal): Promise<VerifyResult> {
  const bad: BadFile[] = [];
  let bytes = 0;
  const { selection } = await withMergeFiles(context);
  const files = filesOf(context, withRememberedQuota(context, selection));
  for (const { path, content, size } of files) {
    signal.throwIfAborted();
    bytes += size;
    const verdict = await verifyFile(path, content, { ...context, signal });
    if (verdict !== "intact") bad.push({ path, verdict });
  }
  return { files: files.length, bytes, bad };
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
