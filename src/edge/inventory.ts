import type { BigIntStats } from "node:fs";
import { setImmediate } from "node:timers/promises";
import type { ContentId } from "../core/content-id.ts";
import { DISK_FAILURES, isSystemError } from "../core/errors.ts";
import { displayPath, parentOf, type RepoPath } from "../core/repo-path.ts";
import { isSameMtime } from "../core/time.ts";
import type { Selection } from "../filter/selection.ts";
import type { Entry } from "../manifest/entry.ts";
import { type AttributeRules, heldEntry, heldMode, mayGiveTo } from "../plan/held-attributes.ts";
import type { ConsideredPath, LocalHoldings, LocalState } from "../plan/plan-sync.ts";
import type { ConfinedDirectory } from "../store/confined-directory.ts";
import { fileStatOf, isSameFileStat } from "../store/file-stat.ts";
import type { MirrorIndex } from "../store/mirror-index.ts";
import type { FileRecord } from "../store/mirror-index-files.ts";
import { orderedWalk, type WalkedEntry } from "../store/ordered-walk.ts";
import type { StrayFiles } from "./stray-files.ts";
import type { SyncLog } from "./sync-log.ts";

/** What the inventory looks at, and how far. */
export interface InventoryScope {
  readonly index: MirrorIndex;
  readonly destination: ConfinedDirectory;
  readonly log: SyncLog;
  /** Look at every path of DEST, not only at those that the release changed. */
  readonly isWhole: boolean;
  /** Paths of DEST that no release brought count too (rsync --delete). */
  readonly includesForeign: boolean;
  /** Files that were believed by size and time count as unknown (rsync --checksum). */
  readonly isStrict: boolean;
  /** Paths outside it are no part of the release, or left alone. */
  readonly selection: Selection;
  /** Files that a whole look finds and that nothing is recorded about are noted here. */
  readonly strays: StrayFiles;
  /** Attributes that this mirror gives the entries of a release. */
  readonly attributes: AttributeRules;
}

/** Looks between two turns of the event loop: peers and customers are served meanwhile. */
const LOOKS_PER_TURN = 2_000;

/**
 * The paths that a sync has to decide about, in no order: what differs between the held release and the next, what an
 * interrupted run may have left, and after a whole walk everything that is not as it was recorded.
 */
export async function takeInventory(scope: InventoryScope): Promise<Map<RepoPath, ConsideredPath>> {
  const considered = new Map<RepoPath, ConsideredPath>();
  // Of these neither what stands there nor what the held release says of them is looked at again.
  const leftAlone = new Set<RepoPath>();
  const consider: Consider = (path, entry, origin) => {
    if (considered.has(path) || leftAlone.has(path)) return;
    const item = consideredPath(scope, { path, entry, origin, isAbsent: isBelowAbsent(path, considered) });
    if (item === undefined) leftAlone.add(path);
    else considered.set(path, item);
  };
  const { index } = scope;
  let looks = 0;
  for (const { path, after } of changesOf(index)) {
    consider(path, after, "release");
    if (++looks % LOOKS_PER_TURN === 0) await setImmediate();
  }
  for (const path of index.files.pending()) {
    consider(path, index.manifest.entry(path), "noted");
  }
  for (const { path, isOurs } of index.gone.all()) {
    if (isOurs || scope.includesForeign) consider(path, index.manifest.entry(path), isOurs ? "noted" : "foreign");
  }
  if (scope.isWhole) await considerWhole(scope, considered, consider);
  return considered;
}

/** What is not there has nothing below it. */
export function isBelowAbsent(path: RepoPath, considered: ReadonlyMap<RepoPath, ConsideredPath>): boolean {
  const parent = parentOf(path);
  return parent !== undefined && considered.get(parent)?.local.kind === "absent";
}

/** Looks at a path, unless it is known to be absent. Undefined if the selection leaves it alone. */
export function consideredPath(
  scope: InventoryScope,
  about: {
    readonly path: RepoPath;
    readonly entry: Entry | undefined;
    readonly origin: Origin;
    readonly isAbsent: boolean;
  },
): ConsideredPath | undefined {
  const { path, origin } = about;
  const entry = about.entry === undefined ? undefined : heldEntry(about.entry, scope.attributes);
  const local = about.isAbsent ? ABSENT : localState(scope, path);
  const item = select({ path, entry, local, isOurs: origin !== "foreign" }, scope.selection);
  if (item === undefined || item.entry !== undefined) return item;
  return { ...item, isOurs: isRemovable(scope.index, item, origin) };
}

