import { parseAccessLine } from "./access-line.ts";
import { isDigit } from "./decimal.ts";
import type { LineOutcome, LogLine } from "./log-line.ts";
import { parseRsyncdLine } from "./rsyncd-line.ts";

const SLASH = 0x2f;
const DOT = 0x2e;
const MAPPED = Buffer.from("::ffff:");

/** Reads one line without its end. Each line is looked at for itself, so formats may be mixed. Never throws. */
export function parseLogLine(bytes: Uint8Array, [from, to]: readonly [number, number], line: LogLine): LineOutcome {
  // "2026/11/22 05:35:26 [20935] …" is rsyncd's; no client's name begins with a year and a slash.
  if (to - from > 20 && bytes[from + 4] === SLASH && bytes[from + 7] === SLASH && isDigit(bytes[from]!))
    return unmapped(bytes, line, parseRsyncdLine(bytes, [from, to], line));
  return unmapped(bytes, line, parseAccessLine(bytes, [from, to], line) ? "request" : "malformed");
}

/** "::ffff:192.0.2.1" is 192.0.2.1 (RFC 4291, 2.5.5.2): a socket for both families tells clients so. */
function unmapped(bytes: Uint8Array, line: LogLine, outcome: LineOutcome): LineOutcome {
  const from = line.clientFrom;
  const address = from + MAPPED.length;
  if (outcome === "malformed" || address >= line.clientTo || bytes[from] !== MAPPED[0]) return outcome;
  for (let at = 0; at < MAPPED.length; at++) if ((bytes[from + at]! | 0x20) !== (MAPPED[at]! | 0x20)) return outcome;
  // "::ffff:c000:201" is one, too, that no server writes.
  if (bytes.subarray(address, line.clientTo).includes(DOT)) line.clientFrom = address;
  return outcome;
}
