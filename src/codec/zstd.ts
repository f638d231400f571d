import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { CodecError } from "./errors.ts";

/** A frame that needs more than 8 MiB of history is refused: zstd's own limit is 128 MiB, a stranger's to choose. */
const MAX_WINDOW_LOG = 23;

/** One zstd frame (RFC 8878) at the default level. */
export function compressZstd(bytes: Uint8Array): Uint8Array {
  return zstdCompressSync(bytes);
}

/**
 * Unpacks one frame of known content length, so that a bomb ends at that length. Whether the bytes are the right ones
 * is for their hash to say.
 *
 * @throws CodecError `bad-zstd` if it is no frame, is cut off, or holds another number of bytes
 */
export function decompressZstd(frame: Uint8Array, expectedLengthBytes: number): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = zstdDecompressSync(frame, {
      maxOutputLength: Math.max(1, expectedLengthBytes),
      params: { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG },
    });
  } catch (cause) {
    throw new CodecError("bad-zstd", `expected a zstd frame of ${expectedLengthBytes} bytes, got other bytes`, {
      cause,
    });
  }
  if (bytes.length !== expectedLengthBytes) {
    throw new CodecError("bad-zstd", `expected a zstd frame of ${expectedLengthBytes} bytes, got ${bytes.length}`);
  }
  return bytes;
}
