import { joinPath, parentOf, type RepoPath } from "../core/repo-path.ts";
import { CoreError } from "../core/errors.ts";
import type { Entry, FileEntry } from "../manifest/entry.ts";

/** Most symlinks followed for one path; Linux has the same limit (path_resolution(7)). */
export const MAX_SYMLINKS = 40;

/** Where a customer's path leads inside the release. `directory` undefined is the top. */
export type ResolvedPath =
  | { readonly kind: "file"; readonly entry: FileEntry }
  | { readonly kind: "directory"; readonly path: RepoPath | undefined }
  | { readonly kind: "missing" }
  | { readonly kind: "too-many-symlinks" };

const MISSING: ResolvedPath = { kind: "missing" };

/**
 * Follows symlinks in all parts of `path`, inside the release alone: absolute targets and ".." above the top are
 * missing, never a look at the disk.
 *
 * @param lookup exact look-up in the release
 */
export function resolvePath(path: RepoPath | undefined, lookup: (path: RepoPath) => Entry | undefined): ResolvedPath {
  if (path === undefined) return { kind: "directory", path: undefined };
  const direct = lookup(path);
  if (direct?.kind === "file") return { kind: "file", entry: direct };
  const pending = path.split("/").reverse();
  let current: RepoPath | undefined;
  let hops = 0;
  while (pending.length > 0) {
    const part = pending.pop()!;
    if (part === "" || part === ".") continue;
    if (part === "..") {
      if (current === undefined) return MISSING;
      current = parentOf(current);
      continue;
    }
    const next = tryJoin(current, part);
    const entry = next === undefined ? undefined : lookup(next);
    if (entry === undefined) return MISSING;
    if (entry.kind === "symlink") {
      if (++hops > MAX_SYMLINKS) return { kind: "too-many-symlinks" };
      if (entry.target.startsWith("/")) return MISSING;
      // A long target can't blow this up: a part is popped per turn and hops are bounded.
      pending.push(...entry.target.split("/").reverse());
    } else if (entry.kind === "directory") {
      current = next;
    } else {
      // A file has no children; a trailing slash of a symlink's target asks for a directory.
      return pending.length === 0 ? { kind: "file", entry } : MISSING;
    }
  }
  return { kind: "directory", path: current };
}

function tryJoin(directory: RepoPath | undefined, part: string): RepoPath | undefined {
  try {
    return joinPath(directory, part);
  } catch (error) {
    if (error instanceof CoreError) return undefined;
    throw error;
  }
}
