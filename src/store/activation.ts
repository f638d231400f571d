import * as fs from "node:fs";
import { setImmediate } from "node:timers/promises";
import { EMPTY_CONTENT, type ContentId } from "../core/content-id.ts";
import { isSystemError } from "../core/errors.ts";
import { displayPath, parentOf, type RepoPath } from "../core/repo-path.ts";
import { isSameMtime } from "../core/time.ts";
import type { DirectoryEntry, FileEntry, SymlinkEntry } from "../manifest/entry.ts";
import { type DirectoryAttributes, TouchedDirectories } from "./activation-directories.ts";
import type { OrderedStep } from "./activation-order.ts";
import type { ConfinedDirectory } from "./confined-directory.ts";
import { CopiesAhead, isCopied } from "./copies-ahead.ts";
import { fatalDiskError, StoreError } from "./errors.ts";
import { cloneFile, fsyncFile, hashOpenFile } from "./file-copy.ts";
import { type FileStat, fileStatOf, isSameFileStat } from "./file-stat.ts";
import { type HashedFile, LinkTargets } from "./link-targets.ts";
import type { FileRecord } from "./mirror-index-files.ts";
import { MovingFiles } from "./moving-file.ts";
import { setOwners } from "./owners.ts";
import type { StagingArea } from "./staging.ts";

/** What an activation needs, and whom it tells. The callbacks are synchronous; the index writes them in batches. */
export interface ActivationContext {
  readonly destination: ConfinedDirectory;
  readonly staging: StagingArea;
  /** Attributes of a directory of the release that has no step of its own but gets or loses names. */
  readonly directoryAttributes?: (path: RepoPath) => DirectoryAttributes | undefined;
  /** A file holds exactly this content now. */
  readonly onFile: (path: RepoPath, content: ContentId, stat: FileStat) => void;
  /** Our own doing changed a file's stat and not its bytes: what was recorded for `before` holds for `after`. */
  readonly onRestat: (path: RepoPath, before: FileStat, after: FileStat) => void;
  /** A path is another name of the file at `to`: what is recorded for that holds for it, if their stats agree. */
  readonly onLinked: (path: RepoPath, to: RepoPath) => void;
  readonly onRemoved: (path: RepoPath) => void;
  /** What is recorded about a file that this activation did not place; it gets no further name unless that vouches for it. */
  readonly recordOf: (path: RepoPath) => FileRecord | undefined;
  /** A file that nothing vouched for was hashed, and has other bytes than the release says. */
  readonly onWrong: (file: HashedFile) => void;
  /** Steps from this index on are held back if one before them failed or `isIncomplete`; none if left out. */
  readonly lateFrom?: number;
  /** Some of the release could not be obtained and has no step. */
  readonly isIncomplete?: boolean;
  /** Stops between two steps. */
  readonly signal?: AbortSignal;
}

export interface PathFailure {
  readonly path: RepoPath;
  readonly error: unknown;
}

export interface ActivationResult {
  /** Paths that could not be brought to the release's state; all others were. */
  readonly failures: readonly PathFailure[];
  /** Paths to remove that were left alone: something else stands there, or a directory holds what is not ours. */
  readonly leftAlone: readonly RepoPath[];
  /** Paths whose late steps were held back. */
  readonly heldBack: readonly RepoPath[];
}

const STEPS_PER_TURN = 128;
const SET_ID_BITS = 0o6000;

/**
 * Brings DEST to a release, one step after the other (see `orderSteps`). Contents to place must be staged, verified and
 * durable. Every path shows its old or its new state at any moment, but for changes between a directory and something
 * else. Running the same steps again after an interruption at any point completes them.
 * @throws StoreError `disk-full`, `disk-read-only`, `disk-failed`, `root-replaced`: the rest was not tried
 */
export async function activate(steps: readonly OrderedStep[], context: ActivationContext): Promise<ActivationResult> {
  context.destination.assertRootInPlace();
  context.destination.forgetDirectories();
  const activation = new Activation(context, steps);
  const { lateFrom = steps.length, isIncomplete = false } = context;
  const copies = new CopiesAhead(steps, context.staging);
  let end = steps.length;
  try {
    for (let i = 0; i < end; i++) {
      if (i % STEPS_PER_TURN === STEPS_PER_TURN - 1) await setImmediate();
      context.signal?.throwIfAborted();
      if (i === lateFrom && (isIncomplete || activation.hasFailed)) end = i;
      else {
        await copies.prepareFor(i, i < lateFrom ? lateFrom : end);
        await activation.execute(steps[i]!);
      }
    }
  } finally {
    context.staging.copies.drop();
  }
  return { ...(await activation.finish()), heldBack: steps.slice(end).map(pathOf) };
}

