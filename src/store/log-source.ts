import { open } from "node:fs/promises";
import { pipeline, Readable, type Transform } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { ChunkReader } from "./chunk-reader.ts";
import { namingPath } from "./errors.ts";
import { hasZstdFrame, zstdFrame } from "./zstd-frames.ts";

const READ_BYTES = 64 * 1024;
/** Buffers that are dropped count for little when the garbage collector decides, so many small ones go sooner than a few large. */
const UNPACKED_BYTES = 32 * 1024;
const GZIP_MAGIC = 0x1f8b;

/** The bytes of a log, and how they ended. */
export interface LogSource extends AsyncIterable<Uint8Array> {
  /** Why a compressed log could not be read to its end; undefined while all is well. What came before counts. */
  damage(): string | undefined;
}

/** A file, unpacked if its first bytes are those of gzip (RFC 1952) or zstd (RFC 8878). Throws what the system says. */
export function readLog(path: string): LogSource {
  return unpacked(fileChunks(path));
}

/** The same of a stream, such as standard input. */
export function readLogStream(stream: AsyncIterable<Uint8Array>): LogSource {
  return unpacked(stream);
}

async function* fileChunks(path: string): AsyncGenerator<Uint8Array> {
  await using file = await open(path, "r");
  for (;;) {
    // A buffer of its own each time: an unpacking thread may still read the last one.
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, null).catch((error: unknown) => {
      throw namingPath(error, path);
    });
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

function unpacked(chunks: AsyncIterable<Uint8Array>): LogSource {
  let damage: string | undefined;
  async function* read(): AsyncGenerator<Uint8Array> {
    const reader = new ChunkReader(chunks);
    try {
      yield* unpack(reader);
    } catch (error) {
      if (!isDamage(error)) throw error;
      damage = error.message;
    } finally {
      await reader.close();
    }
  }
  return { [Symbol.asyncIterator]: read, damage: () => damage };
}

async function* unpack(reader: ChunkReader): AsyncGenerator<Uint8Array> {
  const head = await reader.peek(2);
  if (head.length === 2 && head.readUInt16BE(0) === GZIP_MAGIC)
    yield* through(reader.rest(), createGunzip({ chunkSize: UNPACKED_BYTES }));
  else {
    while (await hasZstdFrame(reader))
      yield* through(zstdFrame(reader), createZstdDecompress({ chunkSize: UNPACKED_BYTES }));
    // No frame at all, or what follows the last one.
    yield* reader.rest();
  }
}

/** What goes wrong comes out of the iteration, too: the callback has nothing to add. */
function through(packed: AsyncIterable<Uint8Array>, unpacker: Transform): AsyncIterable<Uint8Array> {
  return pipeline(Readable.from(packed), unpacker, () => undefined);
}

/** zlib's and zstd's own codes begin so; those of streams that are cut off, too. */
function isDamage(error: unknown): error is Error {
  return error instanceof Error && "code" in error && typeof error.code === "string" && /^Z(?:STD)?_/.test(error.code);
}
