import { pipeline } from "node:stream";
import { createDeflateRaw, createInflateRaw } from "node:zlib";

/** What names the work of zlib's deflate; window of 32 KiB and strategy are always the default. */
export interface DeflateSettings {
  /** 1…9 */
  readonly level: number;
  /** 1…9: size of hash table and of a block's symbols. */
  readonly memLevel: number;
}

/** Bytes per step: enough that the trips to zlib's threads cost nothing. */
const CHUNK_BYTES = 128 * 1024;

/** A deflate stream (RFC 1951) of `source`. zlib works in its own threads; how the source is cut changes nothing. */
export async function* deflate(
  source: AsyncIterable<Uint8Array>,
  settings: DeflateSettings,
): AsyncGenerator<Uint8Array, void> {
  yield* through(source, createDeflateRaw({ ...settings, chunkSize: CHUNK_BYTES }));
}

/** One deflate stream being unpacked; what follows it in the source is left alone. */
export class Inflation {
  readonly #inflate = createInflateRaw({ chunkSize: CHUNK_BYTES });

  /** Bytes of the deflate stream, once all was unpacked. */
  get compressedBytes(): number {
    return this.#inflate.bytesWritten;
  }

  /** @throws Error of zlib for anything else than a whole deflate stream */
  async *unpack(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
    yield* through(source, this.#inflate);
  }
}

type ZlibStream = ReturnType<typeof createDeflateRaw> | ReturnType<typeof createInflateRaw>;

async function* through(source: AsyncIterable<Uint8Array>, zlib: ZlibStream): AsyncGenerator<Uint8Array, void> {
  // Errors of the source and of zlib come out of the iteration; this one is called for both.
  pipeline(source, zlib, () => undefined);
  yield* zlib as AsyncIterable<Uint8Array>;
}
