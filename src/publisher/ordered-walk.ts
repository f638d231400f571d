import { type BigIntStats, lstatSync, readdirSync, readlinkSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { isSystemError } from "../core/errors.ts";
import { RESERVED_TOP_LEVEL_NAME, type RepoPath } from "../core/repo-path.ts";
import type { ConfinedDirectory, PinnedDirectory } from "../store/confined-directory.ts";
import { withShownPath } from "../store/errors.ts";
import type { UnreadablePath, WalkedEntry } from "../store/tree-walk.ts";

export type WalkedPath = WalkedEntry | UnreadablePath;

interface OpenDirectory {
  readonly prefix: string;
  readonly pinned: PinnedDirectory;
  /** All names, ascending. */
  readonly names: readonly string[];
  next: number;
  /** Directories that were reported and are still to be entered. The last one always comes first (see below). */
  readonly toEnter: string[];
}

const BATCH_ENTRIES = 1024;

/**
 * Everything below a directory in the manifest's order, so that it can be merged with the index in one pass and
 * without a look-up per path (store/tree-walk.ts gives no order). Symlinks are reported, never followed; `.prsync` at
 * the top is left out; so is what vanishes meanwhile. Holds the names of the directories on the way to the current
 * one, nothing else.
 */
export async function* orderedWalk(root: ConfinedDirectory, crossFileSystems: boolean): AsyncGenerator<WalkedPath[]> {
  using walk = new OrderedWalk(root, crossFileSystems);
  while (walk.step()) {
    if (walk.batch.length < BATCH_ENTRIES) continue;
    yield walk.takeBatch();
    await setImmediate();
  }
  yield walk.takeBatch();
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

  takeBatch(): WalkedPath[] {
    const batch = this.batch;
    this.batch = [];
    return batch;
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
      directory.next++;
      this.#look(directory, name);
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
      this.#open.push({ prefix, pinned, names: names.sort(), next: 0, toEnter: [] });
    } catch (error) {
      pinned?.[Symbol.dispose]();
      if (path === "" || !isSystemError(error, "ENOENT")) this.#reportUnreadable(path, error);
    }
  }

  #look(directory: OpenDirectory, name: string): void {
    const path = (directory.prefix + name) as RepoPath;
    const leaf = Buffer.from(directory.pinned.procPath + name, "latin1");
    try {
      const stats = lstatSync(leaf, { bigint: true, throwIfNoEntry: false });
      if (stats !== undefined) this.#report(path, leaf, stats);
      if (stats?.isDirectory() === true && this.#isToEnter(stats)) directory.toEnter.push(name);
    } catch (error) {
      if (!isSystemError(error, "ENOENT", "EINVAL")) this.#reportUnreadable(path, error);
    }
  }

  #isToEnter(stats: BigIntStats): boolean {
    return this.#crossFileSystems || stats.dev === this.#root.device;
  }

  #report(path: RepoPath, leaf: Buffer, stats: BigIntStats): void {
    const found = { path, stats, size: Number(stats.size), mode: Number(stats.mode & 0o7777n) };
    if (stats.isSymbolicLink()) {
      this.batch.push({ ...found, kind: "symlink", target: readlinkSync(leaf, { encoding: "latin1" }) });
    } else {
      this.batch.push({ ...found, kind: stats.isFile() ? "file" : stats.isDirectory() ? "directory" : "other" });
    }
  }

  #reportUnreadable(path: string, error: unknown): void {
    const shown = withShownPath(error, path);
    this.batch.push({ path: path === "" ? undefined : (path as RepoPath), kind: "unreadable", error: shown });
  }

  [Symbol.dispose](): void {
    for (const { pinned } of this.#open) pinned[Symbol.dispose]();
  }
}
