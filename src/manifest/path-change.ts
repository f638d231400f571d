import {
  encodeCanonicalObject,
  jsonText,
  parseCanonicalObject,
  requireSameLine,
  unknownFields,
  type JsonFields,
  type JsonValue,
  type UnknownFields,
} from "../codec/canonical-json.ts";
import { displayPath, type RepoPath } from "../core/repo-path.ts";
import { encodeByteStringField } from "./byte-string-field.ts";
import { ENTRY_KEYS, encodeEntry, isSameEntry, parseEntry, readPathField } from "./entry-line.ts";
import type { Entry } from "./entry.ts";
import { ManifestError, refusing } from "./errors.ts";

/** What a release does to one path (docs/protocol.md, "Change list"). */
export type PathChange = AddedPath | ChangedPath | RemovedPath;

export interface AddedPath {
  readonly change: "added";
  readonly path: RepoPath;
  readonly entry: Entry;
}

export interface ChangedPath {
  readonly change: "changed";
  readonly path: RepoPath;
  /** New values of the entry's keys that differ. */
  readonly fields: JsonFields;
  /** Keys that are gone, ascending. */
  readonly absent: readonly string[];
}

export interface RemovedPath {
  readonly change: "removed";
  readonly path: RepoPath;
  readonly unknown?: UnknownFields;
}

const PATH_KEYS = ["path", "pathBase64"];
const ENTRY_KEY_SET: ReadonlySet<string> = new Set(ENTRY_KEYS);
const REMOVED_KEYS: ReadonlySet<string> = new Set([...PATH_KEYS, "removed"]);

/** The change from one state of a path to another (undefined: not there), or undefined if there is none. */
export function diffEntry(previous: Entry | undefined, next: Entry | undefined): PathChange | undefined {
  if (next === undefined) return previous && { change: "removed", path: previous.path };
  if (previous === undefined) return { change: "added", path: next.path, entry: next };
  if (isSameEntry(previous, next)) return undefined;
  const before = parseCanonicalObject(encodeEntry(previous));
  const fields = parseCanonicalObject(encodeEntry(next));
  const absent = [...before.keys()].filter((key) => !fields.has(key)).sort();
  for (const [key, value] of before) if (jsonText(fields.get(key)) === jsonText(value)) fields.delete(key);
  return { change: "changed", path: next.path, fields, absent };
}

/**
 * The state of a path after a change.
 *
 * @throws ManifestError `change-mismatch` if the change was made for another state, `bad-entry` if the outcome is none
 */
export function applyToEntry(previous: Entry | undefined, change: PathChange): Entry | undefined {
  if (change.change === "added") {
    if (previous !== undefined) mismatch(change, "the path is there already");
    return change.entry;
  }
  if (previous === undefined) mismatch(change, "the path is not there");
  if (change.change === "removed") return undefined;
  const fields = parseCanonicalObject(encodeEntry(previous));
  for (const key of change.absent) if (!fields.delete(key)) mismatch(change, `there is no ${JSON.stringify(key)}`);
  for (const [key, value] of change.fields) fields.set(key, value);
  return parseEntry(encodeCanonicalObject(inEntryOrder(fields)));
}

function mismatch(change: PathChange, problem: string): never {
  const subject = `"${displayPath(change.path)}" cannot be ${change.change}`;
  throw new ManifestError("change-mismatch", `change list: ${subject}: ${problem}`);
}

function inEntryOrder(fields: JsonFields): (readonly [string, string])[] {
  const known = ENTRY_KEYS.filter((key) => fields.has(key)).map((key) => [key, fields.get(key)!] as const);
  return [...known, ...(unknownFields(fields, ENTRY_KEY_SET) ?? [])].map(([key, value]) => [key, jsonText(value)]);
}

/** The line of a change, without the newline. */
export function encodePathChange(change: PathChange): string {
  const start = `{${encodeByteStringField("path", change.path)}`;
  switch (change.change) {
    case "added":
      return `${start},"added":true${encodeEntry(change.entry).slice(start.length)}`;
    case "removed":
      return start + after([["removed", "true"]], change.unknown);
    case "changed": {
      const absent = change.absent.length === 0 ? undefined : jsonText(change.absent);
      return start + after([["absent", absent], ...inEntryOrder(change.fields)]);
    }
  }
}

function after(known: readonly (readonly [string, string | undefined])[], unknown?: UnknownFields): string {
  return `,${encodeCanonicalObject(known, unknown).slice(1)}`;
}

/** @throws ManifestError `bad-change-list` for a line {@link encodePathChange} would not write, `bad-entry` */
export function parsePathChange(line: string): PathChange {
  return refusing("bad-change-list", "change list", () => {
    const fields = parseCanonicalObject(line);
    const path = readPathField(fields, "path");
    const change = readChange(fields, path, line);
    requireSameLine(line, encodePathChange(change));
    return change;
  });
}

function readChange(fields: Map<string, JsonValue>, path: RepoPath, line: string): PathChange {
  if (fields.has("removed")) {
    const unknown = unknownFields(fields, REMOVED_KEYS);
    return { change: "removed", path, ...(unknown !== undefined && { unknown }) };
  }
  if (fields.has("added")) {
    const start = `{${encodeByteStringField("path", path)}`;
    const marked = `${start},"added":true`;
    // The rest of the line is the rest of the entry's own line.
    if (line.startsWith(marked)) return { change: "added", path, entry: parseEntry(start + line.slice(marked.length)) };
    malformed(path, `expected "added":true after the path`);
  }
  const absent = readAbsent(fields, path);
  for (const key of [...PATH_KEYS, "absent"]) fields.delete(key);
  if (fields.size === 0 && absent.length === 0) malformed(path, "expected something that changes, got nothing");
  if (absent.some((key) => fields.has(key))) malformed(path, "expected a key to change or to go, got both");
  return { change: "changed", path, fields, absent };
}

function readAbsent(fields: JsonFields, path: RepoPath): readonly string[] {
  const absent: JsonValue = fields.get("absent") ?? [];
  if (!Array.isArray(absent)) malformed(path, `expected a list as "absent"`);
  const names = (absent as readonly JsonValue[]).map((name) =>
    typeof name === "string" && !PATH_KEYS.includes(name)
      ? name
      : malformed(path, `expected names of keys as "absent"`),
  );
  const isAscending = names.every((name, i) => i === 0 || names[i - 1]! < name);
  return isAscending ? names : malformed(path, `expected ascending names as "absent"`);
}

function malformed(path: RepoPath, problem: string): never {
  throw new ManifestError("bad-change-list", `change of "${displayPath(path)}": ${problem}`);
}
