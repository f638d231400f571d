import { type BigIntStats, readdirSync, readlinkSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { isSystemError } from "../core/errors.ts";
import { RESERVED_TOP_LEVEL_NAME, type RepoPath } from "../core/repo-path.ts";
import type { ConfinedDirectory, PinnedDirectory } from "./confined-directory.ts";
import { DirectoryDigest, NO_RELEASED_KIND } from "./directory-digest.ts";
import { withShownPath } from "./errors.ts";
import { leadsTo, plainPathOf } from "./plain-path.ts";
import { ROW_KIND } from "./publish-index-schema.ts";
import { type Look, lookAtNames, LookError } from "./look-at-names.ts";

/** One thing found below the root. */
export interface WalkedEntry {
  readonly path: RepoPath;
  /** "other": device, FIFO or socket. */
  readonly kind: "file" | "directory" | "symlink" | "other";
  /** Bytes. */
  readonly size: number;
  /** Permission bits, 0…0o7777. */
  readonly mode: number;
  /** The whole lstat, for times, inode, device, owner and link count. */
  readonly stats: BigIntStats;
  /** Where a symlink points, a byte string. */
  readonly target?: string;
}

/** A directory that could not be read, or a name that could not be looked at: nothing is known about it or below. */
export interface UnreadablePath {
  /** Undefined is the root itself. */
  readonly path: RepoPath | undefined;
  readonly kind: "unreadable";
  readonly error: unknown;
}

export type WalkedPath = WalkedEntry | UnreadablePath;

/**
 * Paths from one on and up to another (excluded; undefined: up to the end) that are as they were when their directory got
 * the digest that is known of it. Nothing else is said of them.
 */
export interface SamePaths {
  readonly kind: "same";
  readonly from: string;
  readonly to: string | undefined;
  /** Of the paths in such a range of this directory: told with one range of each directory. */
  readonly count: number;
}

/** Directories whose children need no comparison as long as they give a known digest. */
export interface KnownDirectories {
  /** Of {@link DirectoryDigest}. */
  readonly salt: number;
  /** @param directory "" is the root */
  digestOf(directory: string): Uint8Array | undefined;
  /** A directory will be reported in full: its digest is not known or another now, or it can't be read. */
  onReported(directory: string): void;
}

export interface WalkOptions {
  /** Enter directories on other file systems too; without it such a mount point is reported, not entered. */
  readonly crossFileSystems?: boolean;
}

interface OpenDirectory {
  readonly prefix: string;
  readonly pinned: PinnedDirectory;
  /** Ascending. All names, or only those of directories once these are `same`. */
  names: readonly string[];
  /** Index of the name whose turn it is. */
  next: number;
  /** Looks at the names from {@link firstLooked} on. */
  looked: readonly Look[];
  firstLooked: number;
  /** Directories that were reported and are still to be entered. The last one always comes first (see below). */
  readonly toEnter: string[];
  /** While it is found out whether the children are as they were. */
  check: DirectoryCheck | undefined;
  /** Set once they are: what was not passed yet begins here. */
  same: { from: string; count: number } | undefined;
}

interface DirectoryCheck {
  readonly known: Uint8Array;
  readonly digest: DirectoryDigest;
  readonly directories: string[];
}

const BATCH_ENTRIES = 512;
/** Names looked at ahead of their turn; also the most looks in flight on a slow disk. */
const LOOKS_AHEAD = 128;
/** PATH_MAX less the longest name: a directory further down is reached through its descriptor alone. */
const MAX_PLAIN_PATH = 4096 - 256;
/** The event loop gets a turn at least so often. */
const MAX_TURN_MS = 20;

/**
 * Everything below a directory in the manifest's order, so that it can be merged with an index in one pass and without a look-up
 * per path. Symlinks are reported, never followed; `.prsync` at the top is left out; so is what vanishes meanwhile. Holds the
 * names of the directories on the way to the current one, nothing else. A directory that can't be read is reported twice: at its
 * own place, and as unreadable when it would be entered.
 */
export function orderedWalk(
  root: ConfinedDirectory,
  options: WalkOptions = {},
): AsyncGenerator<readonly WalkedPath[], void> {
  // Without known directories nothing can be the same.
  return walk(root, options, undefined) as AsyncGenerator<readonly WalkedPath[], void>;
}

/** {@link orderedWalk} that tells only ranges of paths where directories are as they are known. Looks at each name all the same. */
export function orderedWalkOfChanges(
  root: ConfinedDirectory,
  known: KnownDirectories,
  options: WalkOptions = {},
): AsyncGenerator<readonly (WalkedPath | SamePaths)[], void> {
  return walk(root, options, known);
}

async function* walk(
  root: ConfinedDirectory,
  options: WalkOptions,
  known: KnownDirectories | undefined,
): AsyncGenerator<readonly (WalkedPath | SamePaths)[], void> {
  using ordered = new OrderedWalk(root, options.crossFileSystems === true, known);
  let turnMs = performance.now();
  for (;;) {
    if (ordered.isToLook) {
      await ordered.lookAhead();
      if (performance.now() - turnMs > MAX_TURN_MS) {
        await setImmediate();
        turnMs = performance.now();
      }
      continue;
    }
    if (!ordered.step()) break;
    if (ordered.batch.length >= BATCH_ENTRIES) yield ordered.takeBatch();
  }
  if (ordered.batch.length > 0) yield ordered.takeBatch();
}

class OrderedWalk implements Disposable {
  readonly #root: ConfinedDirectory;
  readonly #crossFileSystems: boolean;
  readonly #known: KnownDirectories | undefined;
  readonly #shortcut: string | undefined;
  readonly #open: OpenDirectory[] = [];
  batch: (WalkedPath | SamePaths)[] = [];

  constructor(root: ConfinedDirectory, crossFileSystems: boolean, known: KnownDirectories | undefined) {
    this.#root = root;
    this.#crossFileSystems = crossFileSystems;
    this.#known = known;
    this.#shortcut = known && plainPathOf(root);
    this.#enter("");
  }

  takeBatch(): readonly (WalkedPath | SamePaths)[] {
    const batch = this.batch;
    this.batch = [];
    return batch;
  }

  /** True if {@link lookAhead} must come before the next {@link step}. */
  get isToLook(): boolean {
    const directory = this.#open.at(-1);
    if (directory === undefined || directory.same !== undefined) return false;
    if (directory.check !== undefined) return true;
    const { next, names, firstLooked, looked } = directory;
    return next < names.length && next === firstLooked + looked.length;
  }

  /** Looks at the next names of the current directory. */
  async lookAhead(): Promise<void> {
    const directory = this.#open.at(-1)!;
    const names = directory.names.slice(directory.next, directory.next + LOOKS_AHEAD);
    if (directory.check !== undefined) {
      this.#check(directory, directory.check, await lookAtNames(this.#checkedThrough(directory), names));
    } else {
      directory.looked = await lookAtNames(directory.pinned.procPath, names);
      directory.firstLooked = directory.next;
    }
  }

  /**
   * A look through procfs costs twice what one by an ordinary path does (4.7 µs and 2.1 µs, a path of five parts), but such a path may
   * lead elsewhere once a directory on the way is swapped. So it counts only if it leads to the directory that was opened when all were
   * looked at ({@link leadsTo}); what differs is looked at again below the descriptor, and only that is told. Left is who swaps a
   * directory for one with the very inodes and times that are known (an older snapshot of it), and back again, between the looks.
   */
  #checkedThrough({ pinned, prefix }: OpenDirectory): string {
    const plain = this.#shortcut === undefined ? undefined : this.#shortcut + prefix;
    return plain === undefined || plain.length > MAX_PLAIN_PATH ? pinned.procPath : plain;
  }

  /** With the last names it is known whether a directory is the same; if not, it begins anew. */
  #check(directory: OpenDirectory, check: DirectoryCheck, looks: readonly Look[]): void {
    const isWhole = looks.every((look, i) => this.#addTo(check, directory.names[directory.next + i]!, look));
    directory.next += looks.length;
    if (isWhole && directory.next < directory.names.length) return;
    directory.check = undefined;
    const isSame = isWhole && check.digest.finish().equals(check.known);
    if (isSame && leadsTo(this.#checkedThrough(directory), directory.pinned.procPath)) {
      directory.same = { from: directory.prefix, count: directory.names.length };
      directory.names = check.directories;
    } else {
      this.#known!.onReported(directoryOf(directory.prefix));
    }
    directory.next = 0;
  }

  /** False if nothing can be said of the directory then. */
  #addTo(check: DirectoryCheck, name: string, look: Look): boolean {
    if (look === undefined || look instanceof LookError) return false;
    const kind = kindOf(Number(look.mode) & KIND_MASK);
    if (kind === "other" || (kind === "directory" && !this.#isToEnter(look))) {
      check.digest.add(name, NO_RELEASED_KIND, look);
    } else {
      check.digest.add(name, ROW_KIND[kind], look);
      if (kind === "directory") check.directories.push(name);
    }
    return true;
  }

  /**
   * One name or one directory further; false at the end. What lies in directory "a" sorts as "a/", after its sibling
   * "a-b". If "b" comes between "a" and "a/", then "b" starts with "a", and "b/" sorts before "a/": so directories are
   * entered last in, first out.
   */
  step(): boolean {
    const directory = this.#open.at(-1);
    if (directory === undefined) return false;
    const name = directory.names[directory.next];
    const toEnter = directory.toEnter.at(-1);
    if (toEnter !== undefined && (name === undefined || `${toEnter}/` < name)) {
      const path = directory.prefix + toEnter;
      directory.toEnter.pop();
      this.#passSame(directory, `${path}/`, afterAllBelow(path));
      this.#enter(path);
    } else if (name === undefined) {
      this.#passSame(directory, afterAllBelow(directoryOf(directory.prefix)), undefined);
      this.#open.pop()!.pinned[Symbol.dispose]();
    } else if (directory.same !== undefined) {
      directory.toEnter.push(name);
      directory.next++;
    } else {
      this.#report(directory, name, directory.looked[directory.next++ - directory.firstLooked]);
    }
    return true;
  }

  #report(directory: OpenDirectory, name: string, look: Look): void {
    if (look === undefined) return;
    const path = directory.prefix + name;
    if (look instanceof LookError) {
      this.batch.push(unreadable(path, look.error));
      return;
    }
    const found = walkedPath(path, directory.pinned.procPath + name, look);
    if (found === undefined) return;
    this.batch.push(found);
    if (found.kind === "directory" && this.#isToEnter(look)) directory.toEnter.push(name);
  }

  /** All that lies before `to` is the same or was told by itself; what comes next begins at `next`. */
  #passSame({ same }: OpenDirectory, to: string | undefined, next: string | undefined): void {
    if (same === undefined) return;
    this.batch.push({ kind: "same", from: same.from, to, count: same.count });
    same.count = 0;
    same.from = next ?? same.from;
  }

  /** @param path "" is the root */
  #enter(path: string): void {
    let pinned: PinnedDirectory | undefined;
    try {
      pinned = this.#root.pinDirectory(path === "" ? undefined : (path as RepoPath));
      const found = readdirSync(`${pinned.procPath}.`, { encoding: "latin1" });
      const all = path === "" ? found.filter((name) => name !== RESERVED_TOP_LEVEL_NAME) : found;
      const [prefix, names] = [path === "" ? "" : `${path}/`, all.sort()];
      const check = this.#checkOf(path);
      this.#open.push({
        ...{ prefix, pinned, names, check, next: 0, looked: [], firstLooked: 0, toEnter: [], same: undefined },
      });
      if (check === undefined) this.#known?.onReported(path);
    } catch (error) {
      pinned?.[Symbol.dispose]();
      this.#known?.onReported(path);
      if (path === "" || !isSystemError(error, "ENOENT")) this.batch.push(unreadable(path, error));
    }
  }

  #checkOf(path: string): DirectoryCheck | undefined {
    const known = this.#known?.digestOf(path);
    return known && { known, digest: new DirectoryDigest(this.#known!.salt), directories: [] };
  }

  #isToEnter(stats: BigIntStats): boolean {
    return this.#crossFileSystems || stats.dev === this.#root.device;
  }

  [Symbol.dispose](): void {
    for (const { pinned } of this.#open) pinned[Symbol.dispose]();
  }
}

