import { displayPath, type RepoPath } from "../core/repo-path.ts";
import type { PublishIndex } from "../store/publish-index.ts";
import type { PendingChanges } from "../store/publish-index-pending.ts";
import { entryLookup } from "../store/publish-index-entries.ts";
import type { ContentReader } from "../store/retained-contents-reader.ts";

/** What settling needs. */
export interface SettleContext {
  readonly index: PublishIndex;
  readonly pending: PendingChanges;
  readonly reader: ContentReader;
  readonly warn: (line: string) => void;
}

/**
 * Decides about paths that could not be read as they stand: the previous entry stays if its content is still held
 * intact, else the path is left out. Never a torn hash, never a path dropped only because it was busy.
 * @returns the paths, for exit code 24
 */
export async function settleFailures(context: SettleContext): Promise<RepoPath[]> {
  const failures = context.pending.failures();
  for (const { path, failure } of failures) {
    const isKept = await isPreviousIntact(context, path);
    context.warn(`"${displayPath(path)}" ${failure}: ${isKept ? "its previous version stays" : "it is left out"}`);
    if (isKept) context.pending.keepPrevious(path);
    else context.pending.leaveOut(path);
  }
  return failures.map(({ path }) => path);
}

async function isPreviousIntact(context: SettleContext, path: RepoPath): Promise<boolean> {
  const previous = entryLookup(context.index)(path);
  if (previous?.kind !== "file") return false;
  await using opened = await context.reader.open(previous.content);
  return opened !== undefined;
}
