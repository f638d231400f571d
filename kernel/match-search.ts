/*
 * The rolling search in AssemblyScript: the same steps as src/delta/plain-match-search.ts, which says why each is as it is; the
 * tests compare the two. The host (src/delta/kernel-match-search.ts) lays the signature out in the memory, sets the
 * exported globals, puts windows of basis files in place and reads what was found. Nothing is allocated here.
 */
import { weakSum } from "./weak-sum";
import { xxHash64 } from "./xxhash64";

const NO_BLOCK: i32 = -1;
const UNMATCHED: i32 = -1;

export let blockLength: i32 = 0;
export let blockCount: i32 = 0;
/** Of the trailing short block, 0 if there is none. */
export let shortLength: i32 = 0;
/** Ones where the strong sum is kept. */
export let strongMask: u64 = 0;
/** 1 if the strong sum alone decides whether the expected block is there. */
export let trustsStrongSum: i32 = 0;

/** Addresses. Per block: u32 weak sums, u64 strong sums, i32 chains as in signature-index.ts. */
export let weakSums: usize = 0;
export let strongSums: usize = 0;
export let filter: usize = 0;
export let filterShift: u32 = 0;
export let bucketHead: usize = 0;
export let bucketShift: u32 = 0;
export let bucketNext: usize = 0;
export let leader: usize = 0;
export let groupNext: usize = 0;
/** What is found, per block: i32 basis or −1, f64 offset in it. */
export let basisOf: usize = 0;
export let offsetOf: usize = 0;
export let windowStart: usize = 0;

/** State of the search, between windows too. */
export let basis: i32 = 0;
export let unmatched: i32 = 0;
export let expected: i32 = 0;
export let failedBytesLeft: f64 = 0;
/** Bytes that went into strong sums. */
export let hashedBytes: f64 = 0;

/** Address whose block `lastStrongSum` is of; 0 for none. */
let summedAddress: usize = 0;
let lastStrongSum: u64 = 0;
/** Weak sum of the block where {@link roll} stopped. */
let rolledSum: u32 = 0;

/**
 * Searches the first `length` bytes of the window, which lie at `windowOffset` of the basis.
 * @returns how many bytes of the window are done with
 */
export function searchWindow(length: i32, windowOffset: f64): i32 {
  const last = length - blockLength;
  let position: i32 = 0;
  summedAddress = 0;
  tryExpectedShortBlock(0, length, windowOffset);
  while (position <= last && unmatched > 0) {
    if (!continuesAt(position)) {
      position = findNext(position, last);
      if (position > last) {
        expected = NO_BLOCK;
        break;
      }
    }
    take(expected, windowOffset + <f64>position);
    position += blockLength;
    expected++;
    tryExpectedShortBlock(position, length, windowOffset);
  }
  return position;
}

/** Tries the trailing short block on the bytes at `position`, which lie at `basisOffset`. */
export function tryShortBlock(position: i32, basisOffset: f64): void {
  const block = blockCount - 1;
  const start = windowStart + position;
  const end = start + shortLength;
  if (weakSum(start, end) != weakOf(block)) return;
  hashedBytes += shortLength;
  if ((xxHash64(start, end) & strongMask) == strongOf(block)) assign(block, basisOffset);
}

function tryExpectedShortBlock(position: i32, length: i32, windowOffset: f64): void {
  const block = blockCount - 1;
  if (shortLength == 0 || expected != block || basisAt(block) != UNMATCHED || position + shortLength > length) return;
  tryShortBlock(position, windowOffset + <f64>position);
}

function continuesAt(position: i32): bool {
  if (expected == NO_BLOCK || expected >= blockCount - i32(shortLength > 0)) return false;
  const start = windowStart + position;
  if (strongSumAt(start) != strongOf(expected)) return false;
  return trustsStrongSum != 0 || weakSum(start, start + blockLength) == weakOf(expected);
}

/** @returns the first position from `from` on where a block of the signature lies, now the expected one; else one past `last` */
function findNext(from: i32, last: i32): i32 {
  let position = from;
  let sum = weakSumAt(position);
  while (true) {
    position = roll(position, last, sum);
    if (position > last) return position;
    const found = leaderWithSums(rolledSum, windowStart + position);
    if (found != NO_BLOCK) {
      expected = found;
      return position;
    }
    failedBytesLeft -= blockLength;
    if (failedBytesLeft > 0) {
      if (position == last) return last + 1;
      sum = next(rolledSum, windowStart + position);
      position++;
    } else {
      position += blockLength;
      if (position >= last) return last + 1;
      sum = weakSumAt(position);
    }
  }
}

