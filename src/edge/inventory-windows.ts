import { setImmediate } from "node:timers/promises";
import { displayPath, type RepoPath } from "../core/repo-path.ts";
import type { Entry } from "../manifest/entry.ts";
import type { ConsideredPath } from "../plan/plan-sync.ts";
import { fileStatOf } from "../store/file-stat.ts";
import { orderedWalk } from "../store/ordered-walk.ts";
import {
  changesOf,
  consideredPath,
  type InventoryScope,
  type InventoryWindow,
  isBelowAbsent,
  isStray,
  takeInventory,
  wholeWindow,
} from "./inventory.ts";
import { ManifestView } from "./manifest-check.ts";

/** A path on its way takes about 4 kB from plan to activation: so many take 70 MB. */
export const DEFAULT_WINDOW_PATHS = 16_384;

const LOOKS_PER_TURN = 2_000;

export interface WindowScope extends InventoryScope {
  readonly windowPaths: number;
  /** Paths that come last. */
  readonly isMetadata: (path: RepoPath) => boolean;
}

/**
 * What a sync has to decide about: all at once, or, if DEST gets its first release and that is large, a window of paths after the
 * other, so that memory does not grow with the release. One window is to be brought to its end before the next is asked for. Index
 * files and removals, and what makes way for a file, are in the last.
 */
export async function* inventoryWindows(scope: WindowScope): AsyncGenerator<InventoryWindow> {
  const { index } = scope;
  const entries = index.manifest.next()?.refs.reduce((sum, ref) => sum + ref.entryCount, 0) ?? 0;
  if (index.manifest.held() === undefined && entries > scope.windowPaths) yield* firstRelease(scope);
  else yield wholeWindow(index, await takeInventory(scope));
}

async function* firstRelease(scope: WindowScope): AsyncGenerator<InventoryWindow> {
  const { index } = scope;
  const view = new ManifestView(index.manifest.next()!.refs, (sha256) => index.manifest.loadChunk(sha256));
  const entryElsewhere = (path: RepoPath): Entry | undefined => view.find(path);
  const last = new Map<RepoPath, ConsideredPath>();
  if (scope.isWhole) await considerForeign(scope, last);
  for (const { path, isOurs } of index.gone.all()) {
    if (isOurs && entryElsewhere(path) === undefined) considerNoted(path, { scope, last });
  }
  const noted = index.files.pendingRows();
  const late = { last, isMetadata: scope.isMetadata };
  let considered = new Map<RepoPath, ConsideredPath>();
  let looks = 0;
  for (const { path, after } of changesOf(index)) {
    if (++looks % LOOKS_PER_TURN === 0) await setImmediate();
    for (let row = noted.takeBefore(path); row !== undefined; row = noted.takeBefore(path)) {
      considerNoted(row.path, { scope, last });
    }
    noted.takeAt(path);
    const isAbsent = isBelowAbsent(path, considered);
    const item = consideredPath(scope, { path, entry: after, origin: "release", isAbsent });
    // What the selection leaves out, and is not there, may be most of the release.
    if (item === undefined || isNothing(item)) continue;
    if (comesLast(item, late)) last.set(path, item);
    else considered.set(path, item);
    if (considered.size < scope.windowPaths) continue;
    yield { considered, entryElsewhere, isLast: false, isWhole: false };
    considered = new Map();
  }
  for (let row = noted.takeBefore(undefined); row !== undefined; row = noted.takeBefore(undefined)) {
    considerNoted(row.path, { scope, last });
  }
  yield { considered: new Map([...considered, ...last]), entryElsewhere, isLast: true, isWhole: false };
}

/** A path that an interrupted run put there, or that an earlier one kept, and that the release lacks. */
function considerNoted(
  path: RepoPath,
  { scope, last }: { readonly scope: WindowScope; readonly last: Map<RepoPath, ConsideredPath> },
): void {
  const item = consideredPath(scope, { path, entry: undefined, origin: "noted", isAbsent: false });
  if (item !== undefined) last.set(path, item);
}

function isNothing({ entry, local }: ConsideredPath): boolean {
  return entry === undefined && local.kind === "absent";
}

/** Index files, further names of what comes last, removals, and files where a directory must be cleared away first. */
function comesLast(
  { path, entry, local }: ConsideredPath,
  { last, isMetadata }: Pick<WindowScope, "isMetadata"> & { readonly last: ReadonlyMap<RepoPath, ConsideredPath> },
): boolean {
  if (entry === undefined) return true;
  if (entry.kind === "directory") return false;
  const isNameOfLate = entry.kind === "file" && entry.link !== undefined && last.has(entry.link);
  return isNameOfLate || local.kind === "directory" || isMetadata(path);
}

/** One pass over the tree and the release, before anything is changed: files that nobody knows, and what the release lacks. */
async function considerForeign(scope: WindowScope, last: Map<RepoPath, ConsideredPath>): Promise<void> {
  const changes = changesOf(scope.index);
  const records = scope.index.files.rows();
  // Read no further than DEST has paths: before a first sync it mostly has none.
  let change: ReturnType<typeof changes.next> | undefined;
  for await (const batch of orderedWalk(scope.destination)) {
    for (const found of batch) {
      if (found.kind === "unreadable") {
        scope.log.warn({ path: displayPath(found.path ?? ".") }, "directory can't be read, left as it is");
        continue;
      }
      const { path } = found;
      change ??= changes.next();
      while (change.done !== true && change.value.path < path) change = changes.next();
      const entry = change.done !== true && change.value.path === path ? change.value.after : undefined;
      if (isStray(records.takeAt(path)?.value, entry, found)) scope.strays.add(path, fileStatOf(found.stats));
      if (entry !== undefined || !scope.includesForeign) continue;
      const item = consideredPath(scope, { path, entry, origin: "foreign", isAbsent: false });
      if (item !== undefined) last.set(path, item);
    }
  }
}
