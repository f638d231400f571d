import { MAX_BUNDLE_CONTENTS } from "../core/bundle-layout.ts";
import { EMPTY_CONTENT, contentIdOf, type ContentId } from "../core/content-id.ts";
import { ManifestError } from "./errors.ts";

/** Bytes per content: 32 of SHA-256, 8 of length, big-endian (docs/protocol.md, "Content table"). */
export const RECORD_BYTES = 40;

/** A content of a bundle; its place in the table is its ordinal in the bundle. */
export interface TableContent {
  readonly content: ContentId;
  /** At least 1. */
  readonly lengthBytes: number;
}

export function encodeContentTable(contents: readonly TableContent[]): Uint8Array {
  const bytes = Buffer.alloc(contents.length * RECORD_BYTES);
  contents.forEach(({ content, lengthBytes }, ordinal) => {
    bytes.write(content, ordinal * RECORD_BYTES, 32, "hex");
    bytes.writeBigUInt64BE(BigInt(lengthBytes), ordinal * RECORD_BYTES + 32);
  });
  return bytes;
}

/** @throws ManifestError `bad-content-table` for an odd size, no content, too many, an empty one, or one twice */
export function parseContentTable(bytes: Uint8Array): TableContent[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = buffer.length / RECORD_BYTES;
  if (!Number.isInteger(count) || count < 1 || count > MAX_BUNDLE_CONTENTS) {
    fail(`expected 1 to ${MAX_BUNDLE_CONTENTS} records of ${RECORD_BYTES} bytes, got ${buffer.length} bytes`);
  }
  const seen = new Set<ContentId>([EMPTY_CONTENT]);
  return Array.from({ length: count }, (_, ordinal) => {
    const start = ordinal * RECORD_BYTES;
    const content = contentIdOf(buffer.subarray(start, start + 32));
    const lengthBytes = Number(buffer.readBigUInt64BE(start + 32));
    if (!Number.isSafeInteger(lengthBytes) || lengthBytes < 1) fail(`content ${ordinal} has length ${lengthBytes}`);
    if (seen.has(content)) fail(`content ${content} is empty or there twice`);
    seen.add(content);
    return { content, lengthBytes };
  });
}

function fail(problem: string): never {
  throw new ManifestError("bad-content-table", `content table: ${problem}`);
}
