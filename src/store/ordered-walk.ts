import { type BigIntStats, lstatSync, readdirSync, readlinkSync } from "node:fs";
import { lstat } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import { isSystemError } from "../core/errors.ts";
import { RESERVED_TOP_LEVEL_NAME, type RepoPath } from "../core/repo-path.ts";
import type { ConfinedDirectory, PinnedDirectory } from "./confined-directory.ts";
import { withShownPath } from "./errors.ts";

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

export interface WalkOptions {
  /** Enter directories on other file systems too; without it such a mount point is reported, not entered. */
  readonly crossFileSystems?: boolean;
}

interface OpenDirectory {
  readonly prefix: string;
  readonly pinned: PinnedDirectory;
  /** All names, ascending. */
  readonly names: readonly string[];
  /** Index of the name whose turn it is. */
  next: number;
  /** Outcome of the looks at the names from {@link firstLooked} on; undefined for what vanished. */
  looked: readonly (WalkedPath | undefined)[];
  firstLooked: number;
  /** Directories that were reported and are still to be entered. The last one always comes first (see below). */
  readonly toEnter: string[];
}

const BATCH_ENTRIES = 512;
/** Names looked at ahead of their turn; also the most looks in flight on a slow disk. */
const LOOKS_AHEAD = 128;
/**
 * From a warm cache a look takes about 4 µs and the thread pool would cost five times that; on a disk that has to
 * seek, looks in parallel win and the event loop must not wait. So: at once while it goes fast, else in parallel.
 */
const SYNCHRONOUS_BUDGET_MS = 5;

/**
 * Everything below a directory in the manifest's order, so that it can be merged with an index in one pass and without a look-up
 * per path. Symlinks are reported, never followed; `.prsync` at the top is left out; so is what vanishes meanwhile. Holds the
 * names of the directories on the way to the current one, nothing else. A directory that can't be read is reported twice: at its
 * own place, and as unreadable when it would be entered.
 */
export async function* orderedWalk(
  root: ConfinedDirectory,
  options: WalkOptions = {},
): AsyncGenerator<readonly WalkedPath[], void> {
  using walk = new OrderedWalk(root, options.crossFileSystems === true);
  for (;;) {
    if (walk.isToLook) await walk.lookAhead();
    if (!walk.step()) break;
    if (walk.batch.length < BATCH_ENTRIES) continue;
    yield walk.takeBatch();
    await setImmediate();
  }
  if (walk.batch.length > 0) yield walk.takeBatch();
}

class OrderedWalk implements Disposable {
  readonly #root: ConfinedDirectory;
  readonly #crossFileSystems: boolean;
  readonly #open: OpenDirectory[] = [];
  batch: WalkedPath[] = [];

  constructor(root: ConfinedDirectory, crossFileSystems: boolean) {
    this.#root = root;
    this.#crossFileSystems = crossFileSystems;
    this.#enter("");
  }

  takeBatch(): readonly WalkedPath[] {
    const batch = this.batch;
    this.batch = [];
    return batch;
  }

  /** True if {@link lookAhead} must come before the next {@link step}. */
  get isToLook(): boolean {
    const directory = this.#open.at(-1);
    return directory !== undefined && directory.next === directory.firstLooked + directory.looked.length;
  }

  /** Looks at the next names of the current directory. */
  async lookAhead(): Promise<void> {
    const directory = this.#open.at(-1)!;
    const names = directory.names.slice(directory.next, directory.next + LOOKS_AHEAD);
    const looked = lookAtOnce(directory, names);
    if (looked.length < names.length) looked.push(...(await lookInParallel(directory, names.slice(looked.length))));
    directory.looked = looked;
    directory.firstLooked = directory.next;
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
      directory.toEnter.pop();
      this.#enter(directory.prefix + toEnter);
    } else if (name === undefined) {
      this.#open.pop()!.pinned[Symbol.dispose]();
    } else {
      const found = directory.looked[directory.next++ - directory.firstLooked];
      if (found === undefined) return true;
      this.batch.push(found);
      if (found.kind === "directory" && this.#isToEnter(found.stats)) directory.toEnter.push(name);
    }
    return true;
  }

  /** @param path "" is the root */
  #enter(path: string): void {
    let pinned: PinnedDirectory | undefined;
    try {
      pinned = this.#root.pinDirectory(path === "" ? undefined : (path as RepoPath));
      const found = readdirSync(`${pinned.procPath}.`, { encoding: "latin1" });
      const names = path === "" ? found.filter((name) => name !== RESERVED_TOP_LEVEL_NAME) : found;
      const prefix = path === "" ? "" : `${path}/`;
      this.#open.push({ prefix, pinned, names: names.sort(), next: 0, looked: [], firstLooked: 0, toEnter: [] });
    } catch (error) {
      pinned?.[Symbol.dispose]();
      if (path === "" || !isSystemError(error, "ENOENT")) this.batch.push(unreadable(path, error));
    }
  }

  #isToEnter(stats: BigIntStats): boolean {
    return this.#crossFileSystems || stats.dev === this.#root.device;
  }

  [Symbol.dispose](): void {
    for (const { pinned } of this.#open) pinned[Symbol.dispose]();
  }
}

type LookedIn = Pick<OpenDirectory, "prefix" | "pinned">;

/** Outcomes for the first names: for fewer than all if the budget of time was used up. */
function lookAtOnce({ prefix, pinned }: LookedIn, names: readonly string[]): (WalkedPath | undefined)[] {
  const looked: (WalkedPath | undefined)[] = [];
  const start = performance.now();
  for (const name of names) {
    if (looked.length % 16 === 15 && performance.now() - start > SYNCHRONOUS_BUDGET_MS) break;
    const leaf = Buffer.from(pinned.procPath + name, "latin1");
    try {
      looked.push(walkedPath(prefix + name, leaf, lstatSync(leaf, { bigint: true, throwIfNoEntry: false })));
    } catch (error) {
      looked.push(unreadable(prefix + name, error));
    }
  }
  return looked;
}

function lookInParallel(
  { prefix, pinned }: LookedIn,
  names: readonly string[],
): Promise<readonly (WalkedPath | undefined)[]> {
  return Promise.all(
    names.map(async (name) => {
      const leaf = Buffer.from(pinned.procPath + name, "latin1");
      try {
        return walkedPath(prefix + name, leaf, await lstat(leaf, { bigint: true }));
      } catch (error) {
        return isSystemError(error, "ENOENT") ? undefined : unreadable(prefix + name, error);
      }
    }),
  );
}

const KIND_MASK = 0o170000;

function walkedPath(path: string, leaf: Buffer, stats: BigIntStats | undefined): WalkedEntry | undefined {
  if (stats === undefined) return undefined;
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
function targetOf(leaf: Buffer): string | undefined {
  try {
    return readlinkSync(leaf, { encoding: "latin1" });
  } catch (error) {
    if (isSystemError(error, "ENOENT", "EINVAL")) return undefined;
    throw error;
  }
}

function unreadable(path: string, error: unknown): UnreadablePath {
  const shown = withShownPath(error, path);
  return { path: path === "" ? undefined : (path as RepoPath), kind: "unreadable", error: shown };
}
