import { blockCountOf, isBlockLength, MAX_BLOCK_LENGTH, MIN_BLOCK_LENGTH } from "./block-length.ts";
import { DeltaError } from "./errors.ts";
import { WEAK_SUM_NAME } from "./weak-sum.ts";

/*
 * Layout, numbers big-endian:
 *
 *   0  4  "PRSG"
 *   4  1  format, 1
 *   5  1  k, bytes kept of each strong sum, 2…8
 *   6  4  block length in bytes
 *  10  8  content length in bytes
 *  18 14  name of the weak sum, ASCII, padded with NUL
 *  32     per block in order, the last short one included: 4 bytes weak sum, first k bytes of xxHash64 (canonical form)
 */
export const SIGNATURE_HEADER_LENGTH = 32;
export const SIGNATURE_FORMAT = 1;
export const SIGNATURE_MAGIC = 0x50525347; // "PRSG"
export const WEAK_NAME_OFFSET = 18;
export const WEAK_LENGTH = 4;

const MIN_STRONG_LENGTH = 2;
const MAX_STRONG_LENGTH = 8;

/** A content's block sums as the search wants them. A hint only: whoever uses a match checks the bytes afterwards. */
export interface BlockSignature {
  readonly contentLength: number;
  readonly blockLength: number;
  readonly blockCount: number;
  /** k: how many bytes of the strong sums are kept. */
  readonly strongLength: number;
  /** Per block. */
  readonly weak: Uint32Array;
  /** Per block, the first four bytes of the strong sum; bytes beyond k are zero. */
  readonly strongHigh: Uint32Array;
  /** Per block, its last four bytes; bytes beyond k are zero. */
  readonly strongLow: Uint32Array;
}

/** What a reader is ready to hold. */
export interface SignatureCaps {
  readonly maxBlockLength: number;
  readonly maxBlockCount: number;
}

/** 2²⁰ blocks are 128 GiB at the longest block √size gives, and 60 MB of memory for the search. */
export const SIGNATURE_CAPS: SignatureCaps = { maxBlockLength: MAX_BLOCK_LENGTH, maxBlockCount: 2 ** 20 };

/**
 * k = ⌈(log₂ size + log₂ blocks − 12) / 8⌉ within 2…8: size·blocks comparisons against 32 + 8k bits leave a false match
 * in one search of 2²⁰.
 */
export function strongLengthFor(contentLength: number, blockLength: number): number {
  const bits = Math.log2(contentLength) + Math.log2(blockCountOf(contentLength, blockLength)) - 12;
  return Math.min(MAX_STRONG_LENGTH, Math.max(MIN_STRONG_LENGTH, Math.ceil(bits / 8)));
}

/** True for a k that the format allows. */
export function isStrongLength(length: number): boolean {
  return Number.isInteger(length) && length >= MIN_STRONG_LENGTH && length <= MAX_STRONG_LENGTH;
}

/** Exact length in bytes of the signature of a content, so that a download can be capped before it starts. */
export function signatureByteLength(
  contentLength: number,
  blockLength: number,
  strongLength: number = strongLengthFor(contentLength, blockLength),
): number {
  return SIGNATURE_HEADER_LENGTH + blockCountOf(contentLength, blockLength) * (WEAK_LENGTH + strongLength);
}

/** Most bytes a signature of a content can have that {@link parseSignature} takes, before its block length was seen. */
export function maxSignatureByteLength(contentLength: number): number {
  const mostBlocks = Math.min(blockCountOf(contentLength, MIN_BLOCK_LENGTH), SIGNATURE_CAPS.maxBlockCount);
  return SIGNATURE_HEADER_LENGTH + mostBlocks * (WEAK_LENGTH + MAX_STRONG_LENGTH);
}

/**
 * Reads a signature from outside. Nothing is allocated from a number in it before the length of `bytes` confirmed it.
 * @param expectedContentLength from the signed manifest
 * @throws DeltaError `unknown-signature` for another format or weak sum, `bad-signature` for anything else wrong
 */
