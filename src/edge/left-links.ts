import { isSystemError } from "../core/errors.ts";
import type { RepoPath } from "../core/repo-path.ts";
import type { ConfinedDirectory } from "../store/confined-directory.ts";
import { StoreError } from "../store/errors.ts";
import { type FileStat, fileStatOf } from "../store/file-stat.ts";
import type { MirrorIndex } from "../store/mirror-index.ts";
import type { StagingArea } from "../store/staging.ts";

interface MirrorDisk {
  readonly destination: ConfinedDirectory;
  readonly index: MirrorIndex;
  readonly staging: StagingArea;
}

/**
 * Drops the further names that an interrupted run gave to files of DEST, be it one of this process. That changes the ctime of those files; their records
 * follow, or their contents would count as unknown and be fetched again.
 */
export function dropLeftLinks({ destination, index, staging }: MirrorDisk): void {
  for (const { content, inode } of staging.leftLinks()) {
    const before = new Map<RepoPath, FileStat | undefined>();
    for (const path of index.files.namesOf(content, inode)) before.set(path, statAt(destination, path));
    staging.discard(content);
    for (const [path, stat] of before) {
      const after = statAt(destination, path);
      if (stat !== undefined && after?.ino === stat.ino) index.files.restat(path, stat, after);
    }
  }
}

function statAt(destination: ConfinedDirectory, path: RepoPath): FileStat | undefined {
  try {
    const stats = destination.lstat(path);
    return stats?.isFile() === true ? fileStatOf(stats) : undefined;
  } catch (error) {
    if (error instanceof StoreError || isSystemError(error, "ENOENT", "ENOTDIR", "EACCES", "ELOOP")) return undefined;
    throw error;
  }
}