/** Why a path is looked at: a release says something of it, an earlier run noted it, or it only stands there. */
type Origin = "release" | "noted" | "foreign";
type Consider = (path: RepoPath, entry: Entry | undefined, origin: Origin) => void;

/**
 * Whether what the release lacks was brought by one: of a file there is a record then, and one that was only noted is still as
 * recorded. All else may be somebody's own: where a release that never arrived had a file, or a selection left one alone.
 */
function isRemovable(index: MirrorIndex, { path, local }: ConsideredPath, origin: Origin): boolean {
  if (origin === "foreign") return false;
  if (local.kind !== "file") return true;
  return origin === "noted" ? local.content !== undefined : index.files.get(path) !== undefined;
}

/** A path as a partial mirror sees it: undefined if it is left alone. */
function select(item: ConsideredPath, selection: Selection): ConsideredPath | undefined {
  if (selection.isEverything) return item;
  const isDirectory = (item.entry ?? item.local).kind === "directory";
  const verdict = selection.verdictOn(item.path, item.entry, isDirectory);
  if (verdict === "left-alone") return undefined;
  return verdict === "wanted" ? item : { ...item, entry: undefined };
}

/** What differs between the held release and the one on its way; nothing if none is. */
export function* changesOf(
  index: MirrorIndex,
): Generator<{ readonly path: RepoPath; readonly after: Entry | undefined }> {
  if (index.manifest.next() !== undefined) yield* index.manifest.changes();
}

/** One pass over the tree, the held manifest and the records, each in path order. */
async function considerWhole(
  scope: InventoryScope,
  considered: ReadonlyMap<RepoPath, ConsideredPath>,
  consider: Consider,
): Promise<void> {
  const { index } = scope;
  const entries = index.manifest.rows();
  const records = index.files.rows();
  let looks = 0;
  const considerMissing = async (before: RepoPath | undefined): Promise<void> => {
    for (let row = entries.takeBefore(before); row !== undefined; row = entries.takeBefore(before)) {
      consider(row.path, row.value, "release");
      if (++looks % LOOKS_PER_TURN === 0) await setImmediate();
    }
  };
  for await (const batch of orderedWalk(scope.destination)) {
    for (const found of batch) {
      if (found.kind === "unreadable") {
        scope.log.warn({ path: displayPath(found.path ?? ".") }, "directory can't be read, left as it is");
        continue;
      }
      if (entries.hasBefore(found.path)) await considerMissing(found.path);
      const held = entries.takeAt(found.path)?.value;
      const record = records.takeAt(found.path)?.value;
      const changed = considered.get(found.path);
      const entry = changed === undefined ? held : changed.entry;
      if (isStray(record, entry, found)) scope.strays.add(found.path, fileStatOf(found.stats));
      if (changed !== undefined) continue;
      if (entry === undefined) {
        if (scope.includesForeign) consider(found.path, undefined, "foreign");
      } else if (!isWanted(scope, entry) || !isAsRecorded(scope, { entry, record, found })) {
        consider(found.path, entry, "release");
      }
    }
  }
  await considerMissing(undefined);
}

/** False for what another selection than before leaves out. */
function isWanted({ selection }: InventoryScope, entry: Entry): boolean {
  return selection.isEverything || selection.verdictOn(entry.path, entry, entry.kind === "directory") === "wanted";
}

/** True for a file that nobody knows and that does not look like what the release has there. */
export function isStray(record: FileRecord | undefined, entry: Entry | undefined, found: WalkedEntry): boolean {
  if (found.kind !== "file" || record !== undefined) return false;
  return !(entry?.kind === "file" && entry.size === found.size && isSameMtime(entry.mtimeNs, found.stats.mtimeNs));
}

/** True if nothing need be decided about a path that the new release leaves as it is. */
function isAsRecorded(
  { isStrict, attributes }: InventoryScope,
  {
    entry,
    record,
    found,
  }: { readonly entry: Entry; readonly record: FileRecord | undefined; readonly found: WalkedEntry },
): boolean {
  if (entry.kind !== "file" || found.kind !== "file") return false;
  if (record === undefined || (isStrict && !record.isVerified)) return false;
  const isSameFile = record.content === entry.content && isSameFileStat(record.stat, fileStatOf(found.stats));
  if (!isSameFile || !isSameMtime(found.stats.mtimeNs, entry.mtimeNs)) return false;
  return found.mode === heldMode(entry.mode, attributes, false) && hasHeldOwners(entry, found, attributes);
}

