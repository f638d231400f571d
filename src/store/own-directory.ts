import { isSystemError } from "../core/errors.ts";
import { RESERVED_TOP_LEVEL_NAME, repoPathFromText, type RepoPath } from "../core/repo-path.ts";
import type { ConfinedDirectory } from "./confined-directory.ts";
import { StoreError } from "./errors.ts";

/** `DEST/.prsync`, which no release has. */
export const OWN_DIRECTORY: RepoPath = repoPathFromText(RESERVED_TOP_LEVEL_NAME);

/**
 * Makes `DEST/.prsync` (0700) if it is not there: what lies in it belongs to whoever holds the lock in it. The time of DEST stays
 * as it was.
 */
export function makeOwnDirectory(destination: ConfinedDirectory): void {
  const attributes = destination.rootAttributes();
  makePrivate(destination, OWN_DIRECTORY);
  if (destination.rootAttributes().mtimeNs !== attributes.mtimeNs) destination.setRootAttributes(attributes);
}

/** Makes a directory of our own, or takes the one that is there if it is a directory (not a symlink to one). */
export function makePrivate(destination: ConfinedDirectory, path: RepoPath): void {
  try {
    destination.mkdir(path, 0o700);
  } catch (error) {
    if (!isSystemError(error, "EEXIST")) throw error;
    if (destination.lstat(path)?.isDirectory() === true) return destination.chmod(path, 0o700);
    throw new StoreError("root-unusable", `"${path}" in "${destination.rootPath}" is no directory`, { cause: error });
  }
}
