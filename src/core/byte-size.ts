import { CoreError } from "./errors.ts";

const UNITS: Readonly<Record<string, number>> = { "": 1, B: 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };
const SIZE_TEXT = /^(\d+(?:\.\d+)?)([BKMGT]?)(?:i?B)?$/i;

/** "64K", "1.5M", "2G", "700" → bytes (powers of 1024, as rsync). @throws CoreError `bad-size` */
export function parseByteSize(text: string): number {
  const match = SIZE_TEXT.exec(text.trim());
  const unit = match === null ? undefined : UNITS[match[2]!.toUpperCase()];
  const bytes = match === null || unit === undefined ? NaN : Math.round(Number(match[1]) * unit);
  if (!Number.isSafeInteger(bytes)) throw new CoreError("bad-size", `expected a size like 64K or 2G, got "${text}"`);
  return bytes;
}

/** For people: 1 decimal above 1 kB, decimal units. */
export function formatByteSize(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return unit === 0 ? `${bytes} B` : `${value.toFixed(1)} ${units[unit]}`;
}