class Activation {
  readonly #context: ActivationContext;
  readonly #destination: ConfinedDirectory;
  readonly #directories: TouchedDirectories;
  readonly #failures: PathFailure[] = [];
  readonly #failed = new Set<RepoPath>();
  readonly #leftAlone: RepoPath[] = [];
  /** Hard-link groups that grew: path linked to → names. Each link changes the ctime of all: told when all are there. */
  readonly #linked = new Map<RepoPath, RepoPath[]>();
  /** Placed files that still have another name, which goes later. */
  readonly #moved = new MovingFiles();
  readonly #linkTargets: LinkTargets;

  constructor(context: ActivationContext, steps: readonly OrderedStep[]) {
    const targets = new Set(steps.flatMap((step) => (step.action === "link" ? [step.to] : [])));
    this.#linkTargets = new LinkTargets(context.destination, { targets, recordOf: context.recordOf });
    this.#context = context;
    this.#destination = context.destination;
    this.#directories = new TouchedDirectories(context.destination, context.directoryAttributes);
  }

  async execute(step: OrderedStep): Promise<void> {
    try {
      await this.#step(step);
    } catch (error) {
      this.#fail(pathOf(step), error);
    }
  }

  get hasFailed(): boolean {
    return this.#failures.length > 0;
  }

  async finish(): Promise<Omit<ActivationResult, "heldBack">> {
    for (const [to, paths] of this.#linked) for (const path of paths) this.#context.onLinked(path, to);
    try {
      await this.#directories.finish((path, error) => this.#fail(path, error));
    } catch (error) {
      throw fatalDiskError(error, "making the directories durable") ?? error;
    }
    return { failures: this.#failures, leftAlone: this.#leftAlone };
  }

  async #step(step: OrderedStep): Promise<void> {
    switch (step.action) {
      case "directory":
        return this.#makeDirectory(step.entry);
      case "place":
        return this.#place(step.entry, isCopied(step));
      case "symlink":
        return this.#makeSymlink(step.entry);
      case "link":
        return this.#link(step.entry, step.to);
      case "attributes":
        return this.#setAttributes(step.entry);
      case "remove":
        return this.#remove(step.path, step.kind);
    }
  }

  #makeDirectory(entry: DirectoryEntry): void {
    const stats = this.#destination.lstat(entry.path);
    if (stats !== undefined && !stats.isDirectory()) {
      this.#takeName(stats, entry.path, () => this.#destination.unlink(entry.path));
    }
    this.#directories.make(entry.path, entry);
  }

