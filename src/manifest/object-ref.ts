import { hash } from "node:crypto";
import { encodeCanonicalObject, jsonText, type UnknownFields } from "../codec/canonical-json.ts";
import { ManifestError } from "./errors.ts";
import type { FieldReader } from "./field-reader.ts";

/** Names a chunk, index, change list, bundle list or content table by its uncompressed bytes. */
export interface ObjectRef {
  /** 64 lower-case hex digits. */
  readonly sha256: string;
  readonly lengthBytes: number;
  readonly unknown?: UnknownFields;
}

export function objectRefOf(bytes: Uint8Array): ObjectRef {
  return { sha256: hash("sha256", bytes, "hex"), lengthBytes: bytes.length };
}

/** @throws ManifestError `hash-mismatch` unless `bytes` are the ones `ref` names */
export function verifyObject(ref: ObjectRef, bytes: Uint8Array): void {
  if (bytes.length !== ref.lengthBytes) {
    throw new ManifestError(
      "hash-mismatch",
      `object ${ref.sha256}: expected ${ref.lengthBytes} bytes, got ${bytes.length}`,
    );
  }
  const sha256 = hash("sha256", bytes, "hex");
  if (sha256 !== ref.sha256) {
    throw new ManifestError("hash-mismatch", `object ${ref.sha256}: expected that SHA-256, got ${sha256}`);
  }
}

/** `{"sha256":…,"length":…}`, with keys of the surrounding format before them. */
export function encodeObjectRef(
  ref: ObjectRef,
  before: readonly (readonly [string, string | undefined])[] = [],
): string {
  const known = [...before, ["sha256", jsonText(ref.sha256)], ["length", jsonText(ref.lengthBytes)]] as const;
  return encodeCanonicalObject(known, ref.unknown);
}

/** Ask `reader` for the keys before these first: the rest becomes `unknown`. */
export function readObjectRef(reader: FieldReader): ObjectRef {
  const sha256 = reader.sha256("sha256");
  const lengthBytes = reader.integer("length", 0);
  return { sha256, lengthBytes, ...reader.unknown() };
}
