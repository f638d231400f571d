import { isSystemError } from "../core/errors.ts";
import { parentOf, type RepoPath } from "../core/repo-path.ts";
import type { ConfinedDirectory, OwnerIds } from "./confined-directory.ts";
import { DurabilityBatch, syncFileSystem } from "./durability.ts";
import { setOwners } from "./owners.ts";

/** Final attributes of a directory. */
export interface DirectoryAttributes extends OwnerIds {
  readonly mode: number;
  readonly mtimeNs: bigint;
}

const OWNER_MAY_CHANGE = 0o700;

/**
 * The directories in which an activation changes names. Their mode may forbid it meanwhile, and every change moves
 * their mtime: so mode and mtime are set when all is done, from the bottom up, and then they are made durable.
 */
export class TouchedDirectories {
  readonly #destination: ConfinedDirectory;
  /** Undefined for a directory whose attributes nobody told. */
  readonly #attributesOf: (path: RepoPath) => DirectoryAttributes | undefined;
  /** Made here, so that nothing stood in them. */
  readonly #made = new Set<RepoPath>();
  /** "" is the root. */
  readonly #touched = new Set<string>();
  readonly #final = new Map<RepoPath, DirectoryAttributes>();
  /** Mode before it was opened for us, where nobody told another. */
  readonly #originalModes = new Map<RepoPath, number>();

  constructor(
    destination: ConfinedDirectory,
    attributesOf: (path: RepoPath) => DirectoryAttributes | undefined = () => undefined,
  ) {
    this.#destination = destination;
    this.#attributesOf = attributesOf;
  }

  /** Says that names in the directory of `path` change, or changed before a run was interrupted. */
  touchParentOf(path: RepoPath): void {
    this.#touched.add(parentOf(path) ?? "");
  }

  /** Makes a directory or takes the one that is there; others than directories must be out of the way. */
  make(path: RepoPath, attributes: DirectoryAttributes): void {
    this.touchParentOf(path);
    this.#final.set(path, attributes);
    if (this.#destination.lstat(path)?.isDirectory() === true) return;
    this.withWritableParent(path, () => this.#destination.mkdir(path, attributes.mode | OWNER_MAY_CHANGE));
    this.#touched.add(path);
    this.#made.add(path);
  }

  /** True for a directory that {@link make} made: at first nothing stands in it. */
  isNew(path: RepoPath | undefined): boolean {
    return path !== undefined && this.#made.has(path);
  }

  /** Calls `act`, which changes a name, again with the directory opened for its owner if its mode forbade it. */
  withWritableParent<Result>(path: RepoPath, act: () => Result): Result {
    this.touchParentOf(path);
    try {
      return act();
    } catch (error) {
      const parent = parentOf(path);
      if (!isSystemError(error, "EACCES") || parent === undefined) throw error;
      const stats = this.#destination.lstat(parent);
      if (stats === undefined || stats.uid !== BigInt(process.geteuid!())) throw error;
      const mode = Number(stats.mode) & 0o7777;
      if (!this.#originalModes.has(parent)) this.#originalModes.set(parent, mode);
      this.#destination.chmod(parent, mode | OWNER_MAY_CHANGE);
      return act();
    }
  }

  /** Sets attributes and makes all names durable. `onError` gets what concerns one directory alone. */
  async finish(onError: (path: RepoPath, error: unknown) => void): Promise<void> {
    const paths = new Set<string>([...this.#touched, ...this.#final.keys(), ...this.#originalModes.keys()]);
    const fromBottom = [...paths]
      .filter((path) => path !== "")
      .sort()
      .reverse() as RepoPath[];
    for (const path of fromBottom) {
      try {
        this.#setAttributes(path);
      } catch (error) {
        onError(path, error);
      }
    }
    await this.#flush();
  }

  #setAttributes(path: RepoPath): void {
    // Removed since, or replaced by something else.
    const stats = this.#destination.lstat(path);
    if (stats?.isDirectory() !== true) return;
    const attributes = this.#final.get(path) ?? this.#attributesOf(path);
    const mode = attributes?.mode ?? this.#originalModes.get(path);
    const isOwned = attributes === undefined || !setOwners(this.#destination, path, attributes);
    if (mode !== undefined && (!isOwned || mode !== (Number(stats.mode) & 0o7777))) this.#destination.chmod(path, mode);
    if (attributes !== undefined) this.#destination.setMtime(path, attributes.mtimeNs);
  }

  async #flush(): Promise<void> {
    const batch = new DurabilityBatch(this.#destination.rootPath);
    for (const path of this.#touched) batch.add(() => this.#fsync(path));
    await batch.flush();
  }

  async #fsync(path: string): Promise<void> {
    try {
      await this.#destination.fsyncDirectory(path === "" ? undefined : (path as RepoPath));
    } catch (error) {
      if (isSystemError(error, "ENOENT", "ENOTDIR")) return;
      if (!isSystemError(error, "EACCES")) throw error;
      // Its final mode does not let us open it.
      await syncFileSystem(this.#destination.rootPath);
    }
  }
}
