import { crc32 } from "node:zlib";
import { deflate, type DeflateSettings } from "./deflate-stream.ts";
import { slicesOf, type ReadableBytes } from "./gunzip.ts";
import { encodeGzipTrailer } from "./gzip-header.ts";

/** How one member of a gzip file is made again from what it unpacks to. */
export interface MemberRecipe {
  /** Verbatim. */
  readonly header: Uint8Array;
  /** Of what it unpacks to. */
  readonly lengthBytes: number;
  readonly settings: DeflateSettings;
}

/**
 * The gzip file whose members unpack to `inner`, one after the other. The bytes depend on the zlib at work: whoever uses
 * them compares their hash.
 */
export async function* makeGzip(
  recipe: readonly MemberRecipe[],
  inner: ReadableBytes,
): AsyncGenerator<Uint8Array, void> {
  let start = 0;
  for (const { header, lengthBytes, settings } of recipe) {
    yield header;
    const checksum = { crc32: 0 };
    const source = slicesOf(inner, { start, end: start + lengthBytes });
    yield* deflate(summed(source, checksum), settings);
    yield encodeGzipTrailer(checksum.crc32, lengthBytes);
    start += lengthBytes;
  }
}

async function* summed(
  source: AsyncIterable<Uint8Array>,
  checksum: { crc32: number },
): AsyncGenerator<Uint8Array, void> {
  for await (const bytes of source) {
    checksum.crc32 = crc32(bytes, checksum.crc32);
    yield bytes;
  }
}
