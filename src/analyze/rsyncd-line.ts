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
const SEND = Buffer.from("send ");
/** The first and the last words of a session. */
const CONNECT = Buffer.from("connect from ");
const ENDINGS = [Buffer.from("sent "), Buffer.from("rsync error:")];

/** Any other line of the daemon (connects, sums, receives) is a note. */
export function parseRsyncdLine(bytes: Uint8Array, [from, to]: readonly [number, number], line: LogLine): LineOutcome {
  line.timeSeconds = rsyncdTime(bytes, from);
  const process = from + RSYNCD_TIME_BYTES + 1;
  if (line.timeSeconds < 0 || process >= to || bytes[process] !== BRACKET) return "malformed";
  const processEnd = find(bytes, END_BRACKET, [process, to]);
  if (processEnd < 0) return "malformed";
  line.process = wholeNumber(bytes, process + 1, processEnd);
  if (line.process < 0) return "malformed";
  const operation = processEnd + 2;
  line.format = "rsyncd";
  line.clientFrom = line.clientTo = 0;
  line.sync = "goes-on";
  if (startsWith(bytes, SEND, [operation, to]))
    return parseTransfer(bytes, [operation + SEND.length, to], line) ? "request" : "malformed";
  if (ENDINGS.some((words) => startsWith(bytes, words, [operation, to]))) line.sync = "ends";
  if (startsWith(bytes, CONNECT, [operation, to])) parseConnect(bytes, [operation, to], line);
  return "note";
}

/** "connect from localhost (127.0.0.1)" */
function parseConnect(bytes: Uint8Array, [from, to]: readonly [number, number], line: LogLine): void {
  line.sync = "begins";
  if (bytes[to - 1] !== CLOSE) return;
  let open = to - 1;
  while (open > from && bytes[open] !== OPEN) open--;
  line.clientFrom = open + 1;
  line.clientTo = to - 1;
}

function startsWith(bytes: Uint8Array, words: Uint8Array, [from, to]: readonly [number, number]): boolean {
  if (to - from <= words.length) return false;
  for (let at = 0; at < words.length; at++) if (bytes[from + at] !== words[at]) return false;
  return true;
}

function parseTransfer(bytes: Uint8Array, [from, to]: readonly [number, number], line: LogLine): boolean {
  const address = find(bytes, BRACKET, [from, to]);
  const addressEnd = address < 0 ? -1 : find(bytes, END_BRACKET, [address, to]);
  const user = addressEnd < 0 ? -1 : find(bytes, OPEN, [addressEnd, to]);
  const userEnd = user < 0 ? -1 : find(bytes, CLOSE, [user, to]);
  // A host's name stands before its address, else it is another "log format".
  if (userEnd < 0 || address === from || addressEnd === address + 1 || user < addressEnd + 4) return false;
  let length = to;
  while (length > userEnd && bytes[length - 1] !== SPACE) length--;
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
