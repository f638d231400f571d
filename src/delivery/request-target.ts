import { repoPathFromByteString, type RepoPath } from "../core/repo-path.ts";
import { percentDecodeBytes } from "../codec/percent-encoding.ts";
import { CoreError } from "../core/errors.ts";

/** What a customer asks for. Invariant: `path` went through {@link repoPathFromByteString}. */
export interface RequestTarget {
  /** Undefined for the top. */
  readonly path: RepoPath | undefined;
  /** The path ended with "/", so only a directory fits. */
  readonly endsWithSlash: boolean;
  /** Text after the first "?", without it. */
  readonly query: string;
}

/** `bad-escape`: not percent-encoding. `bad-path`: no path a release could hold ("..", NUL, encoded slash, too long a part). */
export type TargetRefusal = "not-origin-form" | "bad-escape" | "bad-path";

/**
 * Reads a raw request target (RFC 9112 §3.2.1), byte for byte: each part is decoded exactly once. Empty parts and "." are left out, as web servers
 * do: apt asks for `./Packages` and `./NAME.deb` of flat repositories (docs/decisions/0055). Nothing else is normalised, because the look-up that
 * follows is exact. `new URL` must not touch it: it resolves "..", swallows "//host" and turns "\" into "/".
 */
export function parseRequestTarget(target: string): RequestTarget | TargetRefusal {
  if (!target.startsWith("/")) return "not-origin-form";
  const mark = target.indexOf("?");
  const rawPath = mark < 0 ? target.slice(1) : target.slice(1, mark);
  const query = mark < 0 ? "" : target.slice(mark + 1);
  let endsWithSlash = true;
  const parts: string[] = [];
  for (const rawPart of rawPath.split("/")) {
    const part = percentDecodeBytes(rawPart);
    if (part === undefined) return "bad-escape";
    if (part.includes("/")) return "bad-path";
    endsWithSlash = part === "" || part === ".";
    if (!endsWithSlash) parts.push(part);
  }
  if (parts.length === 0) return { path: undefined, endsWithSlash, query };
  const path = tryRepoPath(parts.join("/"));
  return path === undefined ? "bad-path" : { path, endsWithSlash, query };
}

/** The value of a query parameter, first one wins; undefined if absent or not percent-encoding. */
export function queryParameter(query: string, name: string): string | undefined {
  for (const pair of query.split("&")) {
    const equals = pair.indexOf("=");
    if ((equals < 0 ? pair : pair.slice(0, equals)) !== name) continue;
    return equals < 0 ? "" : percentDecodeBytes(pair.slice(equals + 1));
  }
  return undefined;
}

function tryRepoPath(path: string): RepoPath | undefined {
  try {
    return repoPathFromByteString(path);
  } catch (error) {
    if (error instanceof CoreError) return undefined;
    throw error;
  }
}
