import {
  jsonText,
  joinJsonLines,
  parseCanonicalObject,
  requireSameLine,
  splitJsonLines,
} from "../codec/canonical-json.ts";
import type { UnknownFields } from "../codec/canonical-json.ts";
import { displayPath, type RepoPath } from "../core/repo-path.ts";
import { encodeByteStringField } from "./byte-string-field.ts";
import { readPathField } from "./entry-line.ts";
import { ManifestError, refusing } from "./errors.ts";
import { FieldReader } from "./field-reader.ts";

/** Most entries of a chunk. */
export const MAX_CHUNK_ENTRIES = 4000;
/** Longest chunk: 4,000 entries with three paths of Linux' PATH_MAX (4,096) in base64 each, and no more. */
export const MAX_CHUNK_BYTES: number = 64 * 2 ** 20;

/** One line of the manifest index: names a chunk by its uncompressed bytes. */
export interface ChunkRef {
  readonly sha256: string;
  readonly lengthBytes: number;
  readonly firstPath: RepoPath;
  readonly entryCount: number;
  readonly unknown?: UnknownFields;
}

/** Uncompressed bytes of the index; none for the empty manifest. */
export function encodeIndex(refs: Iterable<ChunkRef>): Uint8Array {
  return joinJsonLines(encodeRefs(refs));
}

function* encodeRefs(refs: Iterable<ChunkRef>): Generator<string> {
  for (const ref of refs) yield encodeRef(ref);
}

function encodeRef(ref: ChunkRef): string {
  const first = encodeByteStringField("first", ref.firstPath);
  let line = `{"sha256":"${ref.sha256}","length":${ref.lengthBytes},${first},"count":${ref.entryCount}`;
  for (const [key, value] of ref.unknown ?? []) line += `,${jsonText(key)}:${jsonText(value)}`;
  return `${line}}`;
}

/** @throws ManifestError `bad-index` for a malformed line, `bad-order` if first paths do not ascend, `bad-entry` for an unsafe path */
export function parseIndex(bytes: Uint8Array): ChunkRef[] {
  return refusing("bad-index", "manifest index", () => {
    const refs: ChunkRef[] = [];
    for (const line of splitJsonLines(bytes)) {
      const ref = parseRef(line);
      const last = refs.at(-1)?.firstPath;
      if (last !== undefined && ref.firstPath <= last) {
        throw new ManifestError("bad-order", `manifest index: "${displayPath(ref.firstPath)}" is not in path order`);
      }
      refs.push(ref);
    }
    return refs;
  });
}

function parseRef(line: string): ChunkRef {
  const fields = parseCanonicalObject(line);
  const reader = new FieldReader(fields, "bad-index", "manifest index");
  const sha256 = reader.sha256("sha256");
  const lengthBytes = reader.integer("length", 1, MAX_CHUNK_BYTES);
  const firstPath = readPathField(fields, "first");
  reader.skip("first", "firstBase64");
  const entryCount = reader.integer("count", 1, MAX_CHUNK_ENTRIES);
  const ref: ChunkRef = { sha256, lengthBytes, firstPath, entryCount, ...reader.unknown() };
  requireSameLine(line, encodeRef(ref));
  return ref;
}
