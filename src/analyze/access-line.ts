import { isDigit, wholeNumber } from "./decimal.ts";
import type { LogLine } from "./log-line.ts";
import { ACCESS_TIME_BYTES, accessTime } from "./log-time.ts";

// Common and combined format of Apache and nginx:
//   CLIENT IDENT USER [10/Oct/2000:13:55:36 -0700] "GET /path HTTP/1.1" 200 2326 "REFERER" "USER AGENT" …
// The last two make it combined; whatever follows is skipped. Apache's vhost_combined puts HOST:PORT before the client.

const SPACE = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const BRACKET = 0x5b;
const END_BRACKET = 0x5d;
const COLON = 0x3a;
const DASH = 0x2d;
const SLASH = 0x2f;
const QUESTION = 0x3f;
const [G, E, T, H] = [0x47, 0x45, 0x54, 0x48];

/** False if the line is in neither format; `line` is then half filled. */
export function parseAccessLine(bytes: Uint8Array, [from, to]: readonly [number, number], line: LogLine): boolean {
  let time = from;
  while (time < to && !(bytes[time] === BRACKET && bytes[time - 1] === SPACE && time > from)) time++;
  const request = time + ACCESS_TIME_BYTES + 4;
  if (request >= to || bytes[request - 3] !== END_BRACKET || bytes[request - 1] !== QUOTE) return false;
  line.process = 0;
  line.sync = "none";
  line.timeSeconds = accessTime(bytes, time + 1);
  if (line.timeSeconds < 0 || !findClient(bytes, [from, time], line)) return false;
  const requestEnd = closingQuote(bytes, request, to);
  if (requestEnd < 0) return false;
  splitRequest(bytes, [request, requestEnd], line);
  return parseAnswer(bytes, [requestEnd + 2, to], line);
}

function findClient(bytes: Uint8Array, [from, to]: readonly [number, number], line: LogLine): boolean {
  let end = wordEnd(bytes, from, to);
  line.clientFrom = from;
  if (isHostAndPort(bytes, from, end)) {
    line.clientFrom = end + 1;
    end = wordEnd(bytes, line.clientFrom, to);
  }
  line.clientTo = end;
  return end > line.clientFrom && end < to;
}

/** One colon with digits after it: no IPv6 address. */
function isHostAndPort(bytes: Uint8Array, from: number, to: number): boolean {
  let at = to - 1;
  while (at > from && isDigit(bytes[at]!)) at--;
  if (at === to - 1 || bytes[at] !== COLON || at === from) return false;
  for (at--; at >= from; at--) if (bytes[at] === COLON) return false;
  return true;
}

/** What is no request ("-", TLS on a plain port) has no path; the line counts all the same. */
function splitRequest(bytes: Uint8Array, [from, to]: readonly [number, number], line: LogLine): void {
  line.isRead =
    bytes[from] === G && bytes[from + 1] === E && bytes[from + 2] === T && bytes[from + 3] === SPACE && to > from + 4;
  line.moduleFrom = line.moduleTo = line.pathFrom = line.pathTo = 0;
  let path = wordEnd(bytes, from, to) + 1;
  if (path >= to) return;
  // Names with bare spaces are wrong, and there: the last word is the protocol only if it looks like one.
  let end = to;
  for (let at = to - 1; at > path; at--) {
    if (bytes[at] !== SPACE) continue;
    if (bytes[at + 1] === H) end = at;
    break;
  }
  if (bytes[path] !== SLASH) path = afterAuthority(bytes, path, end);
  line.pathFrom = path;
  line.pathTo = path;
  while (line.pathTo < end && bytes[line.pathTo] !== QUESTION) line.pathTo++;
}

/** "http://host/path" → where "/path" begins; the end if there is none. */
function afterAuthority(bytes: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to && bytes[at] !== COLON) at++;
  if (bytes[at + 1] !== SLASH || bytes[at + 2] !== SLASH) return to;
  at += 3;
  while (at < to && bytes[at] !== SLASH) at++;
  return Math.min(at, to);
}

function parseAnswer(bytes: Uint8Array, [from, to]: readonly [number, number], line: LogLine): boolean {
  const statusEnd = wordEnd(bytes, from, to);
  const bytesEnd = wordEnd(bytes, statusEnd + 1, to);
  line.status = wholeNumber(bytes, from, statusEnd);
  const isNone = bytesEnd === statusEnd + 2 && bytes[statusEnd + 1] === DASH;
  line.bytes = isNone ? 0 : wholeNumber(bytes, statusEnd + 1, bytesEnd);
  if (statusEnd - from !== 3 || line.status < 0 || line.bytes < 0) return false;
  line.format = "common";
  line.agentFrom = line.agentTo = 0;
  if (bytesEnd + 1 >= to || bytes[bytesEnd + 1] !== QUOTE) return true;
  const refererEnd = closingQuote(bytes, bytesEnd + 2, to);
  if (refererEnd < 0 || bytes[refererEnd + 2] !== QUOTE || refererEnd + 2 >= to) return true;
  const agentEnd = closingQuote(bytes, refererEnd + 3, to);
  if (agentEnd < 0) return true;
  line.format = "combined";
  line.agentFrom = refererEnd + 3;
  line.agentTo = agentEnd;
  return true;
}

function wordEnd(bytes: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to && bytes[at] !== SPACE) at++;
  return Math.min(at, to);
}

/** Apache escapes a quote by a backslash; -1 if none closes. */
function closingQuote(bytes: Uint8Array, from: number, to: number): number {
  for (let at = from; at < to; at++) {
    if (bytes[at] === BACKSLASH) at++;
    else if (bytes[at] === QUOTE) return at;
  }
  return -1;
}
