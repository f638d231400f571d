import type { BigIntStats } from "node:fs";
import { type ContentId, parseContentId } from "../core/content-id.ts";
import { isSystemError } from "../core/errors.ts";
import type { RepoPath } from "../core/repo-path.ts";
import type { ConfinedDirectory } from "./confined-directory.ts";
import { type FileStat, fileStatOf, isSameFileStat } from "./file-stat.ts";
import { isUntouched, MovingFiles, type MovingFile } from "./moving-file.ts";

const LINK_SUFFIX = ".link";
const LINK_NAME = /^([0-9a-f]{64})\.link$/;

/** A file of DEST that is to be staged without being read. */
export interface LinkSource {
  readonly directory: ConfinedDirectory;
  readonly path: RepoPath;
  /** It must still have this stat. */
  readonly expectedStat: FileStat;
}

/** A link that was not placed. */
export interface LeftLink {
  readonly content: ContentId;
  /** Of the file, as in {@link FileStat}. */
  readonly inode: bigint;
}

/**
 * Files of DEST that are staged as `HEX.link`, a further name of their inode. Nobody reads them: what vouches for their bytes is
 * their stat, from when they were linked until they are placed, which may be hours later.
 */
export class StagedLinks {
  readonly #directory: ConfinedDirectory;
  readonly #links = new Map<ContentId, MovingFile>();
  readonly #moving = new MovingFiles();

  constructor(directory: ConfinedDirectory) {
    this.#directory = directory;
  }

  /** Content of a link's name, undefined for other names. */
  static contentOf(name: string): ContentId | undefined {
    const hex = LINK_NAME.exec(name)?.[1];
    return hex === undefined ? undefined : parseContentId(hex);
  }

  has(content: ContentId): boolean {
    return this.#links.has(content);
  }

  /** All there are. */
  left(): LeftLink[] {
    return [...this.#links].flatMap(([content, { path }]) => {
      const stats = this.#directory.lstat(path);
      return stats === undefined ? [] : [{ content, inode: fileStatOf(stats).ino }];
    });
  }

  /** Where the link of a content lies. */
  pathOf(content: ContentId): RepoPath {
    return (content + LINK_SUFFIX) as RepoPath;
  }

  /** Takes note of a link that an earlier run left: not known to be untouched. */
  addLeft(content: ContentId): void {
    this.#links.set(content, { directory: this.#directory, path: this.pathOf(content), stat: undefined });
  }

  /**
   * Makes the link of a content, or takes the one that is there. Only of a file with no other name: mode and time of a file that has more may not
   * change with those of one of them.
   * @returns its stat, whose ctime changed; undefined if it is not the expected file or can't be linked
   */
  make(content: ContentId, { directory, path, expectedStat }: LinkSource): FileStat | undefined {
    const made = this.statOf(content);
    if (made !== undefined && isSameFileStat(made, expectedStat) && this.isUntouched(content)) return made;
    this.drop(content);
    const before = directory.lstat(path);
    if (before?.isFile() !== true || before.nlink !== 1n || !isSameFileStat(fileStatOf(before), expectedStat)) {
      return undefined;
    }
    const link = this.pathOf(content);
    try {
      directory.link(path, link, { into: this.#directory });
    } catch (error) {
      if (isSystemError(error, "EPERM", "EACCES", "EXDEV", "EMLINK", "ENOENT")) return undefined;
      throw error;
    }
    const stat = fileStatOf(this.#directory.lstat(link)!);
    const file: MovingFile = { directory: this.#directory, path: link, stat };
    this.#links.set(content, file);
    this.#moving.add(stat.ino, file);
    if (isSameFileStat({ ...stat, ctimeNs: expectedStat.ctimeNs }, expectedStat)) return stat;
    this.drop(content);
    return undefined;
  }

  /** What the file was like when it was linked; undefined if that is not known. */
  statOf(content: ContentId): FileStat | undefined {
    return this.#links.get(content)?.stat;
  }

  /** True if nobody wrote to the file since it was linked. */
  isUntouched(content: ContentId): boolean {
    const file = this.#links.get(content);
    return file !== undefined && isUntouched(file);
  }

  /** Does what takes a name from the file that is `there`; that alone does not count as touching a link. */
  followWhile(there: BigIntStats | undefined, takeName: () => void): void {
    this.#moving.followWhile(there, takeName);
  }

  /** Forgets a link that has another name now. */
  forget(content: ContentId): void {
    const stat = this.statOf(content);
    if (stat !== undefined) this.#moving.delete(stat.ino);
    this.#links.delete(content);
  }

  /** Removes a link; the file stays under its other name. */
  drop(content: ContentId): void {
    if (!this.has(content)) return;
    this.forget(content);
    try {
      this.#directory.unlink(this.pathOf(content));
    } catch (error) {
      if (!isSystemError(error, "ENOENT")) throw error;
    }
  }
}
