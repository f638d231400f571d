import { baseNameOf, type RepoPath } from "../core/repo-path.ts";
import { PathPattern } from "../filter/path-pattern.ts";

/**
 * Files by which package managers find everything else. They change last, so that a customer who reads one finds all it
 * names: Debian's Release and index files, rpm-md's repodata, Arch's and Alpine's databases.
 */
const METADATA_NAMES: ReadonlySet<string> = new Set([
  "InRelease",
  "Release",
  "Release.gpg",
  "repomd.xml",
  "repomd.xml.asc",
  "repomd.xml.key",
  "APKINDEX.tar.gz",
  "SHA256SUMS",
  "SHA256SUMS.gpg",
]);
const METADATA_NAME_START = /^(?:Packages|Sources|Contents-[^/]*|Translation-[^/]*)(?:\.(?:gz|xz|bz2|zst))?$/;
const PACMAN_DATABASE = /\.(?:db|files)(?:\.tar\.(?:gz|zst|xz))?(?:\.sig)?$/;

/** True for a path that must become visible only after everything it may name. */
export function isMetadataPath(path: RepoPath): boolean {
  const name = baseNameOf(path);
  return METADATA_NAMES.has(name) || METADATA_NAME_START.test(name) || PACMAN_DATABASE.test(name);
}

/** The same, with patterns of the operator's own (`--last`, byte strings as in filter rules). */
export function metadataPaths(patterns: readonly string[]): (path: RepoPath) => boolean {
  const own = patterns.map((pattern) => new PathPattern(pattern));
  return (path) => isMetadataPath(path) || own.some((pattern) => pattern.matches(path, false));
}
