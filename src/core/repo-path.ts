import { CoreError } from "./errors.ts";

/**
 * Path of an entry below TREE or DEST as a *byte string*: one UTF-16 unit (0–255) per byte of the name on disk, parts
 * joined by "/", no leading or trailing slash, never empty. So `===` compares bytes, `<` sorts by bytes, a Map keyed
 * by it is exact for names that are not UTF-8, and V8 keeps one byte per character.
 */
export type RepoPath = string & { readonly brand: "RepoPath" };

const MAX_PATH_BYTES = 64 * 1024;
const MAX_PART_BYTES = 255;
const SLASH = 0x2f;
const DOT = 0x2e;
/** The top-level name that is PRsync's own: never published, deleted, synchronised or mapped to a URL. */
export const RESERVED_TOP_LEVEL_NAME = ".prsync";
const RESERVED_PREFIX = `${RESERVED_TOP_LEVEL_NAME}/`;

/**
 * Turns bytes from disk or from a manifest into a {@link RepoPath}.
 * @throws CoreError `bad-path` for empty paths, absolute paths, empty parts, "." and "..", NUL, parts over 255 bytes
 */
export function parseRepoPath(bytes: Uint8Array): RepoPath {
  return repoPathFromByteString(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1"));
}

/** {@link parseRepoPath} for text that is UTF-8 once encoded. @throws CoreError `bad-path` */
export function repoPathFromText(text: string): RepoPath {
  return parseRepoPath(Buffer.from(text, "utf8"));
}

/** {@link parseRepoPath} for a string that already has one unit per byte. @throws CoreError `bad-path` */
export function repoPathFromByteString(path: string): RepoPath {
  const reason = reasonAgainst(path);
  if (reason !== undefined) throw new CoreError("bad-path", `path "${displayPath(path)}" ${reason}`);
  return path as RepoPath;
}

function reasonAgainst(path: string): string | undefined {
  if (path.length === 0) return "is empty";
  if (path.length > MAX_PATH_BYTES) return `is longer than ${MAX_PATH_BYTES} bytes`;
  let start = 0;
  for (let i = 0; i < path.length; i++) {
    const unit = path.charCodeAt(i);
    if (unit === 0) return "contains NUL";
    if (unit > 0xff) return "is not a byte string";
    if (unit !== SLASH) continue;
    const reason = reasonAgainstPart(path, start, i);
    if (reason !== undefined) return reason;
    start = i + 1;
  }
  return reasonAgainstPart(path, start, path.length);
}

/** Without a copy of the part: paths are checked by the million. */
function reasonAgainstPart(path: string, start: number, end: number): string | undefined {
  const length = end - start;
  if (length === 0) return "is absolute or has an empty part";
  if (length > MAX_PART_BYTES) return `has a part longer than ${MAX_PART_BYTES} bytes`;
  if (length > 2 || path.charCodeAt(start) !== DOT || path.charCodeAt(end - 1) !== DOT) return undefined;
  return `has the part "${path.slice(start, end)}"`;
}

/** The bytes of a path as they stand on disk. */
export function repoPathBytes(path: RepoPath): Buffer {
  return Buffer.from(path, "latin1");
}

/** The path of the directory above, or undefined at the top. */
export function parentOf(path: RepoPath): RepoPath | undefined {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? undefined : (path.slice(0, slash) as RepoPath);
}

/** The last part of a path, a byte string too. */
export function baseNameOf(path: RepoPath): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The path of `name` (one part, a byte string) inside `directory`; undefined means the top. @throws CoreError `bad-path` */
export function joinPath(directory: RepoPath | undefined, name: string): RepoPath {
  return repoPathFromByteString(directory === undefined ? name : `${directory}/${name}`);
}

/** True for `.prsync` at the top and all below it. */
export function isReserved(path: string): boolean {
  return path === RESERVED_TOP_LEVEL_NAME || path.startsWith(RESERVED_PREFIX);
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of a byte string if it is valid UTF-8, else undefined. */
export function textOfByteString(bytes: string): string | undefined {
  try {
    return strictUtf8.decode(Buffer.from(bytes, "latin1"));
  } catch {
    return undefined;
  }
}

/** For people, logs and terminals: UTF-8 where it is, `\xHH` for other bytes, control and bidirectional characters. */
export function displayPath(path: string): string {
  const text = textOfByteString(path);
  if (text === undefined) return path.replace(/[^\x20-\x7e]/g, (unit) => `\\x${hex(unit.charCodeAt(0))}`);
  // eslint-disable-next-line no-control-regex -- control characters are exactly what must not reach a terminal
  return text.replace(/[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]/g, (unit) =>
    unit.charCodeAt(0) < 0x100 ? `\\x${hex(unit.charCodeAt(0))}` : `\\u${unit.charCodeAt(0).toString(16)}`,
  );
}

function hex(value: number): string {
  return value.toString(16).padStart(2, "0");
}
