import { MAX_BUNDLE_CONTENTS } from "../core/bundle-layout.ts";
import { EMPTY_CONTENT, contentIdOf, type ContentId } from "../core/content-id.ts";
import { ManifestError } from "./errors.ts";

/** Bytes per content: 32 of SHA-256, 8 of length, big-endian (docs/protocol.md, "Content table"). */
export const RECORD_BYTES = 40;
const DIGEST_BYTES = 32;

/** A content of a bundle; its place in the table is its ordinal in the bundle. */
export interface TableContent {
  readonly content: ContentId;
  /** At least 1. */
  readonly lengthBytes: number;
}

/** The contents of one bundle, as the records of the format: as objects they take five times the memory, and a mirror uses several tables at once. */
export class ContentTable implements Iterable<TableContent> {
  readonly #records: Buffer;

  /** @param records whole ones, {@link RECORD_BYTES} each; kept, not copied */
  private constructor(records: Buffer) {
    this.#records = records;
  }

  /** @param contents as many, in their order; SHA-256 as 32 bytes */
  static of(
    count: number,
    contents: Iterable<{ readonly digest: Uint8Array; readonly lengthBytes: number }>,
  ): ContentTable {
    const records = Buffer.alloc(count * RECORD_BYTES);
    let ordinal = 0;
    for (const { digest, lengthBytes } of contents) {
      records.set(digest, ordinal * RECORD_BYTES);
      writeLength(records, ordinal++, lengthBytes);
    }
    return new ContentTable(records);
  }

  /** @throws ManifestError `bad-content-table` for an odd size, no content, too many, an empty one, or one twice */
  static parse(bytes: Uint8Array): ContentTable {
    const records = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const count = records.length / RECORD_BYTES;
    if (!Number.isInteger(count) || count < 1 || count > MAX_BUNDLE_CONTENTS) {
      fail(`expected 1 to ${MAX_BUNDLE_CONTENTS} records of ${RECORD_BYTES} bytes, got ${records.length} bytes`);
    }
    const table = new ContentTable(records);
    const seen = new Set<ContentId>([EMPTY_CONTENT]);
    for (let ordinal = 0; ordinal < count; ordinal++) {
      const lengthBytes = table.lengthBytes(ordinal);
      if (!Number.isSafeInteger(lengthBytes) || lengthBytes < 1) fail(`content ${ordinal} has length ${lengthBytes}`);
      const content = table.content(ordinal);
      if (seen.has(content)) fail(`content ${content} is empty or there twice`);
      seen.add(content);
    }
    return table;
  }

  /** How many contents. */
  get count(): number {
    return this.#records.length / RECORD_BYTES;
  }

  /** @throws RangeError beyond the last ordinal */
  content(ordinal: number): ContentId {
    const start = this.#startOf(ordinal);
    return contentIdOf(this.#records.subarray(start, start + DIGEST_BYTES));
  }

  /** @throws RangeError beyond the last ordinal */
  lengthBytes(ordinal: number): number {
    const start = this.#startOf(ordinal) + DIGEST_BYTES;
    return this.#records.readUInt32BE(start) * 2 ** 32 + this.#records.readUInt32BE(start + 4);
  }

  /** Of all contents, in their order. */
  lengths(): number[] {
    return Array.from({ length: this.count }, (_, ordinal) => this.lengthBytes(ordinal));
  }

  *[Symbol.iterator](): Generator<TableContent> {
    for (let ordinal = 0; ordinal < this.count; ordinal++) {
      yield { content: this.content(ordinal), lengthBytes: this.lengthBytes(ordinal) };
    }
  }

  #startOf(ordinal: number): number {
    if (ordinal >= 0 && ordinal < this.count) return ordinal * RECORD_BYTES;
    throw new RangeError(`content ${ordinal} of ${this.count}`);
  }
}

export function encodeContentTable(contents: readonly TableContent[]): Uint8Array {
  const bytes = Buffer.alloc(contents.length * RECORD_BYTES);
  contents.forEach(({ content, lengthBytes }, ordinal) => {
    bytes.write(content, ordinal * RECORD_BYTES, DIGEST_BYTES, "hex");
    writeLength(bytes, ordinal, lengthBytes);
  });
  return bytes;
}

function writeLength(records: Buffer, ordinal: number, lengthBytes: number): void {
  records.writeBigUInt64BE(BigInt(lengthBytes), ordinal * RECORD_BYTES + DIGEST_BYTES);
}

function fail(problem: string): never {
  throw new ManifestError("bad-content-table", `content table: ${problem}`);
}
