const ZERO = 0x30;
const NINE = 0x39;

/** True for "0" to "9". */
export function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

/** A whole number of digits alone; -1 if it is none or has more than 15 digits. */
export function wholeNumber(bytes: Uint8Array, from: number, to: number): number {
  if (to <= from || to - from > 15) return -1;
  let value = 0;
  for (let at = from; at < to; at++) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}
