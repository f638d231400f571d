import type { ByteRange } from "../core/byte-range.ts";
import { contentIdOf, type ContentId } from "../core/content-id.ts";
import { ManifestError } from "./errors.ts";

/*
 * One file with a record per content: block signatures, sketches. Numbers big-endian:
 *
 *    0  4  "PRCR"
 *    4  4  format, 1
 *    8  8  number of records n
 *   16     n times: 32 bytes SHA-256 of the content, 4 bytes length of its record
 *          the records, in the same order and with nothing between them
 *
 * Where a record lies follows from the lengths before it, so an index can't name bytes outside the file or twice.
 */
export const RECORDS_HEADER_BYTES = 16;
const MAGIC = 0x50524352; // "PRCR"
const FORMAT = 1;
const INDEX_ENTRY_BYTES = 36;

/** Names a record and tells its length. */
export interface ContentRecord {
  readonly content: ContentId;
  readonly lengthBytes: number;
}

/** Header and index of a file with these records; the records themselves follow it in this order. */
export function encodeRecordsIndex(records: readonly ContentRecord[]): Uint8Array {
  const bytes = Buffer.alloc(RECORDS_HEADER_BYTES + records.length * INDEX_ENTRY_BYTES);
  bytes.writeUInt32BE(MAGIC, 0);
  bytes.writeUInt32BE(FORMAT, 4);
  bytes.writeBigUInt64BE(BigInt(records.length), 8);
  records.forEach(({ content, lengthBytes }, position) => {
    const start = RECORDS_HEADER_BYTES + position * INDEX_ENTRY_BYTES;
    bytes.write(content, start, 32, "hex");
    bytes.writeUInt32BE(lengthBytes, start + 32);
  });
  return bytes;
}

/**
 * Bytes that header and index take.
 *
 * @param header at least the first 16 bytes of the file
 * @throws ManifestError `bad-records` for another format, or if they don't fit into the file
 */
export function recordsIndexLength(header: Uint8Array, fileLengthBytes: number): number {
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  if (view.byteLength < RECORDS_HEADER_BYTES || view.getUint32(0) !== MAGIC) fail("expected content records");
  if (view.getUint32(4) !== FORMAT) fail(`expected format ${FORMAT}, got ${view.getUint32(4)}`);
  const count = Number(view.getBigUint64(8));
  const length = RECORDS_HEADER_BYTES + count * INDEX_ENTRY_BYTES;
  if (length > fileLengthBytes) fail(`${count} records do not fit into a file of ${fileLengthBytes} bytes`);
  return length;
}

/**
 * Where the records of some contents lie in the file; contents without one are left out. Holds nothing of the others:
 * a file may have a million records.
 *
 * @param index exactly header and index
 * @throws ManifestError `bad-records` unless the records end where the file does, or for a wanted content that is there twice
 */
export function findRecords(
  index: Uint8Array,
  fileLengthBytes: number,
  wanted: ReadonlySet<ContentId>,
): Map<ContentId, ByteRange> {
  const indexLength = recordsIndexLength(index, fileLengthBytes);
  if (index.length !== indexLength) fail(`expected an index of ${indexLength} bytes, got ${index.length}`);
  const view = new DataView(index.buffer, index.byteOffset, index.byteLength);
  const found = new Map<ContentId, ByteRange>();
  let start = indexLength;
  for (let offset = RECORDS_HEADER_BYTES; offset < indexLength; offset += INDEX_ENTRY_BYTES) {
    const end = start + view.getUint32(offset + 32);
    if (end > fileLengthBytes) fail(`a record ends at ${end} of ${fileLengthBytes} bytes`);
    const content = contentIdOf(index.subarray(offset, offset + 32));
    if (wanted.has(content)) {
      if (found.has(content)) fail(`content ${content} is there twice`);
      found.set(content, { start, end });
    }
    start = end;
  }
  if (start !== fileLengthBytes) fail(`the records end at ${start} of ${fileLengthBytes} bytes`);
  return found;
}

function fail(problem: string): never {
  throw new ManifestError("bad-records", `content records: ${problem}`);
}
