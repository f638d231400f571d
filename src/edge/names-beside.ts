import { baseNameOf, joinPath, parentOf, type RepoPath } from "../core/repo-path.ts";
import { DirectoryNames } from "../plan/similar-name.ts";
import type { MirrorIndex } from "../store/mirror-index.ts";

/** Directories whose names are kept: contents come about in path order. */
const KEPT_DIRECTORIES = 16;

/** Finds files of DEST by names like that of a path beside them; reads the names of a directory once. */
export class NamesBeside {
  readonly #index: MirrorIndex;
  /** Least recently read first. */
  readonly #kept = new Map<RepoPath | undefined, DirectoryNames>();

  constructor(index: MirrorIndex) {
    this.#index = index;
  }

  /** Paths of files in the same directory, the most alike name first, without `path` itself. */
  mostAlike(path: RepoPath, limit: number): RepoPath[] {
    const directory = parentOf(path);
    const names = this.#namesIn(directory).mostAlike(baseNameOf(path), limit);
    return names.map((name) => joinPath(directory, name));
  }

  #namesIn(directory: RepoPath | undefined): DirectoryNames {
    const kept = this.#kept.get(directory);
    if (kept !== undefined) return kept;
    const names = new DirectoryNames(this.#index.files.namesIn(directory));
    this.#kept.set(directory, names);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= KEPT_DIRECTORIES) break;
      this.#kept.delete(oldest);
    }
    return names;
  }
}
