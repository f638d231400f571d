import { messageOf } from "../core/errors.ts";
import { displayPath, parentOf, type RepoPath } from "../core/repo-path.ts";
import type { ConfinedDirectory } from "../store/confined-directory.ts";
import { orderedWalkOfChanges, type SamePaths, type WalkedEntry, type WalkedPath } from "../store/ordered-walk.ts";
import type { PendingChanges } from "../store/publish-index-pending.ts";
import type { PublishIndex } from "../store/publish-index.ts";
import { pathOf, type Row } from "../store/publish-index-rows.ts";
import { ROW_KIND } from "../store/publish-index-schema.ts";
import { fingerprintOf, inodeKey } from "../store/publish-index-stat.ts";
import type { SettledDirectories } from "../store/settled-directories.ts";
import { PublisherError } from "./errors.ts";
import { OldEntries } from "./old-entries.ts";

/** What a scan needs. */
export interface ScanContext {
  readonly root: ConfinedDirectory;
  readonly index: PublishIndex;
  readonly pending: PendingChanges;
  /** What need not be compared. */
  readonly settled: SettledDirectories;
  readonly crossFileSystems: boolean;
  /** Entries name user and group. */
  readonly keepsOwners: boolean;
  /** False if there is a signed release that the index does not know: then an empty TREE is suspect in any case. */
  readonly mayBeEmpty: boolean;
  /** Called now and then with the number of paths seen. */
  readonly onScan: (count: number) => void;
  readonly warn: (line: string) => void;
}

/**
 * Compares TREE with the last release's entries in one pass over both, each in path order, and puts every path that
 * may have changed into `pending`. Memory: the names of open directories, and one path per hard-link group.
 * @throws PublisherError `tree-unusable` if TREE can't be read, or is empty though it was not
 */
export async function scanTree(context: ScanContext): Promise<void> {
  using old = new OldEntries(context.index);
  const merge = new ScanMerge(context, old);
  for await (const batch of orderedWalkOfChanges(context.root, context.settled, context)) {
    for (const walked of batch) merge.accept(walked);
    context.onScan(merge.count);
  }
  merge.finish();
}

class ScanMerge {
  readonly #context: ScanContext;
  readonly #old: OldEntries;
  readonly #wasEmpty: boolean;
  /** First path of each inode that has several names. */
  readonly #groups = new Map<string, RepoPath>();
  /** What could not be read: nothing is known about these paths or below them. */
  readonly #unreadable = new Set<RepoPath>();
  count = 0;

  constructor(context: ScanContext, old: OldEntries) {
    this.#context = context;
    this.#old = old;
    this.#wasEmpty = this.#old.path === undefined;
  }

  accept(walked: WalkedPath | SamePaths): void {
    if (walked.kind === "same") {
      this.#passUpTo(walked.from);
      this.#old.skipTo(walked.to);
      this.count += walked.count;
      return;
    }
    if (walked.path === undefined) {
      throw new PublisherError("tree-unusable", `TREE can't be read: ${messageOf(unreadableError(walked))}`);
    }
    // An unreadable directory was reported as a directory before, at its own place; what it hides comes after that.
    this.#passUpTo(walked.path);
    if (walked.kind === "unreadable") {
      this.#unreadable.add(walked.path);
      this.#context.warn(`"${displayPath(walked.path)}" can't be read: ${messageOf(walked.error)}`);
      return;
    }
    this.count++;
    const old = this.#old.path === walked.path ? this.#old.row : undefined;
    this.#compare(walked, old);
    if (old !== undefined) this.#old.advance();
  }

  finish(): void {
    const wasFull = !this.#wasEmpty || !this.#context.mayBeEmpty;
    if (this.count === 0 && wasFull && this.#unreadable.size === 0) {
      throw new PublisherError(
        "tree-unusable",
        "TREE is empty, but the last release is not: is something not mounted?",
      );
    }
    this.#passUpTo(undefined);
  }

  /** Old paths before `path` (undefined: all) were not found. */
  #passUpTo(path: string | undefined): void {
    while (!this.#old.isPast(path)) {
      this.#missing(this.#old.path!, this.#old.row!);
      this.#old.advance();
    }
  }

  #missing(path: RepoPath, old: Row): void {
    const hidden = this.#hiddenBy(path);
    if (hidden === undefined) this.#context.pending.putRemoved(path);
    else if (old.kind === ROW_KIND.file)
      this.#context.pending.putFailed(path, `"${displayPath(hidden)}" can't be read`);
  }

  #hiddenBy(path: RepoPath): RepoPath | undefined {
    if (this.#unreadable.size === 0) return undefined;
    for (let above: RepoPath | undefined = path; above !== undefined; above = parentOf(above)) {
      if (this.#unreadable.has(above)) return above;
    }
    return undefined;
  }

  #compare(walked: WalkedEntry, old: Row | undefined): void {
    const { path, kind, stats } = walked;
    if (kind === "other") {
      this.#context.warn(`"${displayPath(path)}" is a device, FIFO or socket and is left out`);
      if (old !== undefined) this.#context.pending.putRemoved(path);
      return;
    }
    if (kind === "directory" && !this.#context.crossFileSystems && stats.dev !== this.#context.root.device) {
      this.#context.warn(`"${displayPath(path)}" is on another file system; what lies below it is left out`);
    }
    const ownLinks = old?.own === inodeKey(stats) ? 1n : 0n;
    const link = kind === "file" && stats.nlink - ownLinks > 1n ? this.#groupOf(walked) : undefined;
    const stat = fingerprintOf(stats);
    const oldLink = old === undefined || old.link === null ? undefined : pathOf(old.link);
    const { keepsOwners, pending } = this.#context;
    const isAsOwned = keepsOwners === (typeof old?.uid === "number");
    if (old?.kind === ROW_KIND[kind] && old.stat === stat && oldLink === link && isAsOwned) return;
    const { mode, size, target } = walked;
    const owners = keepsOwners ? { uid: Number(stats.uid), gid: Number(stats.gid) } : undefined;
    pending.put({ path, kind, mode, mtimeNs: stats.mtimeNs, size, stat, target, link, owners });
  }

  /**
   * The first path of the same inode, undefined if this is it. Where it is not known yet that one of the links is our
   * own, a group of one member is made; it costs memory, nothing else.
   */
  #groupOf(walked: WalkedEntry): RepoPath | undefined {
    this.#context.settled.leaveUnsettled(parentOf(walked.path));
    const key = inodeKey(walked.stats);
    const first = this.#groups.get(key);
    if (first === undefined) this.#groups.set(key, walked.path);
    return first;
  }
}

function unreadableError(walked: WalkedPath): unknown {
  return walked.kind === "unreadable" ? walked.error : undefined;
}
