import * as fs from "node:fs";
import type { ContentId } from "../core/content-id.ts";
import { displayPath, type RepoPath } from "../core/repo-path.ts";
import type { ConfinedDirectory } from "./confined-directory.ts";
import { StoreError } from "./errors.ts";
import { hashOpenFile } from "./file-copy.ts";
import { type FileStat, fileStatOf, isSameFileStat } from "./file-stat.ts";
import type { FileRecord } from "./mirror-index-files.ts";

/** A file that was hashed. */
export interface HashedFile {
  readonly path: RepoPath;
  readonly content: ContentId;
  readonly stat: FileStat;
}

/**
 * Files that get further names in an activation. Whatever bytes they have then stand under the new names too, so nobody's word
 * is taken: their stat is that of when they were placed or hashed, or they are hashed now.
 */
export class LinkTargets {
  readonly #destination: ConfinedDirectory;
  readonly #recordOf: (path: RepoPath) => FileRecord | undefined;
  readonly #targets: ReadonlySet<RepoPath>;
  /** Stats under which targets are known to hold what the release says. */
  readonly #right = new Map<RepoPath, FileStat>();

  /** @param options.targets all paths that will get further names */
  constructor(
    destination: ConfinedDirectory,
    options: {
      readonly targets: ReadonlySet<RepoPath>;
      readonly recordOf: (path: RepoPath) => FileRecord | undefined;
    },
  ) {
    this.#destination = destination;
    this.#targets = options.targets;
    this.#recordOf = options.recordOf;
  }

  /** The file at a path is what the release says, as long as its stat is this one. */
  noteRight(path: RepoPath, stat: FileStat): void {
    if (this.#targets.has(path)) this.#right.set(path, stat);
  }

  /**
   * Hashes the file at a path unless it is known to hold a content.
   * @returns undefined if it is known; else what was found, which may be another content
   * @throws StoreError `not-a-file`, `content-changed` if it was written to meanwhile; system errors
   */
  async hashUnlessKnown(path: RepoPath, content: ContentId): Promise<HashedFile | undefined> {
    const descriptor = this.#destination.openForReadingSync(path);
    try {
      const stat = statOf(descriptor);
      if (this.#isKnown(path, content, stat)) return undefined;
      const found = await hashOpenFile(descriptor, stat.size);
      if (found !== undefined && isSameFileStat(stat, statOf(descriptor))) return { path, content: found, stat };
      throw new StoreError("content-changed", `"${displayPath(path)}" was written to while it was read`);
    } finally {
      fs.closeSync(descriptor);
    }
  }

  #isKnown(path: RepoPath, content: ContentId, stat: FileStat): boolean {
    const right = this.#right.get(path);
    if (right !== undefined) return isSameFileStat(right, stat);
    const record = this.#recordOf(path);
    return record?.isVerified === true && record.content === content && isSameFileStat(record.stat, stat);
  }
}

function statOf(descriptor: number): FileStat {
  return fileStatOf(fs.fstatSync(descriptor, { bigint: true }));
}
