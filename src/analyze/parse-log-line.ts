import { parseAccessLine } from "./access-line.ts";
import { isDigit } from "./decimal.ts";
import type { LineOutcome, LogLine } from "./log-line.ts";
import { parseRsyncdLine } from "./rsyncd-line.ts";

const SLASH = 0x2f;

/** Reads one line without its end. Each line is looked at for itself, so formats may be mixed. Never throws. */
export function parseLogLine(bytes: Uint8Array, [from, to]: readonly [number, number], line: LogLine): LineOutcome {
  // "2026/11/22 05:35:26 [20935] …" is rsyncd's; no client's name begins with a year and a slash.
  if (to - from > 20 && bytes[from + 4] === SLASH && bytes[from + 7] === SLASH && isDigit(bytes[from]!))
    return parseRsyncdLine(bytes, [from, to], line);
  return parseAccessLine(bytes, [from, to], line) ? "request" : "malformed";
}
