import type { Entry } from "../manifest/entry.ts";
import { diffEntry, type PathChange } from "../manifest/path-change.ts";
import type { PendingChanges } from "../store/publish-index-pending.ts";
import type { PublishIndex } from "../store/publish-index.ts";

/** What the next release changes. */
export interface ListedChanges {
  /** In path order; undefined for a first release and where there are too many for a list. */
  readonly changes: readonly PathChange[] | undefined;
  readonly counts: { readonly added: number; readonly changed: number; readonly removed: number };
  /** Next release's totals minus those of the last one. */
  readonly growth: { readonly entries: number; readonly files: number; readonly bytes: number };
}

/**
 * Above so many changed paths a mirror is better served by index and chunks, and the list would not fit in memory:
 * none is made then, and the chain of lists begins anew.
 */
const MAX_LISTED_CHANGES = 300_000;

/** The step from the applied release to what is pending. */
export function listChanges(context: {
  readonly index: PublishIndex;
  readonly pending: PendingChanges;
}): ListedChanges {
  const isListed = context.index.appliedRelease > 0 && context.pending.count() <= MAX_LISTED_CHANGES;
  const counts = { added: 0, changed: 0, removed: 0 };
  const growth = { entries: 0, files: 0, bytes: 0 };
  const changes: PathChange[] = [];
  for (const { before, after } of context.pending.changes()) {
    const change = diffEntry(before, after);
    if (change === undefined) continue;
    counts[change.change]++;
    add(growth, after, 1);
    add(growth, before, -1);
    if (isListed) changes.push(change);
  }
  return { changes: isListed ? changes : undefined, counts, growth };
}

function add(totals: { entries: number; files: number; bytes: number }, entry: Entry | undefined, sign: 1 | -1): void {
  if (entry === undefined) return;
  totals.entries += sign;
  if (entry.kind !== "file") return;
  totals.files += sign;
  totals.bytes += sign * entry.size;
}
