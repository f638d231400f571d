import { isDigit } from "./decimal.ts";
import { hashBytes, mixBits, type ByteHash } from "./byte-hash.ts";

const DOT = 0x2e;
const COLON = 0x3a;
const PREFIX_GROUPS = 3;
const scratch: ByteHash = { first: 0, second: 0 };

/**
 * A hash of the network that a client is in: /24 of an IPv4 address, /48 of an IPv6 address, of a name all after its first
 * label. Of about 10^5 networks one shares its hash with another.
 */
export function hashNetwork(bytes: Uint8Array, [from, to]: readonly [number, number]): number {
  let lastDot = -1;
  let firstDot = -1;
  let isAddress = true;
  for (let at = from; at < to; at++) {
    const byte = bytes[at]!;
    if (byte === COLON) return hashSixNetwork(bytes, [from, to]);
    if (byte === DOT) {
      lastDot = at;
      if (firstDot < 0) firstDot = at;
    } else if (!isDigit(byte)) isAddress = false;
  }
  if (isAddress && lastDot >= 0) hashBytes(bytes, [from, lastDot], scratch);
  else hashBytes(bytes, [firstDot < 0 ? from : firstDot, to], scratch);
  return scratch.first;
}

/** The first three groups, so that "2001:db8::1" and "2001:db8:0:1::1" are one network; "::" within them is zeros. */
function hashSixNetwork(bytes: Uint8Array, [from, to]: readonly [number, number]): number {
  let hash = 6;
  let group = 0;
  let groups = 0;
  for (let at = from; at < to && groups < PREFIX_GROUPS; at++) {
    const byte = bytes[at]!;
    if (byte !== COLON) {
      group = (group * 16 + hexValue(byte)) & 0xffff;
      continue;
    }
    hash = mixBits(hash ^ Math.imul(group, 0x9e3779b1));
    group = 0;
    groups++;
    if (bytes[at + 1] !== COLON) continue;
    for (; groups < PREFIX_GROUPS; groups++) hash = mixBits(hash);
  }
  return hash;
}

function hexValue(byte: number): number {
  return isDigit(byte) ? byte - 0x30 : (byte & 0x0f) + 9;
}
