import type { RepoPath } from "../core/repo-path.ts";
import type { PathFailure } from "../store/activation.ts";
import type { ActivatedRelease } from "./activate-release.ts";
import type { DownloadFailure } from "./download.ts";
import { changesIn, type WindowChanges } from "./itemized-changes.ts";
import type { PlannedWindow } from "./prepare-plan.ts";
import type { ReusedContent } from "./reuse.ts";
import { type ChangedFiles, countChanged, literalBytesOf } from "./sync-figures.ts";

/** How the paths of a window turned out. */
export interface DoneWindow {
  readonly planned: PlannedWindow;
  readonly reused: readonly ReusedContent[];
  readonly failed: readonly DownloadFailure[];
  readonly activated: ActivatedRelease;
}

/** What a sync did so far, window by window. */
export class SyncTally {
  changed: ChangedFiles = { copied: 0, delta: 0, fetched: 0 };
  literalBytes = 0;
  removed = 0;
  /** Removals whose time has not come. */
  heldBack = 0;
  hasTooManyRemovals = false;
  readonly failures: PathFailure[] = [];
  /** Paths that stayed as they were. */
  readonly undone: Set<RepoPath> = new Set<RepoPath>();
  /** Paths that the next run is to look at. */
  readonly noted: RepoPath[] = [];
  /** The last one, or all if they are to be kept. */
  readonly windows: WindowChanges[] = [];
  /** Some path is not as the release has it, or is held back. */
  isIncomplete = false;

  add({ planned, reused, failed, activated }: DoneWindow, keepsWindow: boolean): void {
    const counts = countChanged(planned.plan, reused);
    const { copied, delta, fetched } = this.changed;
    this.changed = { copied: copied + counts.copied, delta: delta + counts.delta, fetched: fetched + counts.fetched };
    this.literalBytes += literalBytesOf(reused);
    this.removed += activated.removed;
    this.heldBack += planned.gone.heldBack.length;
    const failures = [...activated.failures, ...unobtained(planned, failed)];
    const failedPaths = [...failures.map(({ path }) => path), ...activated.heldBack];
    if (failedPaths.length > 0) this.isIncomplete = true;
    if (planned.spared.length > 0) this.hasTooManyRemovals = true;
    // What no release brought is not noted: the next run would take it for its own.
    const isOurs = (path: RepoPath): boolean => planned.considered.get(path)?.isOurs !== false;
    for (const path of [...failedPaths, ...planned.spared]) if (isOurs(path)) this.noted.push(path);
    for (const path of [...failedPaths, ...activated.leftAlone]) this.undone.add(path);
    this.noted.push(...namesApart(planned, this.undone));
    for (const failure of failures) this.failures.push(failure);
    if (keepsWindow) this.windows.push(changesIn(planned));
  }
}

/** Further names whose first one failed in an earlier window: files of their own, until the next run has that one. */
function namesApart({ plan }: PlannedWindow, undone: ReadonlySet<RepoPath>): RepoPath[] {
  if (undone.size === 0) return [];
  return plan.decisions.flatMap((decision) => {
    if (decision.action !== "place" || decision.entry.link === undefined) return [];
    return undone.has(decision.entry.link) ? [decision.entry.path] : [];
  });
}

function unobtained({ plan }: PlannedWindow, failed: readonly DownloadFailure[]): PathFailure[] {
  const errors = new Map(failed.map(({ transfer, error }) => [transfer.content, error]));
  return plan.decisions.flatMap((decision) => {
    if (decision.action !== "place" && decision.action !== "link") return [];
    const { path, content } = decision.entry;
    return errors.has(content) ? [{ path, error: errors.get(content) }] : [];
  });
}
