import type { BigIntStats } from "node:fs";
import type { RepoPath } from "../core/repo-path.ts";
import type { ConfinedDirectory } from "./confined-directory.ts";
import { type FileStat, fileStatOf, isSameFileStat } from "./file-stat.ts";

/** A name of a file on its way from one path of DEST to another, and what the file must be like to count as untouched. */
export interface MovingFile {
  readonly directory: ConfinedDirectory;
  readonly path: RepoPath;
  /** Undefined: nothing is known about it, so nothing is believed. */
  stat: FileStat | undefined;
}

/** A stat that our own doing changed. */
export interface Restat {
  readonly before: FileStat;
  readonly after: FileStat;
}

/** True if nobody wrote to the file, or touched it otherwise, since its stat was taken. */
export function isUntouched({ directory, path, stat }: MovingFile): boolean {
  const stats = directory.lstat(path);
  return stat !== undefined && stats?.isFile() === true && isSameFileStat(fileStatOf(stats), stat);
}

/**
 * Files that have two names for a while, by inode. When one name comes or goes, their ctime changes, and so does it when
 * somebody writes to them: only what was untouched right before is followed to its new stat.
 */
export class MovingFiles {
  readonly #byInode = new Map<bigint, MovingFile>();

  add(inode: bigint, file: MovingFile): void {
    this.#byInode.set(inode, file);
  }

  delete(inode: bigint): void {
    this.#byInode.delete(inode);
  }

  /** Does what gives a name to the file that is `there`, or takes one from it. @returns what it did to the stat of a file on the move */
  followWhile(there: BigIntStats | undefined, rename: () => void): (Restat & { readonly path: RepoPath }) | undefined {
    const file = there?.isFile() === true ? this.#byInode.get(BigInt.asIntN(64, there.ino)) : undefined;
    if (file === undefined || !isUntouched(file)) {
      rename();
      return undefined;
    }
    const before = file.stat!;
    rename();
    const stats = file.directory.lstat(file.path);
    if (stats === undefined) return undefined;
    const after = fileStatOf(stats);
    if (!isSameFileStat({ ...after, ctimeNs: before.ctimeNs }, before)) return undefined;
    file.stat = after;
    return { path: file.path, before, after };
  }
}
