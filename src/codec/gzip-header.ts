import { CodecError } from "./errors.ts";

/*
 * A gzip file is one or more members after each other (RFC 1952, 2.2). A member: 1f 8b, 8 (deflate), flags, 4 bytes mtime,
 * XFL, OS; then as the flags say extra field (2 bytes length, data), name and comment (each ended by NUL), CRC-16 of the
 * header; then the deflate stream; then CRC-32 and length modulo 2³² of what it unpacks to. All numbers little-endian.
 */
const MAGIC = [0x1f, 0x8b, 8] as const;
const FIXED_LENGTH = 10;
const FLAG = { headerCrc: 2, extra: 4, name: 8, comment: 16, reserved: 0xe0 } as const;
const FLAGS_OFFSET = 3;
const XFL_OFFSET = 8;

export const GZIP_TRAILER_LENGTH = 8;
/** Longer headers are not understood: they would be carried along with the settings, and nothing in use writes any. */
export const MAX_GZIP_HEADER_LENGTH = 1024;

/** The header of a member, kept as it is: mtime, name and operating system come back bit for bit. */
export interface GzipHeader {
  readonly bytes: Uint8Array;
  /** XFL: 2 says "slowest", 4 "fastest", as far as the writer is honest. */
  readonly extraFlags: number;
}

/** True if bytes begin like a gzip member. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes.length >= FIXED_LENGTH && MAGIC.every((byte, i) => bytes[i] === byte);
}

/**
 * Reads the header at the beginning of `bytes`, of which {@link MAX_GZIP_HEADER_LENGTH} are enough.
 * @throws CodecError `bad-gzip` if it is none, is cut off, too long, or has flags that RFC 1952 reserves
 */
export function parseGzipHeader(bytes: Uint8Array): GzipHeader {
  if (!isGzip(bytes)) throw bad("expected the header of a gzip member, got other bytes");
  const flags = bytes[FLAGS_OFFSET]!;
  if ((flags & FLAG.reserved) !== 0) throw bad(`expected flags of RFC 1952, got ${flags}`);
  let end = FIXED_LENGTH;
  if ((flags & FLAG.extra) !== 0) end += 2 + bytes[end]! + 256 * bytes[end + 1]!;
  if ((flags & FLAG.name) !== 0) end = afterNul(bytes, end);
  if ((flags & FLAG.comment) !== 0) end = afterNul(bytes, end);
  if ((flags & FLAG.headerCrc) !== 0) end += 2;
  // Also what comes of bytes that are not there: NaN.
  if (!(end <= Math.min(bytes.length, MAX_GZIP_HEADER_LENGTH))) {
    throw bad(`expected a gzip header of at most ${MAX_GZIP_HEADER_LENGTH} bytes, got a longer one`);
  }
  return { bytes: bytes.slice(0, end), extraFlags: bytes[XFL_OFFSET]! };
}

function afterNul(bytes: Uint8Array, start: number): number {
  const nul = bytes.indexOf(0, start);
  return nul < start ? NaN : nul + 1;
}

/** @param lengthBytes of what the member unpacks to */
export function encodeGzipTrailer(crc32: number, lengthBytes: number): Uint8Array {
  const trailer = Buffer.alloc(GZIP_TRAILER_LENGTH);
  trailer.writeUInt32LE(crc32 >>> 0, 0);
  trailer.writeUInt32LE(lengthBytes % 2 ** 32, 4);
  return trailer;
}

function bad(message: string): CodecError {
  return new CodecError("bad-gzip", message);
}
