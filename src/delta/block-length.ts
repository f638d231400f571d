import { DeltaError } from "./errors.ts";

/** "sqrt" as rsync does, or a length in bytes for every content (`--delta-size`). */
export type DeltaSize = "sqrt" | number;

/** Below this a content has no signature: fetching it costs little more than the signature and the round trip. */
export const MIN_SIGNED_LENGTH: number = 16 * 1024;

const SQRT_MIN = 700; // rsync's BLOCK_SIZE
const SQRT_MAX = 131_072; // rsync's MAX_BLOCK_SIZE since protocol 30

/** Smallest block length a format or an option may name: below, the signature exceeds 5 % of the content. */
export const MIN_BLOCK_LENGTH = 256;
/** Largest block length a format or an option may name: the search holds four blocks in memory. */
export const MAX_BLOCK_LENGTH: number = 1024 * 1024;

/** True if a content of this many bytes gets a block signature. */
export function isSigned(sizeBytes: number): boolean {
  return sizeBytes >= MIN_SIGNED_LENGTH;
}

/**
 * Length in bytes of the signature's blocks: √size rounded up to 8, within 700…131,072 (rsync's rule, rsync.h and
 * generator.c, which rounds down), or the explicit one.
 * @throws DeltaError `bad-block-length` for an explicit length outside 256 B…1 MiB
 */
export function blockLengthFor(sizeBytes: number, size: DeltaSize): number {
  if (size === "sqrt") {
    const rounded = Math.ceil(Math.sqrt(sizeBytes) / 8) * 8;
    return Math.min(SQRT_MAX, Math.max(SQRT_MIN, rounded));
  }
  if (!isBlockLength(size)) {
    throw new DeltaError(
      "bad-block-length",
      `expected a delta size from ${MIN_BLOCK_LENGTH} to ${MAX_BLOCK_LENGTH} bytes, got ${size}`,
    );
  }
  return size;
}

/** True for a whole number of bytes within the limits of the format. */
export function isBlockLength(length: number): boolean {
  return Number.isInteger(length) && length >= MIN_BLOCK_LENGTH && length <= MAX_BLOCK_LENGTH;
}

/** How many blocks a content has; the last may be short. */
export function blockCountOf(contentLength: number, blockLength: number): number {
  return Math.ceil(contentLength / blockLength);
}
