import type { RepoPath } from "../core/repo-path.ts";
import type { Selection } from "../filter/selection.ts";
import type { Entry } from "../manifest/entry.ts";
import type { ItemizedChange } from "../report/itemized-change.ts";
import type { EntryCounts } from "../report/sync-stats.ts";
import type { MirrorIndex } from "../store/mirror-index.ts";
import { heldRoot } from "./commit-release.ts";
import { itemizedChanges, type WindowChanges } from "./itemized-changes.ts";
import type { Mirror } from "./mirror.ts";
import type { PreparedSync } from "./prepare-plan.ts";

/** What of a sync is told only to those who ask: reading it costs time. Valid while the mirror is open. */
export interface SyncDetails {
  /** What was (or, of a dry run, would be) done, path by path; of a release that came in windows only if it was to be kept. */
  changes(): Iterable<ItemizedChange>;
  /** What the mirror holds of the release. */
  entries(): SelectedEntries;
  /** Bytes of contents that no file of DEST had. */
  readonly literalBytes: number;
}

/** Paths that the mirror holds, by kind, and their bytes. */
export interface SelectedEntries extends EntryCounts {
  readonly fileBytes: number;
  /** Of symlinks. */
  readonly targetBytes: number;
}

/** @param done.undone paths that stayed as they were @param done.windows as they were brought, those that were kept */
export function detailsOf(
  mirror: Mirror,
  prepared: PreparedSync,
  done: {
    readonly windows: readonly WindowChanges[];
    readonly undone: ReadonlySet<RepoPath>;
    readonly literalBytes: number;
  },
): SyncDetails {
  const { release, rootBefore, selection } = prepared;
  const root = { before: rootBefore, after: heldRoot(release, mirror.attributes) };
  return {
    changes: () => itemizedChanges({ windows: done.windows, root }, done.undone),
    entries: () => countEntries(mirror.index, selection),
    literalBytes: done.literalBytes,
  };
}

/** Of the release on its way if there is one, else of the held one. */
function countEntries(index: MirrorIndex, selection: Selection): SelectedEntries {
  const counts = { files: 0, directories: 1, symlinks: 0, fileBytes: 0, targetBytes: 0 };
  const add = (entry: Entry | undefined, sign: 1 | -1): void => {
    if (entry === undefined) return;
    if (!selection.isEverything && selection.verdictOn(entry.path, entry, entry.kind === "directory") !== "wanted")
      return;
    if (entry.kind === "directory") counts.directories += sign;
    else if (entry.kind === "symlink") {
      counts.symlinks += sign;
      counts.targetBytes += sign * entry.target.length;
    } else {
      counts.files += sign;
      counts.fileBytes += sign * entry.size;
    }
  };
  for (const entry of index.manifest.entries()) add(entry, 1);
  if (index.manifest.next() === undefined) return counts;
  for (const { before, after } of index.manifest.changes()) {
    add(before, -1);
    add(after, 1);
  }
  return counts;
}