  async #place(entry: FileEntry, keepPart: boolean): Promise<void> {
    const { path, content } = entry;
    // One look less for each file of a new directory. What others put there meanwhile is replaced, as it would be a moment later.
    const existing = this.#directories.isNew(parentOf(path)) ? undefined : this.#destination.lstat(path);
    if (existing?.isFile() === true) {
      const stat = await this.#statIfPlaced(entry, fileStatOf(existing));
      if (stat !== undefined) return this.#noteRight(path, content, stat);
    }
    const { staging } = this.#context;
    if (content === EMPTY_CONTENT) staging.stageWhole(EMPTY_CONTENT, new Uint8Array(0));
    // Set-id bits only once the owner is right: a file on the move has its old name as well, where anybody may run it.
    const isGiven = entry.uid !== undefined || entry.gid !== undefined;
    const mode = isGiven ? entry.mode & ~SET_ID_BITS : entry.mode;
    const source = await staging.prepare(content, { mode, mtimeNs: entry.mtimeNs, keepPart });
    if (isGiven) {
      setOwners(staging.directory, source, entry);
      staging.directory.chmod(source, entry.mode);
    }
    try {
      if (existing?.isDirectory() === true) this.#clearDirectory(path);
      // What stood there was looked at just now, unless it went or a copy was waited for.
      const there = keepPart || existing?.isDirectory() === true ? this.#destination.lstat(path) : existing;
      this.#moveInto(source, path, { isRemovable: keepPart, there });
    } catch (error) {
      // The next run may be one that does not set owners.
      if (isGiven && !keepPart) staging.discard(content);
      throw error;
    }
    if (!keepPart) staging.forgetPlaced(content);
    const placed = this.#destination.lstat(path)!;
    const stat = fileStatOf(placed);
    if (!placed.isFile() || stat.size !== entry.size || !isSameMtime(stat.mtimeNs, entry.mtimeNs)) {
      throw new StoreError("staged-changed", `"${displayPath(path)}" was written to while it was placed`);
    }
    if (placed.nlink > 1n) this.#moved.add(stat.ino, { directory: this.#destination, path, stat });
    this.#noteRight(path, content, stat);
  }

  #noteRight(path: RepoPath, content: ContentId, stat: FileStat): void {
    this.#linkTargets.noteRight(path, stat);
    this.#context.onFile(path, content, stat);
  }

  /** If an interrupted run placed the part already, then the path has what the entry says. */
  async #statIfPlaced(entry: FileEntry, found: FileStat): Promise<FileStat | undefined> {
    if (found.size !== entry.size || !isSameMtime(found.mtimeNs, entry.mtimeNs)) return undefined;
    if (this.#context.staging.lengthOf(entry.content) !== undefined) return undefined;
    this.#directories.touchParentOf(entry.path);
    const descriptor = this.#destination.openForReadingSync(entry.path);
    try {
      const content = await hashOpenFile(descriptor, found.size);
      const after = fileStatOf(fs.fstatSync(descriptor, { bigint: true }));
      return content === entry.content && isSameFileStat(found, after) ? after : undefined;
    } finally {
      fs.closeSync(descriptor);
    }
  }

  #makeSymlink(entry: SymlinkEntry): void {
    if (this.#destination.lstat(entry.path)?.isDirectory() === true) this.#clearDirectory(entry.path);
    const { staging } = this.#context;
    const temporary = staging.temporaryPath();
    staging.directory.symlink(entry.target, temporary);
    setOwners(staging.directory, temporary, entry);
    staging.directory.setMtime(temporary, entry.mtimeNs);
    this.#moveInto(temporary, entry.path, { isRemovable: true, there: this.#destination.lstat(entry.path) });
  }

  async #link(entry: FileEntry, to: RepoPath): Promise<void> {
    const { path } = entry;
    const { staging } = this.#context;
    // What stands there then is the old file, which must not get a new name.
    if (this.#failed.has(to)) throw new Error(`"${displayPath(to)}", which it is a hard link to, was not updated`);
    const existing = this.#destination.lstat(path);
    if (isSameInode(existing, this.#destination.lstat(to))) return this.#rememberLinked(entry, to);
    await this.#assertHolds(to, entry.content);
    const before = this.#destination.lstat(to);
    if (existing?.isDirectory() === true) this.#clearDirectory(path);
    const temporary = staging.temporaryPath();
    try {
      this.#moved.followWhile(before, () => this.#destination.link(to, temporary, { into: staging.directory }));
    } catch (error) {
      if (!isSystemError(error, "EMLINK")) throw error;
      return this.#copyLinked(entry, to, temporary);
    }
    this.#moved.followWhile(before, () =>
      this.#moveInto(temporary, path, { isRemovable: true, there: this.#destination.lstat(path) }),
    );
    const after = this.#destination.lstat(to);
    if (before !== undefined && after !== undefined) {
      this.#context.onRestat(to, fileStatOf(before), fileStatOf(after));
      this.#linkTargets.noteRight(to, fileStatOf(after));
    }
    this.#rememberLinked(entry, to);
  }

  async #assertHolds(to: RepoPath, content: ContentId): Promise<void> {
    const hashed = await this.#linkTargets.hashUnlessKnown(to, content);
    if (hashed === undefined) return;
    if (hashed.content === content) return this.#noteRight(to, content, hashed.stat);
    this.#context.onWrong(hashed);
    throw new Error(`"${displayPath(to)}", which it is a hard link to, has other bytes than the release says`);
  }

  /** A file can have no more names (ext4: 65,000): a copy has the same bytes. */
  async #copyLinked(entry: FileEntry, to: RepoPath, temporary: RepoPath): Promise<void> {
    const { directory } = this.#context.staging;
    const descriptor = this.#destination.openForReadingSync(to);
    try {
      await cloneFile(descriptor, directory, temporary);
      await fsyncFile(directory, temporary);
    } finally {
      fs.closeSync(descriptor);
    }
    setOwners(directory, temporary, entry);
    directory.chmod(temporary, entry.mode);
    directory.setMtime(temporary, entry.mtimeNs);
    // Not vouched for: `to` may have changed. It is hashed like any file nothing is recorded about.
    this.#moveInto(temporary, entry.path, { isRemovable: true, there: this.#destination.lstat(entry.path) });
  }

  #rememberLinked(entry: FileEntry, to: RepoPath): void {
    const group = this.#linked.get(to);
    if (group === undefined) this.#linked.set(to, [entry.path]);
    else group.push(entry.path);
  }

  #setAttributes(entry: FileEntry | SymlinkEntry): void {
    const { path } = entry;
    const before = this.#destination.lstat(path);
    const isAsDecided = entry.kind === "file" ? before?.isFile() : before?.isSymbolicLink();
    if (isAsDecided !== true) throw new Error(`no ${entry.kind} there any more`);
    setOwners(this.#destination, path, entry);
    if (entry.kind === "file") this.#destination.chmod(path, entry.mode);
    this.#destination.setMtime(path, entry.mtimeNs);
    const after = this.#destination.lstat(path);
    if (entry.kind === "file" && after !== undefined) {
      this.#context.onRestat(path, fileStatOf(before!), fileStatOf(after));
    }
  }

  #remove(path: RepoPath, kind: string): void {
    this.#directories.touchParentOf(path);
    const stats = this.#destination.lstat(path);
    if (stats === undefined) return this.#context.onRemoved(path);
    if (stats.isDirectory() !== (kind === "directory")) {
      this.#leftAlone.push(path);
      return;
    }
    try {
      if (stats.isDirectory()) this.#removeDirectory(path);
      else this.#takeName(stats, path, () => this.#destination.unlink(path));
    } catch (error) {
      if (!isSystemError(error, "ENOTEMPTY", "EEXIST")) throw error;
      this.#leftAlone.push(path);
      return;
    }
    this.#context.onRemoved(path);
  }

  /** Makes way for what is no directory. @throws Error if something is in it that no release brought */
  #clearDirectory(path: RepoPath): void {
    try {
      this.#removeDirectory(path);
    } catch (error) {
      if (!isSystemError(error, "ENOTEMPTY", "EEXIST")) throw error;
      const advice = "move its files away, or let them go with --delete";
      throw new Error(`a directory with other files stands there: ${advice}`, { cause: error });
    }
  }

  /** Only if it is empty: what we do not know is never deleted. */
  #removeDirectory(path: RepoPath): void {
    this.#directories.withWritableParent(path, () => this.#destination.rmdir(path));
  }

  /** @param options.isRemovable what is moved is of no use if it can't be moved; a part stays for the next run */
  #moveInto(
    temporary: RepoPath,
    path: RepoPath,
    options: { readonly isRemovable: boolean; readonly there: fs.BigIntStats | undefined },
  ): void {
    const { directory } = this.#context.staging;
    const { there } = options;
    try {
      this.#takeName(there, path, () => directory.rename(temporary, path, { into: this.#destination }));
    } catch (error) {
      if (isSystemError(error, "ENOENT")) assertStaged(directory, temporary, error);
      if (options.isRemovable) directory.unlink(temporary);
      throw error;
    }
  }

  /** The file that is `there` loses its name, which changes its ctime: what is on the move is followed. */
  #takeName(there: fs.BigIntStats | undefined, path: RepoPath, act: () => void): void {
    const takeName = (): void => this.#directories.withWritableParent(path, act);
    const followed = this.#moved.followWhile(there, () => this.#context.staging.takeName(there, takeName));
    if (followed !== undefined) this.#context.onRestat(followed.path, followed.before, followed.after);
  }

  #fail(path: RepoPath, error: unknown): void {
    const fatal = fatalDiskError(error, `changing "${this.#destination.rootPath}"`);
    if (fatal !== undefined) throw fatal;
    this.#failed.add(path);
    this.#failures.push({ path, error });
  }
}

/** @throws StoreError `staged-missing` */
function assertStaged(directory: ConfinedDirectory, path: RepoPath, cause: unknown): void {
  if (directory.lstat(path) !== undefined) return;
  const told = `somebody removed "${directory.rootPath}/${displayPath(path)}" before it was put in its place; the next run fetches it again`;
  throw new StoreError("staged-missing", told, { cause });
}

function isSameInode(a: fs.BigIntStats | undefined, b: fs.BigIntStats | undefined): boolean {
  return a !== undefined && a.ino === b?.ino && a.dev === b.dev;
}

function pathOf(step: OrderedStep): RepoPath {
  return step.action === "remove" ? step.path : step.entry.path;
}
