import type { BlockSignature } from "./signature.ts";

/**
 * Walks per look-up are bounded by this: further blocks that share a bucket are left out of the table, so that a
 * signature made of colliding sums costs matches, not hours. By chance a bucket holds 16 once in 10¹³.
 */
const MAX_BUCKET_LENGTH = 16;
const FILTER_BYTES_PER_BLOCK_LOG2 = 1;
const MIN_FILTER_LOG2 = 9;
const GOLDEN_RATIO = 0x9e3779b1; // Fibonacci hashing spreads the sum's weak low bits

/** No block. */
export const NO_BLOCK = -1;

/**
 * The full blocks of a signature by their sums, in flat typed arrays, so that another kernel can read them as they lie.
 * Blocks with equal weak and strong sums are one group, named by its first block, its *leader*; the buckets chain
 * leaders. The trailing short block is in no bucket.
 */
export interface SignatureIndex {
  /** With h = imul(w, 0x9E3779B1): bit h & 7 of byte h >>> {@link filterShift} is set if weak sum w may be there. */
  readonly filter: Uint8Array;
  readonly filterShift: number;
  /** First leader of bucket imul(w, 0x9E3779B1) >>> {@link bucketShift}, or −1. */
  readonly bucketHead: Int32Array;
  readonly bucketShift: number;
  /** Per leader: the next one in its bucket, or −1. */
  readonly bucketNext: Int32Array;
  /** Per block: the leader of its group. */
  readonly leader: Int32Array;
  /** Per block: the next of its group, or −1. */
  readonly groupNext: Int32Array;
  readonly weak: Uint32Array;
}

/** How a weak sum is spread over filter and buckets; signed, shift it right without sign. */
export function spreadWeakSum(weak: number): number {
  return Math.imul(weak, GOLDEN_RATIO);
}

/** Linear in the number of blocks, whatever the sums are. */
export function indexSignature(signature: BlockSignature): SignatureIndex {
  const { blockCount, weak } = signature;
  const bucketLog2 = Math.max(1, Math.ceil(Math.log2(blockCount + 1)) + 1);
  const filterLog2 = Math.max(MIN_FILTER_LOG2, bucketLog2 - 1 + FILTER_BYTES_PER_BLOCK_LOG2);
  const index: SignatureIndex = {
    filter: new Uint8Array(2 ** filterLog2),
    filterShift: 32 - filterLog2,
    bucketHead: new Int32Array(2 ** bucketLog2).fill(NO_BLOCK),
    bucketShift: 32 - bucketLog2,
    bucketNext: new Int32Array(blockCount).fill(NO_BLOCK),
    leader: new Int32Array(blockCount),
    groupNext: new Int32Array(blockCount).fill(NO_BLOCK),
    weak,
  };
  const lastOfGroup = new Int32Array(blockCount).fill(NO_BLOCK);
  for (let block = 0; block < blockCount; block++) insert(index, signature, { block, lastOfGroup });
  return index;
}

function insert(
  index: SignatureIndex,
  signature: BlockSignature,
  { block, lastOfGroup }: { readonly block: number; readonly lastOfGroup: Int32Array },
): void {
  index.leader[block] = block;
  lastOfGroup[block] = block;
  const isShort = (block + 1) * signature.blockLength > signature.contentLength;
  if (isShort) return;
  const spread = spreadWeakSum(signature.weak[block]!);
  const bucket = spread >>> index.bucketShift;
  let length = 0;
  for (let other = index.bucketHead[bucket]!; other !== NO_BLOCK; other = index.bucketNext[other]!) {
    if (haveEqualSums(signature, other, block)) {
      index.leader[block] = other;
      index.groupNext[lastOfGroup[other]!] = block;
      lastOfGroup[other] = block;
      return;
    }
    length++;
  }
  if (length >= MAX_BUCKET_LENGTH) return;
  index.bucketNext[block] = index.bucketHead[bucket]!;
  index.bucketHead[bucket] = block;
  index.filter[spread >>> index.filterShift]! |= 1 << (spread & 7);
}

function haveEqualSums(signature: BlockSignature, one: number, other: number): boolean {
  return (
    signature.weak[one] === signature.weak[other] &&
    signature.strongHigh[one] === signature.strongHigh[other] &&
    signature.strongLow[one] === signature.strongLow[other]
  );
}
