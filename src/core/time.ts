import { CoreError } from "./errors.ts";

const MTIME_TEXT = /^(-?(?:0|[1-9]\d{0,11}))\.(\d{9})$/;
const NANOSECONDS = 1_000_000_000n;

/** "seconds.nnnnnnnnn" (seconds rounded down, so -0.5 s is "-1.500000000") ⇄ nanoseconds since 1970. */
export function formatMtime(mtimeNs: bigint): string {
  const fraction = ((mtimeNs % NANOSECONDS) + NANOSECONDS) % NANOSECONDS;
  const seconds = (mtimeNs - fraction) / NANOSECONDS;
  return `${seconds}.${fraction.toString().padStart(9, "0")}`;
}

/** @throws CoreError `bad-time` */
export function parseMtime(text: unknown): bigint {
  const match = typeof text === "string" ? MTIME_TEXT.exec(text) : null;
  if (match === null || text === undefined || match[1] === "-0") {
    throw new CoreError("bad-time", `expected "seconds.nnnnnnnnn", got ${JSON.stringify(text)}`);
  }
  return BigInt(match[1]!) * NANOSECONDS + BigInt(match[2]!);
}

/** Tolerance when a mirror compares the mtime it set with the one it was told: Node sets doubles, not nanoseconds. */
export const MTIME_TOLERANCE_NS = 1_000n;

export function isSameMtime(a: bigint, b: bigint): boolean {
  const difference = a - b;
  return difference <= MTIME_TOLERANCE_NS && difference >= -MTIME_TOLERANCE_NS;
}
