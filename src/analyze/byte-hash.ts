/** Two hashes of 32 bits that know nothing of each other: 64 bits name a file, a client, a User-Agent without holding its text. */
export interface ByteHash {
  first: number;
  second: number;
}

const SLASH = 0x2f;
const PERCENT = 0x25;
const FIRST_PRIME = 0x01000193;
const SECOND_PRIME = 0x85ebca6b;

/** Scrambles a 32-bit number: every bit of the result hangs on every bit given (MurmurHash3's finaliser). */
export function mixBits(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** Of bytes as they stand. FNV-1a with two primes, scrambled; not for secrets. */
export function hashBytes(bytes: Uint8Array, [from, to]: readonly [number, number], hash: ByteHash): void {
  let first = 0x811c9dc5;
  let second = 0x1b873593;
  for (let at = from; at < to; at++) {
    const byte = bytes[at]!;
    first = Math.imul(first ^ byte, FIRST_PRIME);
    second = Math.imul((second << 5) ^ (second >>> 27) ^ byte, SECOND_PRIME);
  }
  hash.first = mixBits(first);
  hash.second = mixBits(second);
}

/**
 * Of a path as the file is named: "%2B" is "+", repeated slashes are one.
 * @param directory range of what stands before the path without slashes around it (a module of rsyncd), or empty
 */
export function hashPath(
  bytes: Uint8Array,
  [from, to]: readonly [number, number],
  { directory, hash }: { readonly directory: readonly [number, number]; readonly hash: ByteHash },
): void {
  let first = 0x811c9dc5;
  let second = 0x1b873593;
  let last = 0;
  const take = (byte: number): void => {
    if (byte === SLASH && last === SLASH) return;
    last = byte;
    first = Math.imul(first ^ byte, FIRST_PRIME);
    second = Math.imul((second << 5) ^ (second >>> 27) ^ byte, SECOND_PRIME);
  };
  if (directory[1] > directory[0]) {
    take(SLASH);
    for (let at = directory[0]; at < directory[1]; at++) take(bytes[at]!);
  }
  take(SLASH);
  for (let at = from; at < to; at++) {
    const byte = bytes[at]!;
    const decoded = byte === PERCENT && at + 2 < to ? hexPair(bytes[at + 1]!, bytes[at + 2]!) : -1;
    if (decoded >= 0) at += 2;
    take(decoded >= 0 ? decoded : byte);
  }
  hash.first = mixBits(first);
  hash.second = mixBits(second);
}

function hexPair(high: number, low: number): number {
  const [a, b] = [hexDigit(high), hexDigit(low)];
  return a < 0 || b < 0 ? -1 : a * 16 + b;
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
