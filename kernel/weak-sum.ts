/**
 * The rolling sum of the rsync technical report over the memory `[start, end)`: a = Σ Xᵢ in the low 16 bits, b = Σ (l − i + 1)·Xᵢ
 * in the high ones; src/delta/weak-sum.ts is the same in plain TypeScript. All sums wrap at 2³², of which 16 bits stay.
 */
export function weakSum(start: usize, end: usize): u32 {
  const length = end - start;
  const vectorEnd = start + (length & ~15);
  let bytes = i32x4.splat(0); // Σ of the bytes so far
  let earlier = i32x4.splat(0); // Σ of what `bytes` was before each vector: each of these counts 16 times more
  let weighted = i32x4.splat(0); // Σ of each vector's bytes, the first 16 times, the last once
  let at = start;
  for (; at < vectorEnd; at += 16) {
    const vector = v128.load(at);
    earlier = i32x4.add(earlier, bytes);
    bytes = i32x4.add(bytes, i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(vector)));
    const first = i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(vector), i16x8(16, 15, 14, 13, 12, 11, 10, 9));
    const second = i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(vector), i16x8(8, 7, 6, 5, 4, 3, 2, 1));
    weighted = i32x4.add(weighted, i32x4.add(first, second));
  }
  let a = lanesSum(bytes);
  let b = 16 * lanesSum(earlier) + lanesSum(weighted);
  for (; at < end; at++) {
    a += load<u8>(at);
    b += a;
  }
  return (a & 0xffff) | (b << 16);
}

function lanesSum(lanes: v128): u32 {
  return (
    i32x4.extract_lane(lanes, 0) +
    i32x4.extract_lane(lanes, 1) +
    i32x4.extract_lane(lanes, 2) +
    i32x4.extract_lane(lanes, 3)
  );
}