/** Rolls on from `position`, whose weak sum is `sum`, to the first one whose sum is indexed; one past `last` if none is. */
function roll(position: i32, last: i32, sum: u32): i32 {
  const length: u32 = blockLength;
  const filterStart = filter;
  const shift = filterShift;
  const end = windowStart + last;
  let at = windowStart + position;
  let a = sum & 0xffff;
  let b = sum >> 16;
  while (true) {
    sum = (a & 0xffff) | (b << 16);
    const spread = sum * 0x9e3779b1;
    if (((load<u8>(filterStart + (spread >> shift)) >> (spread & 7)) & 1) != 0 && isIndexed(sum, spread)) {
      rolledSum = sum;
      return <i32>(at - windowStart);
    }
    if (at == end) return last + 1;
    const leaving: u32 = load<u8>(at);
    a += <u32>load<u8>(at + length) - leaving;
    b += a - length * leaving;
    at++;
  }
}

/** The weak sum one byte after that of the block at `start`. */
function next(sum: u32, start: usize): u32 {
  const leaving: u32 = load<u8>(start);
  const a = sum + load<u8>(start + blockLength) - leaving;
  return (a & 0xffff) | (((sum >> 16) + a - <u32>blockLength * leaving) << 16);
}

function isIndexed(sum: u32, spread: u32): bool {
  let block = load<i32>(bucketHead + ((<usize>(spread >> bucketShift)) << 2));
  while (block != NO_BLOCK && weakOf(block) != sum) block = load<i32>(bucketNext + ((<usize>block) << 2));
  return block != NO_BLOCK;
}

function leaderWithSums(sum: u32, start: usize): i32 {
  const strong = strongSumAt(start);
  let block = load<i32>(bucketHead + ((<usize>((sum * 0x9e3779b1) >> bucketShift)) << 2));
  while (block != NO_BLOCK && (weakOf(block) != sum || strongOf(block) != strong)) {
    block = load<i32>(bucketNext + ((<usize>block) << 2));
  }
  return block;
}

function take(block: i32, offset: f64): void {
  if (basisAt(block) != UNMATCHED) {
    const continues = block > 0 && isAt(block - 1, offset - <f64>blockLength);
    if (continues && !follows(block)) assign(block, offset);
    return;
  }
  let member = load<i32>(leader + ((<usize>block) << 2));
  for (; member != NO_BLOCK; member = load<i32>(groupNext + ((<usize>member) << 2))) assign(member, offset);
}

function assign(block: i32, offset: f64): void {
  if (basisAt(block) == UNMATCHED) unmatched--;
  store<i32>(basisOf + ((<usize>block) << 2), basis);
  store<f64>(offsetOf + ((<usize>block) << 3), offset);
}

function isAt(block: i32, offset: f64): bool {
  return basisAt(block) == basis && offsetAt(block) == offset;
}

/** True if a matched block continues the run of the one before it. */
function follows(block: i32): bool {
  return basisAt(block) == basisAt(block - 1) && offsetAt(block) == offsetAt(block - 1) + <f64>blockLength;
}

function basisAt(block: i32): i32 {
  return load<i32>(basisOf + ((<usize>block) << 2));
}

function offsetAt(block: i32): f64 {
  return load<f64>(offsetOf + ((<usize>block) << 3));
}

function weakOf(block: i32): u32 {
  return load<u32>(weakSums + ((<usize>block) << 2));
}

function strongOf(block: i32): u64 {
  return load<u64>(strongSums + ((<usize>block) << 3));
}

function weakSumAt(position: i32): u32 {
  const start = windowStart + position;
  return weakSum(start, start + blockLength);
}

/** Of the block at `start`, as far as it is kept. Failing as the expected block and being looked up costs one sum. */
function strongSumAt(start: usize): u64 {
  if (summedAddress != start) {
    summedAddress = start;
    hashedBytes += blockLength;
    lastStrongSum = xxHash64(start, start + blockLength) & strongMask;
  }
  return lastStrongSum;
}
