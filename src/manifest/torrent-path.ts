import { repoPathFromByteString, textOfByteString, type RepoPath } from "../core/repo-path.ts";

/** What an escaped part contains and a part left as it is must not: `%25`, or `%80` to `%FF`. */
const ESCAPE = /%(?:25|[89A-F][0-9A-F])/;
const ALL_ESCAPES = new RegExp(ESCAPE, "g");

/**
 * The parts of a path as BEP 3 lists them, each a byte string of valid UTF-8, for stock clients to save under. A part
 * that is not UTF-8, or that looks as if it were escaped, is escaped: "%" and (if it is not UTF-8) every byte above
 * 0x7f become `%HH`. So different paths stay different, and "libx_1%3a2.deb" stays as it is.
 */
export function torrentPathParts(path: RepoPath): string[] {
  return path.split("/").map(escapePart);
}

function escapePart(part: string): string {
  if (textOfByteString(part) === undefined) return part.replace(/[%\x80-\xff]/g, percentOf);
  return ESCAPE.test(part) ? part.replace(/%/g, percentOf) : part;
}

function percentOf(unit: string): string {
  return `%${unit.charCodeAt(0).toString(16).toUpperCase()}`;
}

/**
 * The path that {@link torrentPathParts} made these parts of.
 *
 * @throws CoreError `bad-path`
 */
export function pathOfTorrentParts(parts: readonly string[]): RepoPath {
  const unescaped = parts.map((part) =>
    part.replace(ALL_ESCAPES, (escape) => String.fromCharCode(parseInt(escape.slice(1), 16))),
  );
  return repoPathFromByteString(unescaped.join("/"));
}