function directoryOf(prefix: string): string {
  return prefix.slice(0, -1);
}

/** The lowest path that comes after all below a directory ("" is the root: undefined): "0" follows "/". */
function afterAllBelow(directory: string): string | undefined {
  return directory === "" ? undefined : `${directory}0`;
}

const KIND_MASK = 0o170000;

/** @param leaf where it can be reached, latin1 */
function walkedPath(path: string, leaf: string, stats: BigIntStats): WalkedEntry | undefined {
  const bits = Number(stats.mode);
  const kind = kindOf(bits & KIND_MASK);
  const entry = { path: path as RepoPath, kind, size: Number(stats.size), mode: bits & 0o7777, stats };
  if (kind !== "symlink") return entry;
  const target = targetOf(leaf);
  return target === undefined ? undefined : { ...entry, target };
}

function kindOf(bits: number): WalkedEntry["kind"] {
  switch (bits) {
    case 0o100000:
      return "file";
    case 0o040000:
      return "directory";
    case 0o120000:
      return "symlink";
    default:
      return "other";
  }
}

/** Undefined if the symlink vanished or became something else since it was looked at. */
function targetOf(leaf: string): string | undefined {
  try {
    return readlinkSync(Buffer.from(leaf, "latin1"), { encoding: "latin1" });
  } catch (error) {
    if (isSystemError(error, "ENOENT", "EINVAL")) return undefined;
    throw error;
  }
}

function unreadable(path: string, error: unknown): UnreadablePath {
  const shown = withShownPath(error, path);
  return { path: path === "" ? undefined : (path as RepoPath), kind: "unreadable", error: shown };
}
