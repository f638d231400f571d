import { crc32 } from "node:zlib";
import { PrsyncError } from "../core/errors.ts";
import { Inflation } from "./deflate-stream.ts";
import { CodecError } from "./errors.ts";
import {
  encodeGzipTrailer,
  GZIP_TRAILER_LENGTH,
  MAX_GZIP_HEADER_LENGTH,
  parseGzipHeader,
  type GzipHeader,
} from "./gzip-header.ts";

/** Random access to bytes that may come from disk. `read` gives fewer bytes than asked for only at the end. */
export interface ReadableBytes {
  readonly lengthBytes: number;
  read(offset: number, length: number): Promise<Uint8Array>;
}

const READ_BYTES = 256 * 1024;

/** More are not unpacked: each costs a stream of its own, however small it is. */
export const MAX_GZIP_MEMBERS = 64;

/** Bytes [start, end) in slices. Ends early where `bytes` do. */
export async function* slicesOf(
  bytes: ReadableBytes,
  range: { readonly start: number; readonly end: number },
): AsyncGenerator<Uint8Array, void> {
  for (let { start } = range; start < range.end;) {
    const slice = await bytes.read(start, Math.min(READ_BYTES, range.end - start));
    if (slice.length === 0) return;
    yield slice;
    start += slice.length;
  }
}

/** One member of a gzip file, to be unpacked once. What {@link unpack} found out is there after its end. */
export class GzipMember {
  readonly header: GzipHeader;
  readonly #file: ReadableBytes;
  readonly #start: number;
  readonly #inflation = new Inflation();
  #lengthBytes = 0;
  #crc32 = 0;

  private constructor(file: ReadableBytes, start: number, header: GzipHeader) {
    this.#file = file;
    this.#start = start;
    this.header = header;
  }

  /** @throws CodecError `bad-gzip` if no member begins at `start`; errors of reading */
  static async open(file: ReadableBytes, start: number): Promise<GzipMember> {
    return new GzipMember(file, start, parseGzipHeader(await file.read(start, MAX_GZIP_HEADER_LENGTH)));
  }

  /** Where its deflate stream begins in the file. */
  get deflateStart(): number {
    return this.#start + this.header.bytes.length;
  }

  /** Of what it unpacks to. */
  get lengthBytes(): number {
    return this.#lengthBytes;
  }

  /** Of its deflate stream. */
  get deflateBytes(): number {
    return this.#inflation.compressedBytes;
  }

  /** Where the next member begins. */
  get end(): number {
    return this.deflateStart + this.deflateBytes + GZIP_TRAILER_LENGTH;
  }

  /**
   * What is in it, then its trailer is checked.
   * @param maxBytes a bomb ends here
   * @throws CodecError `bad-gzip`, `gzip-too-long`; errors of reading
   */
  async *unpack(maxBytes: number): AsyncGenerator<Uint8Array, void> {
    const source = slicesOf(this.#file, { start: this.deflateStart, end: this.#file.lengthBytes });
    try {
      for await (const bytes of this.#inflation.unpack(source)) {
        this.#lengthBytes += bytes.length;
        if (this.#lengthBytes > maxBytes) {
          throw new CodecError("gzip-too-long", `a gzip file holds more than the ${maxBytes} bytes allowed`);
        }
        this.#crc32 = crc32(bytes, this.#crc32);
        yield bytes;
      }
    } catch (error) {
      throw isZlibError(error) ? new CodecError("bad-gzip", "a deflate stream is damaged", { cause: error }) : error;
    }
    const trailer = await this.#file.read(this.deflateStart + this.deflateBytes, GZIP_TRAILER_LENGTH);
    if (Buffer.compare(trailer, encodeGzipTrailer(this.#crc32, this.#lengthBytes)) === 0) return;
    throw new CodecError("bad-gzip", "the trailer of a gzip member does not fit what it holds");
  }
}

/** What zlib says of bytes it can't unpack; anything else comes from reading. */
function isZlibError(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof PrsyncError) return false;
  return "code" in error && typeof error.code === "string" && error.code.startsWith("Z_");
}

/**
 * All members of a gzip file one after the other. They must fill it: bytes after the last one are no member.
 * @throws CodecError `bad-gzip`, `gzip-too-long`; errors of reading
 */
export async function* gunzip(file: ReadableBytes, maxBytes: number): AsyncGenerator<Uint8Array, void> {
  let unpacked = 0;
  let members = 0;
  for (let start = 0; start < file.lengthBytes;) {
    if (++members > MAX_GZIP_MEMBERS) throw new CodecError("bad-gzip", "a gzip file has too many members");
    const member = await GzipMember.open(file, start);
    yield* member.unpack(maxBytes - unpacked);
    unpacked += member.lengthBytes;
    start = member.end;
  }
}
