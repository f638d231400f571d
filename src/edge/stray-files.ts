import { baseNameOf, type RepoPath } from "../core/repo-path.ts";
import { isSameMtime } from "../core/time.ts";
import type { FileEntry } from "../manifest/entry.ts";

interface StrayFile {
  readonly path: RepoPath;
  readonly mtimeNs: bigint;
}

/** What is smaller is fetched as quickly as it is read. */
const MIN_BYTES = 1024;
/** About 30 MB of memory; a DEST with more files that nobody knows is rare, and the rest is fetched. */
const MAX_FILES = 100_000;

/**
 * Files of DEST that stand where nothing tells what they are: moved by hand, or brought by another program and named anew since.
 * Programs that move files keep their size and mtime, so these lead to them; whoever uses one hashes it first.
 */
export class StrayFiles {
  readonly #bySize = new Map<number, StrayFile[]>();
  #count = 0;

  add(path: RepoPath, { size, mtimeNs }: { readonly size: number; readonly mtimeNs: bigint }): void {
    if (size < MIN_BYTES || this.#count >= MAX_FILES) return;
    this.#count++;
    const alike = this.#bySize.get(size);
    if (alike === undefined) this.#bySize.set(size, [{ path, mtimeNs }]);
    else alike.push({ path, mtimeNs });
  }

  /** One with the size and mtime of the entry; with its name, if there are several. */
  find({ path, size, mtimeNs }: FileEntry): RepoPath | undefined {
    let found: RepoPath | undefined;
    for (const stray of this.#bySize.get(size) ?? []) {
      if (!isSameMtime(stray.mtimeNs, mtimeNs)) continue;
      if (baseNameOf(stray.path) === baseNameOf(path)) return stray.path;
      found ??= stray.path;
    }
    return found;
  }
}
