import { type BigIntStats, type Dir, lstatSync, opendirSync, readlinkSync } from "node:fs";
import { lstat } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import { isSystemError } from "../core/errors.ts";
import { RESERVED_TOP_LEVEL_NAME, type RepoPath } from "../core/repo-path.ts";
import { ConfinedDirectory, type PinnedDirectory } from "./confined-directory.ts";
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

export interface WalkOptions {
  /** True for a path that is neither reported nor entered. */
  readonly skip?: (path: RepoPath) => boolean;
  /** Enter directories on other file systems too; without it such a mount point is reported, not entered. */
  readonly crossFileSystems?: boolean;
}

const BATCH_ENTRIES = 512;
/** Names read from a directory at once; also the most look-ups in flight on a slow disk. */
const NAMES_AT_ONCE = 128;
/**
 * From a warm cache a look-up takes about 4 µs and the thread pool would cost five times that; on a disk that has to
 * seek, look-ups in parallel win and the event loop must not wait. So: at once while it goes fast, else in parallel.
 */
const SYNCHRONOUS_BUDGET_MS = 5;

/**
 * Everything below a directory, in batches, depth first, in no order among siblings. Symlinks are reported, never
 * followed; `.prsync` at the top is left out; what vanishes meanwhile is left out; memory does not grow with the
 * number of names in a directory.
 */
export async function* walkTree(
  root: ConfinedDirectory | string,
  options: WalkOptions = {},
): AsyncGenerator<readonly (WalkedEntry | UnreadablePath)[], void> {
  if (typeof root !== "string") return yield* new TreeWalk(root, options).run();
  using opened = ConfinedDirectory.open(root);
  yield* new TreeWalk(opened, options).run();
}

class TreeWalk {
  readonly #root: ConfinedDirectory;
  readonly #options: WalkOptions;
  /** Directories still to read; "" is the root. */
  readonly #pending: string[] = [""];
  #batch: (WalkedEntry | UnreadablePath)[] = [];

  constructor(root: ConfinedDirectory, options: WalkOptions) {
    this.#root = root;
    this.#options = options;
  }

  async *run(): AsyncGenerator<(WalkedEntry | UnreadablePath)[], void> {
    for (let next = this.#pending.pop(); next !== undefined; next = this.#pending.pop()) {
      yield* this.#readDirectory(next);
    }
    if (this.#batch.length > 0) yield this.#batch;
  }

  async *#readDirectory(path: string): AsyncGenerator<(WalkedEntry | UnreadablePath)[], void> {
    const opened = this.#open(path);
    if (opened === undefined) return;
    const { pinned, directory } = opened;
    const prefix = path === "" ? "" : `${path}/`;
    try {
      for (;;) {
        const names = this.#readNames(directory, path);
        if (names.length === 0) return;
        const done = this.#lookAtOnce(names, prefix, pinned.procPath);
        if (done < names.length) await this.#lookInParallel(names.slice(done), prefix, pinned.procPath);
        if (this.#batch.length < BATCH_ENTRIES) continue;
        yield this.#batch;
        this.#batch = [];
        await setImmediate();
      }
    } finally {
      directory.closeSync();
      pinned[Symbol.dispose]();
    }
  }

  #open(path: string): { readonly pinned: PinnedDirectory; readonly directory: Dir } | undefined {
    let pinned: PinnedDirectory | undefined;
    try {
      pinned = this.#root.pinDirectory(path === "" ? undefined : (path as RepoPath));
      const directory = opendirSync(`${pinned.procPath}.`, { encoding: "latin1", bufferSize: NAMES_AT_ONCE });
      return { pinned, directory };
    } catch (error) {
      pinned?.[Symbol.dispose]();
      if (path === "" || !isSystemError(error, "ENOENT")) this.#reportUnreadable(path, error);
      return undefined;
    }
  }

  #readNames(directory: Dir, path: string): string[] {
    const names: string[] = [];
    try {
      while (names.length < NAMES_AT_ONCE) {
        const entry = directory.readSync();
        if (entry === null) break;
        if (path !== "" || entry.name !== RESERVED_TOP_LEVEL_NAME) names.push(entry.name);
      }
    } catch (error) {
      this.#reportUnreadable(path, error);
    }
    return names;
  }

  /** Returns how many names were done before the budget of time was used up. */
  #lookAtOnce(names: readonly string[], prefix: string, procPath: string): number {
    const start = performance.now();
    for (let i = 0; i < names.length; i++) {
      if (i % 16 === 15 && performance.now() - start > SYNCHRONOUS_BUDGET_MS) return i;
      const path = (prefix + names[i]!) as RepoPath;
      if (this.#options.skip?.(path) === true) continue;
      const leaf = Buffer.from(procPath + names[i]!, "latin1");
      try {
        this.#report(path, leaf, lstatSync(leaf, { bigint: true, throwIfNoEntry: false }));
      } catch (error) {
        this.#reportUnreadable(path, error);
      }
    }
    return names.length;
  }

  async #lookInParallel(names: readonly string[], prefix: string, procPath: string): Promise<void> {
    const looks = names.map(async (name) => {
      const path = (prefix + name) as RepoPath;
      if (this.#options.skip?.(path) === true) return;
      const leaf = Buffer.from(procPath + name, "latin1");
      try {
        this.#report(path, leaf, await lstat(leaf, { bigint: true }));
      } catch (error) {
        if (!isSystemError(error, "ENOENT")) this.#reportUnreadable(path, error);
      }
    });
    await Promise.all(looks);
  }

  #report(path: RepoPath, leaf: Buffer, stats: BigIntStats | undefined): void {
    if (stats === undefined) return;
    const kind = kindOf(stats);
    const entry = { path, kind, size: Number(stats.size), mode: Number(stats.mode) & 0o7777, stats };
    if (kind === "symlink") {
      const target = targetOf(leaf);
      if (target !== undefined) this.#batch.push({ ...entry, target });
      return;
    }
    this.#batch.push(entry);
    const isHere = stats.dev === this.#root.device || this.#options.crossFileSystems === true;
    if (kind === "directory" && isHere) this.#pending.push(path);
  }

  #reportUnreadable(path: string, error: unknown): void {
    const shown = withShownPath(error, path);
    this.#batch.push({ path: path === "" ? undefined : (path as RepoPath), kind: "unreadable", error: shown });
  }
}

const KIND_MASK = 0o170000;

function kindOf(stats: BigIntStats): WalkedEntry["kind"] {
  switch (Number(stats.mode) & KIND_MASK) {
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