function hasHeldOwners(entry: Entry, found: { readonly stats: BigIntStats }, rules: AttributeRules): boolean {
  if (rules.keepsOwner && entry.uid !== undefined && BigInt(entry.uid) !== found.stats.uid) return false;
  return entry.gid === undefined || !mayGiveTo(entry.gid, rules) || BigInt(entry.gid) === found.stats.gid;
}

const ABSENT: LocalState = { kind: "absent" };

/** What stands at a path now; its content only if it was recorded and the stat is still the same. */
export function localState(scope: LocalScope, path: RepoPath): LocalState {
  try {
    return lookAt(scope, path);
  } catch (error) {
    // Not readable, or gone since: that path alone will fail, not the sync.
    if (!isSystemError(error, "EACCES", "EPERM", "ENOENT", "EINVAL", ...DISK_FAILURES)) throw error;
    return { kind: "other" };
  }
}

/** What {@link localState} needs. */
export type LocalScope = Pick<InventoryScope, "index" | "destination"> &
  Partial<Pick<InventoryScope, "isStrict" | "strays">>;

function lookAt(scope: LocalScope, path: RepoPath): LocalState {
  const stats = scope.destination.lstat(path);
  if (stats === undefined) return ABSENT;
  const mode = Number(stats.mode) & 0o7777;
  const { mtimeNs } = stats;
  const owners = { uid: Number(stats.uid), gid: Number(stats.gid) };
  if (stats.isDirectory()) return { kind: "directory", mode, mtimeNs, ...owners };
  if (stats.isSymbolicLink()) return { kind: "symlink", target: scope.destination.readlink(path), mtimeNs, ...owners };
  if (!stats.isFile()) return { kind: "other" };
  const record = scope.index.files.lookUp(path, fileStatOf(stats));
  const inode = `${stats.dev}:${stats.ino}`;
  const local = { kind: "file" as const, size: Number(stats.size), mode, mtimeNs, ...owners, inode };
  const isUnknown = record === undefined || (scope.isStrict === true && !record.isVerified);
  return isUnknown ? local : { ...local, content: record.content };
}

/** What a sync decides about at one time. */
export interface InventoryWindow {
  readonly considered: ReadonlyMap<RepoPath, ConsideredPath>;
  /** The release's entry of any other path: that one stays as it is, or what is to be done with it is done. */
  readonly entryElsewhere: (path: RepoPath) => Entry | undefined;
  /** All that comes last is in it. */
  readonly isLast: boolean;
  /** It is the only one. */
  readonly isWhole: boolean;
}

/** All of it at once: what is not considered is as the held release has it. */
export function wholeWindow(
  index: MirrorIndex,
  considered: ReadonlyMap<RepoPath, ConsideredPath> = new Map(),
): InventoryWindow {
  return { considered, entryElsewhere: (path) => index.manifest.entry(path), isLast: true, isWhole: true };
}

/** Answers from the index, checked against the disk at the moment of the question. */
export function localHoldings(scope: LocalScope, window: InventoryWindow = wholeWindow(scope.index)): LocalHoldings {
  const { considered, entryElsewhere } = window;
  // Before the first sync there is nothing to be asked about, once per content.
  const isEmpty = scope.index.files.isEmpty();
  return {
    contentAfter: (path: RepoPath) => {
      const decided = considered.get(path);
      const entry = decided === undefined ? entryElsewhere(path) : decided.entry;
      if (entry?.kind !== "file" || entry.link !== undefined) return undefined;
      if (decided !== undefined) return entry.content;
      const local = localState(scope, path);
      return local.kind === "file" && local.content === entry.content ? entry.content : undefined;
    },
    holdersOf: (content: ContentId, trust: "any" | "verified") => (isEmpty ? [] : holdersOf(scope, content, trust)),
    strayLike: (entry) => scope.strays?.find(entry),
    contentAt: (path: RepoPath) => {
      const local = localState(scope, path);
      return local.kind === "file" ? local.content : undefined;
    },
    inodeOf: (path: RepoPath) => {
      const local = localState(scope, path);
      return local.kind === "file" ? local.inode : undefined;
    },
  };
}

/** Paths whose file is recorded with a content and still the same, each looked at when asked for. */
export function* holdersOf(
  scope: LocalScope,
  content: ContentId,
  trust: "any" | "verified" = "any",
): Generator<RepoPath> {
  for (const path of scope.index.files.allPathsOf(content, trust)) {
    const local = localState(scope, path);
    if (local.kind === "file" && local.content === content) yield path;
  }
}
