import { wholeNumber } from "./decimal.ts";

const COLON = 0x3a;
const SLASH = 0x2f;
const SPACE = 0x20;
const PLUS = 0x2b;
const MINUS = 0x2d;
/** First three letters as one number → month 1 … 12. */
const MONTHS: ReadonlyMap<number, number> = new Map(
  ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"].map((name, index) => [
    (name.charCodeAt(0) << 16) | (name.charCodeAt(1) << 8) | name.charCodeAt(2),
    index + 1,
  ]),
);

/** Length of "10/Oct/2000:13:55:36 -0700" in bytes. */
export const ACCESS_TIME_BYTES = 26;
/** Length of "2026/11/22 05:35:26" in bytes. */
export const RSYNCD_TIME_BYTES = 19;

/** "10/Oct/2000:13:55:36 -0700", as Apache's %t and nginx' $time_local write it → seconds since 1970; -1 if it is no such time. */
export function accessTime(bytes: Uint8Array, at: number): number {
  if (bytes[at + 2] !== SLASH || bytes[at + 6] !== SLASH || bytes[at + 11] !== COLON || bytes[at + 20] !== SPACE)
    return -1;
  const month = MONTHS.get((bytes[at + 3]! << 16) | (bytes[at + 4]! << 8) | bytes[at + 5]!);
  const sign = bytes[at + 21] === PLUS ? 1 : bytes[at + 21] === MINUS ? -1 : 0;
  const zoneHours = wholeNumber(bytes, at + 22, at + 24);
  const zoneMinutes = wholeNumber(bytes, at + 24, at + 26);
  const second = clockTime(bytes, at + 12);
  if (month === undefined || sign === 0 || zoneHours < 0 || zoneMinutes < 0 || second < 0) return -1;
  const day = dayNumber(wholeNumber(bytes, at + 7, at + 11), month, wholeNumber(bytes, at, at + 2));
  return day < 0 ? -1 : day * 86_400 + second - sign * (zoneHours * 3600 + zoneMinutes * 60);
}

/** "2026/11/22 05:35:26" of rsyncd, taken as UTC → seconds since 1970; -1 if it is no such time. */
export function rsyncdTime(bytes: Uint8Array, at: number): number {
  if (bytes[at + 4] !== SLASH || bytes[at + 7] !== SLASH || bytes[at + 10] !== SPACE) return -1;
  const month = wholeNumber(bytes, at + 5, at + 7);
  const day = dayNumber(wholeNumber(bytes, at, at + 4), month, wholeNumber(bytes, at + 8, at + 10));
  const second = clockTime(bytes, at + 11);
  return day < 0 || second < 0 ? -1 : day * 86_400 + second;
}

/** "13:55:36" → seconds of the day. A leap second is its predecessor's. */
function clockTime(bytes: Uint8Array, at: number): number {
  const hours = wholeNumber(bytes, at, at + 2);
  const minutes = wholeNumber(bytes, at + 3, at + 5);
  const seconds = wholeNumber(bytes, at + 6, at + 8);
  if (bytes[at + 2] !== COLON || bytes[at + 5] !== COLON) return -1;
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59 || seconds < 0 || seconds > 60) return -1;
  return hours * 3600 + minutes * 60 + Math.min(59, seconds);
}

/** Earlier than HTTP: a clock that was not set when the machine began. */
const FIRST_YEAR = 1990;

/** Days since 1970-01-01, Gregorian; -1 before 1990 and for what is no date. Months begin in March, so that leap days come last. */
function dayNumber(year: number, month: number, day: number): number {
  if (year < FIRST_YEAR || month < 1 || month > 12 || day < 1 || day > 31) return -1;
  const shifted = month > 2 ? year : year - 1;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const leapDays = Math.floor(shifted / 4) - Math.floor(shifted / 100) + Math.floor(shifted / 400);
  return shifted * 365 + leapDays + dayOfYear - 719_468;
}
