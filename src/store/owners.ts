import type { RepoPath } from "../core/repo-path.ts";
import type { ConfinedDirectory, OwnerIds } from "./confined-directory.ts";

/**
 * Gives what stands at a path to the user and group told, if it is not theirs. Afterwards its mode has to be set: set-id bits are gone.
 * @returns true if anything was done
 */
export function setOwners(directory: ConfinedDirectory, path: RepoPath, { uid, gid }: OwnerIds): boolean {
  if (uid === undefined && gid === undefined) return false;
  const stats = directory.lstat(path);
  if (stats === undefined) return false;
  const isRight = (uid === undefined || BigInt(uid) === stats.uid) && (gid === undefined || BigInt(gid) === stats.gid);
  if (isRight) return false;
  directory.chown(path, { ...(uid !== undefined && { uid }), ...(gid !== undefined && { gid }) });
  return true;
}