export function parseSignature(
  bytes: Uint8Array,
  expectedContentLength: number,
  caps: SignatureCaps = SIGNATURE_CAPS,
): BlockSignature {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = parseHeader(view, caps);
  if (header.contentLength !== expectedContentLength) {
    throw bad(`expected the signature of ${expectedContentLength} bytes, got one of ${header.contentLength}`);
  }
  const blockCount = blockCountOf(header.contentLength, header.blockLength);
  if (blockCount > caps.maxBlockCount) {
    throw bad(`expected at most ${caps.maxBlockCount} blocks, got ${blockCount}`);
  }
  const expected = signatureByteLength(header.contentLength, header.blockLength, header.strongLength);
  if (bytes.length !== expected) throw bad(`expected ${expected} bytes of signature, got ${bytes.length}`);
  return { ...header, blockCount, ...readSums(bytes, view, { blockCount, strongLength: header.strongLength }) };
}

interface Header {
  readonly contentLength: number;
  readonly blockLength: number;
  readonly strongLength: number;
}

function parseHeader(view: DataView, caps: SignatureCaps): Header {
  if (view.byteLength < SIGNATURE_HEADER_LENGTH) {
    throw bad(`expected at least ${SIGNATURE_HEADER_LENGTH} bytes of signature, got ${view.byteLength}`);
  }
  if (view.getUint32(0) !== SIGNATURE_MAGIC) throw bad("expected a block signature, got something else");
  const format = view.getUint8(4);
  const weakName = readWeakName(view);
  if (format !== SIGNATURE_FORMAT || weakName !== WEAK_SUM_NAME) {
    throw new DeltaError(
      "unknown-signature",
      `expected a block signature of format ${SIGNATURE_FORMAT} with ${WEAK_SUM_NAME}, got ${format} with ${JSON.stringify(weakName)}`,
    );
  }
  const strongLength = view.getUint8(5);
  const blockLength = view.getUint32(6);
  const contentLength = view.getUint32(10) * 2 ** 32 + view.getUint32(14);
  if (!isStrongLength(strongLength)) throw bad(`expected 2 to 8 bytes per strong sum, got ${strongLength}`);
  if (!isBlockLength(blockLength) || blockLength > caps.maxBlockLength) {
    throw bad(`expected a block length from ${MIN_BLOCK_LENGTH} to ${caps.maxBlockLength}, got ${blockLength}`);
  }
  return { contentLength, blockLength, strongLength };
}

function readWeakName(view: DataView): string {
  let name = "";
  for (let i = WEAK_NAME_OFFSET; i < SIGNATURE_HEADER_LENGTH; i++) name += String.fromCharCode(view.getUint8(i));
  return name.replace(/\0+$/, "");
}

type Sums = Pick<BlockSignature, "weak" | "strongHigh" | "strongLow">;

function readSums(
  bytes: Uint8Array,
  view: DataView,
  { blockCount, strongLength }: { readonly blockCount: number; readonly strongLength: number },
): Sums {
  const weak = new Uint32Array(blockCount);
  const strongHigh = new Uint32Array(blockCount);
  const strongLow = new Uint32Array(blockCount);
  const lanes = new DataView(new ArrayBuffer(8));
  let offset = SIGNATURE_HEADER_LENGTH;
  for (let block = 0; block < blockCount; block++) {
    weak[block] = view.getUint32(offset);
    offset += WEAK_LENGTH;
    for (let i = 0; i < strongLength; i++) lanes.setUint8(i, bytes[offset + i]!);
    strongHigh[block] = lanes.getUint32(0);
    strongLow[block] = lanes.getUint32(4);
    offset += strongLength;
  }
  return { weak, strongHigh, strongLow };
}

function bad(message: string): DeltaError {
  return new DeltaError("bad-signature", message);
}
