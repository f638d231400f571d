import { parseContentId, type ContentId } from "../core/content-id.ts";
import { CoreError } from "../core/errors.ts";
import { isReserved, type RepoPath } from "../core/repo-path.ts";
import { percentEncodeBytes } from "../codec/percent-encoding.ts";
import type { Entry, FileEntry } from "../manifest/entry.ts";
import { mediaTypeOf } from "./media-type.ts";
import type { ServedContent } from "./file-answer.ts";
import { parseRequestTarget, queryParameter } from "./request-target.ts";
import { resolvePath } from "./resolve-path.ts";

/** What a customer asked for, before anybody decided who answers. */
export interface CustomerRequest {
  readonly path: RepoPath | undefined;
  readonly endsWithSlash: boolean;
  /** The exact content a redirect promised (`?sha256=`). */
  readonly wantedContent: ContentId | undefined;
  /** A volunteer sent the customer back (`?origin=1`): central serves it, unless it has lost the content. */
  readonly isOriginWanted: boolean;
  /** `?explain`: who would serve this, and why ("json": for programs). */
  readonly explanation: "text" | "json" | undefined;
}

/** What the release says to a request; `missing` is 404. */
export type CustomerDecision =
  | { readonly kind: "file"; readonly entry: FileEntry; readonly served: ServedContent }
  | { readonly kind: "listing"; readonly directory: RepoPath | undefined }
  /** A directory asked for without its slash; `location` is a path relative to the request's, safe in a header. */
  | { readonly kind: "add-slash"; readonly location: string }
  /** The path is there but holds another content than `?sha256=` names. */
  | { readonly kind: "other-content"; readonly entry: FileEntry }
  | { readonly kind: "missing"; readonly reason: string };

/** Reads the raw request target of a customer. A string is the reason to answer 400. */
export function parseCustomerRequest(target: string): CustomerRequest | string {
  const parsed = parseRequestTarget(target);
  if (parsed === "not-origin-form") return "expected a path that starts with a slash";
  if (parsed === "bad-escape") return "expected percent-encoding as %HH";
  if (parsed === "bad-path")
    return 'expected a path without "..", NUL and encoded slashes, each part of at most 255 bytes';
  const sha256 = queryParameter(parsed.query, "sha256");
  const wantedContent = sha256 === undefined ? undefined : tryContentId(sha256);
  if (sha256 !== undefined && wantedContent === undefined) return "expected 64 lower-case hex digits after sha256=";
  return {
    path: parsed.path,
    endsWithSlash: parsed.endsWithSlash,
    wantedContent,
    isOriginWanted: queryParameter(parsed.query, "origin") === "1",
    explanation: explanationOf(queryParameter(parsed.query, "explain")),
  };
}

function explanationOf(value: string | undefined): CustomerRequest["explanation"] {
  if (value === undefined) return undefined;
  return value === "json" ? "json" : "text";
}

/** Exact look-up of a request in a release, symlinks resolved inside it. */
export function decideCustomerRequest(
  request: CustomerRequest,
  lookup: (path: RepoPath) => Entry | undefined,
): CustomerDecision {
  if (request.path !== undefined && isReserved(request.path)) {
    return { kind: "missing", reason: "no such address under /.prsync/" };
  }
  const resolved = resolvePath(request.path, lookup);
  switch (resolved.kind) {
    case "missing":
      return { kind: "missing", reason: "not in the current release" };
    case "too-many-symlinks":
      return { kind: "missing", reason: "too many symbolic links" };
    case "directory":
      if (request.endsWithSlash) return { kind: "listing", directory: resolved.path };
      return { kind: "add-slash", location: `./${percentEncodeBytes(lastPart(request.path!))}/` };
    case "file":
      return decideFile(request, resolved.entry);
  }
}

function decideFile(request: CustomerRequest, entry: FileEntry): CustomerDecision {
  if (request.endsWithSlash) return { kind: "missing", reason: "not a directory" };
  if (request.wantedContent !== undefined && request.wantedContent !== entry.content) {
    return { kind: "other-content", entry };
  }
  const served = {
    content: entry.content,
    lengthBytes: entry.size,
    mtimeNs: entry.mtimeNs,
    mediaType: mediaTypeOf(request.path!),
  };
  return { kind: "file", entry, served };
}

/** Its name within its directory. */
export function lastPart(path: RepoPath): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function tryContentId(text: string): ContentId | undefined {
  try {
    return parseContentId(text);
  } catch (error) {
    if (error instanceof CoreError) return undefined;
    throw error;
  }
}
