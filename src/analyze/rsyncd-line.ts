import { wholeNumber } from "./decimal.ts";
import type { LineOutcome, LogLine } from "./log-line.ts";
import { RSYNCD_TIME_BYTES, rsyncdTime } from "./log-time.ts";

// rsyncd.conf(5), "log file" with "transfer logging" and the default "log format" (%o %h [%a] %m (%u) %f %l), after %t [%p]:
//   2026/11/22 05:35:26 [20935] send localhost [127.0.0.1] deb () sub/a b.txt 6

const SPACE = 0x20;
const BRACKET = 0x5b;
const END_BRACKET = 0x5d;
const OPEN = 0x28;
const CLOSE = 0x29;
const SEND = [0x73, 0x65, 0x6e, 0x64, SPACE];

/** Any other line of the daemon (connects, sums, receives) is a note. */
export function parseRsyncdLine(bytes: Uint8Array, [from, to]: readonly [number, number], line: LogLine): LineOutcome {
  line.timeSeconds = rsyncdTime(bytes, from);
  const process = from + RSYNCD_TIME_BYTES + 1;
  if (line.timeSeconds < 0 || process >= to || bytes[process] !== BRACKET) return "malformed";
  const processEnd = find(bytes, END_BRACKET, [process, to]);
  if (processEnd < 0 || wholeNumber(bytes, process + 1, processEnd) < 0) return "malformed";
  const operation = processEnd + 2;
  if (!SEND.every((byte, index) => bytes[operation + index] === byte) || operation + SEND.length >= to) return "note";
  return parseTransfer(bytes, [operation + SEND.length, to], line) ? "request" : "malformed";
}

function parseTransfer(bytes: Uint8Array, [from, to]: readonly [number, number], line: LogLine): boolean {
  const address = find(bytes, BRACKET, [from, to]);
  const addressEnd = address < 0 ? -1 : find(bytes, END_BRACKET, [address, to]);
  const user = addressEnd < 0 ? -1 : find(bytes, OPEN, [addressEnd, to]);
  const userEnd = user < 0 ? -1 : find(bytes, CLOSE, [user, to]);
  if (userEnd < 0 || addressEnd === address + 1 || user < addressEnd + 4) return false;
  let length = to;
  while (length > userEnd && bytes[length - 1] !== SPACE) length--;
  line.format = "rsyncd";
  line.clientFrom = address + 1;
  line.clientTo = addressEnd;
  line.moduleFrom = addressEnd + 2;
  line.moduleTo = user - 1;
  line.pathFrom = userEnd + 2;
  line.pathTo = length - 1;
  line.agentFrom = line.agentTo = 0;
  line.status = 0;
  line.bytes = wholeNumber(bytes, length, to);
  line.isRead = true;
  return line.bytes >= 0 && line.pathTo > line.pathFrom;
}

function find(bytes: Uint8Array, byte: number, [from, to]: readonly [number, number]): number {
  for (let at = from; at < to; at++) if (bytes[at] === byte) return at;
  return -1;
}
