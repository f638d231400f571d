import {
  jsonText,
  parseCanonicalObject,
  requireSameLine,
  unknownFields,
  type JsonFields,
  type JsonValue,
} from "../codec/canonical-json.ts";
import { EMPTY_CONTENT, parseContentId } from "../core/content-id.ts";
import { displayPath, isReserved, repoPathFromByteString, type RepoPath } from "../core/repo-path.ts";
import { formatMtime, parseMtime } from "../core/time.ts";
import { encodeByteStringField, readByteStringField } from "./byte-string-field.ts";
import type { Entry, FileEntry } from "./entry.ts";
import { ManifestError, refusing } from "./errors.ts";
import { readPlainEntry } from "./plain-entry-line.ts";

/** Keys of an entry in the order of their line (docs/protocol.md, "Manifest chunk"). */
export const ENTRY_KEYS: readonly string[] = [
  ...["path", "pathBase64", "kind", "mode", "mtime", "size", "content"],
  ...["target", "targetBase64", "link", "linkBase64", "uid", "gid", "xattrs"],
];
const KNOWN_KEYS: ReadonlySet<string> = new Set(ENTRY_KEYS);

/** Words of change lists: as keys of an entry they would make its lines there ambiguous. */
const CHANGE_LIST_KEYS: readonly string[] = ["added", "removed", "absent"];

const OCTAL_MODE = /^(?:0|[1-7][0-7]{0,3})$/;
/** Linux' PATH_MAX less the NUL: symlink(2) takes no longer target. */
const MAX_TARGET_BYTES = 4095;
const MAX_OWNER = 0xffff_ffff;

/** The line of an entry, without the newline. Entries are equal exactly if their lines are. */
export function encodeEntry(entry: Entry): string {
  let line = `{${encodeByteStringField("path", entry.path)}`;
  if (entry.kind !== "file") line += `,"kind":"${entry.kind}"`;
  if (entry.kind !== "symlink") line += `,"mode":"${entry.mode.toString(8)}"`;
  line += `,"mtime":"${formatMtime(entry.mtimeNs)}"`;
  if (entry.kind === "file") {
    line += `,"size":${entry.size},"content":"${entry.content}"`;
    if (entry.link !== undefined) line += `,${encodeByteStringField("link", entry.link)}`;
  } else if (entry.kind === "symlink") {
    line += `,${encodeByteStringField("target", entry.target)}`;
  }
  if (entry.uid !== undefined) line += `,"uid":${entry.uid}`;
  if (entry.gid !== undefined) line += `,"gid":${entry.gid}`;
  if (entry.xattrs !== undefined) line += encodeXattrs(entry.xattrs);
  for (const [key, value] of entry.unknown ?? []) line += `,${jsonText(key)}:${jsonText(value)}`;
  return `${line}}`;
}

/** Names ascend, those like "7" first: the order in which any reader of JSON here writes the object again. */
function encodeXattrs(xattrs: Readonly<Record<string, string>>): string {
  const names = Object.keys(xattrs).sort();
  if (names.length === 0) return "";
  const sorted = Object.create(null) as Record<string, string>;
  for (const name of names) sorted[name] = xattrs[name]!;
  return `,"xattrs":${jsonText(sorted)}`;
}

/** @throws ManifestError `bad-entry` for a line that is not exactly one entry as {@link encodeEntry} writes it */
export function parseEntry(line: string): Entry {
  return refusing("bad-entry", "manifest entry", () => {
    const plain = readPlainEntry(line);
    if (plain !== undefined) return plain;
    const entry = readEntry(parseCanonicalObject(line));
    requireSameLine(line, encodeEntry(entry));
    return entry;
  });
}

/** @throws ManifestError `bad-entry` if absent or reserved, CoreError `bad-path` */
export function readPathField(fields: JsonFields, key: "path" | "link" | "first"): RepoPath {
  const byteString = readByteStringField(fields, key);
  if (byteString === undefined) throw new ManifestError("bad-entry", `manifest entry: expected "${key}", got nothing`);
  const path = repoPathFromByteString(byteString);
  if (isReserved(path)) throw new ManifestError("bad-entry", `path "${displayPath(path)}" belongs to prsync itself`);
  return path;
}

