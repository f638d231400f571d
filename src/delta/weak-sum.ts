/**
 * The rolling sum of the rsync technical report over bytes as unsigned numbers: a = Σ Xᵢ, b = Σ (l − i + 1)·Xᵢ, both
 * mod 2¹⁶, sum = a + 2¹⁶·b. (The program rsync itself takes bytes as signed, so its sums differ.)
 */
export const WEAK_SUM_NAME = "rsync-sum";

/** The 32-bit sum of `bytes[start, end)`, unsigned. */
export function weakSum(bytes: Uint8Array, start: number, end: number): number {
  let a = 0;
  let b = 0;
  let i = start;
  // Four bytes a turn shorten the chain of dependent additions. Wrapping at 2³² keeps the result mod 2¹⁶.
  for (const stop = end - 3; i < stop; i += 4) {
    const x0 = bytes[i]!;
    const x1 = bytes[i + 1]!;
    const x2 = bytes[i + 2]!;
    const x3 = bytes[i + 3]!;
    b = (b + 4 * (a + x0) + 3 * x1 + 2 * x2 + x3) | 0;
    a = (a + x0 + x1 + x2 + x3) | 0;
  }
  for (; i < end; i++) {
    a = (a + bytes[i]!) | 0;
    b = (b + a) | 0;
  }
  return ((a & 0xffff) | (b << 16)) >>> 0;
}
