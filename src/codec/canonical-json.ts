import { isUtf8 } from "node:buffer";
import { CodecError } from "./errors.ts";

/** Values that canonical JSON may carry: docs/protocol.md, "Canonical JSON lines". Numbers are safe integers. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** Keys and values of one object. A Map, so that "__proto__" and "constructor" are keys like any other. */
export type JsonFields = ReadonlyMap<string, JsonValue>;

/** Keys a reader does not know with their values, ascending by UTF-16 text; kept when the object is encoded again. */
export type UnknownFields = readonly (readonly [string, JsonValue])[];

/** Objects and arrays inside each other; the outermost counts. A manifest needs 2, the rest is for unknown keys. */
export const MAX_JSON_DEPTH = 32;

/**
 * Reads one object. Whether keys stand in their order, once, and without spaces is seen by encoding the result again:
 * every format does that with {@link requireSameLine}.
 *
 * @throws CodecError `bad-json` for anything but an object of strings, safe integers, booleans, null, arrays and
 * objects, at most {@link MAX_JSON_DEPTH} deep
 */
export function parseCanonicalObject(line: string): Map<string, JsonValue> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new CodecError("bad-json", "expected a line of JSON", { cause });
  }
  checkValue(value, 1);
  const fields = nestedFields(value);
  if (fields === undefined) throw new CodecError("bad-json", "expected a JSON object, got another value");
  return fields;
}

/** The fields of an object inside a line, or undefined if the value is no object. */
export function nestedFields(value: JsonValue | undefined): Map<string, JsonValue> | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return new Map(Object.entries(value as Record<string, JsonValue>));
}

function checkValue(value: unknown, depth: number): asserts value is JsonValue {
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) throw new CodecError("bad-json", `expected safe integers, got ${value}`);
    return;
  }
  if (typeof value !== "object" || value === null) return;
  if (depth > MAX_JSON_DEPTH) throw new CodecError("bad-json", `expected at most ${MAX_JSON_DEPTH} levels, got more`);
  for (const item of Array.isArray(value) ? (value as unknown[]) : Object.values(value)) checkValue(item, depth + 1);
}

/**
 * Text of an object, without the newline.
 *
 * @param known keys in the order of their format with the text of their values ({@link jsonText}); undefined leaves out
 */
export function encodeCanonicalObject(
  known: readonly (readonly [string, string | undefined])[],
  unknown: UnknownFields = [],
): string {
  const parts: string[] = [];
  for (const [key, text] of known) if (text !== undefined) parts.push(`${jsonText(key)}:${text}`);
  for (const [key, value] of unknown) parts.push(`${jsonText(key)}:${jsonText(value)}`);
  return `{${parts.join(",")}}`;
}

/** A value as `JSON.stringify` writes it; undefined stays undefined. */
export function jsonText<Value extends JsonValue | undefined>(
  value: Value,
): Value extends undefined ? undefined : string {
  return JSON.stringify(value) as Value extends undefined ? undefined : string;
}

/** The fields whose keys are not in `known`, ascending; undefined if there are none. */
export function unknownFields(fields: JsonFields, known: ReadonlySet<string>): UnknownFields | undefined {
  let unknown: (readonly [string, JsonValue])[] | undefined;
  for (const field of fields) if (!known.has(field[0])) (unknown ??= []).push(field);
  return unknown?.sort(([a], [b]) => (a < b ? -1 : 1));
}

/** @throws CodecError `bad-json` if a line is not what its own parse encodes to */
export function requireSameLine(line: string, encoded: string): void {
  if (line === encoded) return;
  let position = 0;
  while (line[position] === encoded[position]) position++;
  throw new CodecError("bad-json", `expected canonical JSON, got another form from character ${position} on`);
}

/**
 * The lines of a document, without their newlines.
 *
 * @throws CodecError `bad-json` if it is not UTF-8 or the last line is not ended
 */
export function* splitJsonLines(bytes: Uint8Array): Generator<string> {
  if (!isUtf8(bytes)) throw new CodecError("bad-json", "expected UTF-8, got other bytes");
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let start = 0;
  while (start < buffer.length) {
    const end = buffer.indexOf(0x0a, start);
    if (end < 0) throw new CodecError("bad-json", "expected a newline after the last line, got the end");
    yield buffer.toString("utf8", start, end);
    start = end + 1;
  }
}

/** The document of these lines. Not one string: a change list may be longer than V8's longest. */
export function joinJsonLines(lines: Iterable<string>): Uint8Array {
  const parts: Buffer[] = [];
  let pending = "";
  for (const line of lines) {
    pending += `${line}\n`;
    if (pending.length < 1 << 16) continue;
    parts.push(Buffer.from(pending, "utf8"));
    pending = "";
  }
  parts.push(Buffer.from(pending, "utf8"));
  return Buffer.concat(parts);
}
