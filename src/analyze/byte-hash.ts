/** Two hashes of 32 bits that know nothing of each other: 64 bits name a file, a client, a User-Agent without holding its text. */
export interface ByteHash {
  first: number;
  second: number;
}

const SLASH = 0x2f;
const PERCENT = 0x25;
const BACKSLASH = 0x5c;
const X = 0x78;
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
 * Of a path as the file is named: "%2B" is "+", and so is "\x2B", as nginx and Apache write what is no printable ASCII; repeated slashes are one.
 * @param directory range of what stands before the path without slashes around it (a module of rsyncd, whose paths are not
 *   percent-encoded), or empty
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
  const isEncoded = directory[1] <= directory[0];
  if (!isEncoded) {
    take(SLASH);
    for (let at = directory[0]; at < directory[1]; at++) take(bytes[at]!);
  }
  take(SLASH);
  for (let at = from; at < to; at++) {
    const byte = bytes[at]!;
    const digits = byte === PERCENT ? at + 1 : byte === BACKSLASH && bytes[at + 1] === X ? at + 2 : to;
    const decoded = isEncoded && digits + 1 < to ? hexPair(bytes[digits]!, bytes[digits + 1]!) : -1;
    if (decoded >= 0) at = digits + 1;
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