function readEntry(fields: JsonFields): Entry {
  const path = readPathField(fields, "path");
  const common = { path, mtimeNs: parseMtime(fields.get("mtime")), ...readOptional(fields, path) };
  const kind = fields.get("kind") ?? "file";
  switch (kind) {
    case "file":
      return { kind, ...common, mode: readMode(fields, path), ...readFile(fields, path) };
    case "directory":
      return { kind, ...common, mode: readMode(fields, path) };
    case "symlink":
      return { kind, ...common, target: readTarget(fields, path) };
    default:
      return fail(path, `expected kind "file", "directory" or "symlink", got another`);
  }
}

function readFile(fields: JsonFields, path: RepoPath): Pick<FileEntry, "size" | "content" | "link"> {
  const size = fields.get("size");
  if (typeof size !== "number" || size < 0) fail(path, "expected a size of 0 or more bytes");
  const content = parseContentId(fields.get("content"));
  if ((size === 0) !== (content === EMPTY_CONTENT)) fail(path, `size ${size} does not go with content ${content}`);
  if (!fields.has("link") && !fields.has("linkBase64")) return { size, content };
  const link = readPathField(fields, "link");
  if (link >= path) fail(path, `expected a hard link to a path before it, got "${displayPath(link)}"`);
  return { size, content, link };
}

function readMode(fields: JsonFields, path: RepoPath): number {
  const mode = fields.get("mode");
  if (typeof mode === "string" && OCTAL_MODE.test(mode)) return parseInt(mode, 8);
  return fail(path, `expected a mode from "0" to "7777"`);
}

function readTarget(fields: JsonFields, path: RepoPath): string {
  const target = readByteStringField(fields, "target");
  if (target === undefined || target === "" || target.length > MAX_TARGET_BYTES || target.includes("\0")) {
    fail(path, `expected a symlink target of 1 to ${MAX_TARGET_BYTES} bytes without NUL`);
  }
  return target;
}

function readOptional(fields: JsonFields, path: RepoPath): Pick<Entry, "uid" | "gid" | "xattrs" | "unknown"> {
  if (CHANGE_LIST_KEYS.some((key) => fields.has(key)))
    fail(path, `"added", "removed" and "absent" are no entry's keys`);
  const unknown = unknownFields(fields, KNOWN_KEYS);
  return {
    ...(fields.has("uid") && { uid: readOwner(fields.get("uid"), path) }),
    ...(fields.has("gid") && { gid: readOwner(fields.get("gid"), path) }),
    ...(fields.has("xattrs") && { xattrs: readXattrs(fields.get("xattrs"), path) }),
    ...(unknown !== undefined && { unknown }),
  };
}

function readOwner(value: JsonValue | undefined, path: RepoPath): number {
  if (typeof value === "number" && value >= 0 && value <= MAX_OWNER) return value;
  return fail(path, `expected an owner from 0 to ${MAX_OWNER}`);
}

function readXattrs(value: JsonValue | undefined, path: RepoPath): Readonly<Record<string, string>> {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  const entries: [string, JsonValue][] = isObject ? Object.entries(value) : [];
  const xattrs = Object.create(null) as Record<string, string>;
  for (const [name, base64] of entries) {
    const isName = name !== "" && !name.includes("\0");
    const isBase64 = typeof base64 === "string" && Buffer.from(base64, "base64").toString("base64") === base64;
    if (!isName || !isBase64) fail(path, "expected extended attributes as name and base64");
    xattrs[name] = base64;
  }
  if (entries.length === 0) fail(path, "expected an object of extended attributes");
  return xattrs;
}

function fail(path: RepoPath, problem: string): never {
  throw new ManifestError("bad-entry", `manifest entry "${displayPath(path)}": ${problem}`);
}

/** Equal in every field: {@link encodeEntry} would give the same line. Much cheaper than the two lines. */
export function isSameEntry(a: Entry, b: Entry): boolean {
  if (a.path !== b.path || a.mtimeNs !== b.mtimeNs || a.uid !== b.uid || a.gid !== b.gid) return false;
  if (a.xattrs !== undefined || b.xattrs !== undefined || a.unknown !== undefined || b.unknown !== undefined) {
    return encodeEntry(a) === encodeEntry(b);
  }
  if (a.kind === "file") {
    return b.kind === "file" && a.mode === b.mode && a.size === b.size && a.content === b.content && a.link === b.link;
  }
  if (a.kind === "directory") return b.kind === "directory" && a.mode === b.mode;
  return b.kind === "symlink" && a.target === b.target;
}
