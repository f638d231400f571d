import { eachLine } from "./each-line.ts";
import { hashBytes, hashPath, type ByteHash } from "./byte-hash.ts";
import { hashNetwork } from "./client-network.ts";
import { LINE_USES, NUMBERS_PER_REQUEST, WORD, WORDS_PER_REQUEST, type LogBlock } from "./log-block.ts";
import { emptyLogLine, LOG_FORMATS, SYNC_STEPS, type LogLine } from "./log-line.ts";
import { parseLogLine } from "./parse-log-line.ts";

const line: LogLine = emptyLogLine();
const hash: ByteHash = { first: 0, second: 0 };
const [OTHER, DOWNLOAD, NOTE] = (["other", "download", "note"] as const).map((use) => LINE_USES.indexOf(use)) as [
  number,
  number,
  number,
];
/** rsyncd names no tool. */
const RSYNC = Buffer.from("rsync");

/** Reads the lines of a block and leaves in it what they say. Never throws. */
export function parseBlock(block: LogBlock): void {
  const tooLong = eachLine(block.bytes, block.lengthBytes, (from, to) => {
    const outcome = parseLogLine(block.bytes, [from, to], line);
    if (outcome === "malformed") block.malformed++;
    else if (outcome === "note") recordNote(block, line);
    else record(block, line);
  });
  block.tooLong += tooLong;
}

function record(block: LogBlock, line: LogLine): void {
  const { bytes, words } = block;
  const row = block.requests++;
  const at = row * WORDS_PER_REQUEST;
  block.numbers[row * NUMBERS_PER_REQUEST] = line.timeSeconds;
  block.numbers[row * NUMBERS_PER_REQUEST + 1] = line.status >= 300 ? 0 : line.bytes;
  words[at + WORD.status] = line.status;
  words[at + WORD.format] = LOG_FORMATS.indexOf(line.format);
  const isCounted = isDownload(line) && !isOwn(bytes, line);
  words[at + WORD.use] = isCounted ? DOWNLOAD : OTHER;
  if (isCounted) recordDownload(block, at, line);
  if (!isCounted && isOwn(bytes, line) && isFetch(bytes, line)) line.sync = "goes-on";
  recordSync(block, at, line);
}

function recordNote(block: LogBlock, line: LogLine): void {
  block.notes++;
  const row = block.requests++;
  const at = row * WORDS_PER_REQUEST;
  block.numbers[row * NUMBERS_PER_REQUEST] = line.timeSeconds;
  block.words[at + WORD.use] = NOTE;
  recordSync(block, at, line);
}

function recordSync({ bytes, words }: LogBlock, at: number, { sync, process, clientFrom, clientTo }: LogLine): void {
  words[at + WORD.sync] = SYNC_STEPS.indexOf(sync);
  if (sync === "none") return;
  words[at + WORD.process] = process;
  words[at + WORD.client] = 0;
  if (clientTo <= clientFrom) return;
  hashBytes(bytes, [clientFrom, clientTo], hash);
  words[at + WORD.client] = hash.first;
}

function recordDownload({ bytes, words }: LogBlock, at: number, line: LogLine): void {
  const client = [line.clientFrom, line.clientTo] as const;
  hashBytes(bytes, client, hash);
  words[at + WORD.client] = hash.first;
  words[at + WORD.network] = hashNetwork(bytes, client);
  hashPath(bytes, [line.pathFrom, line.pathTo], { directory: [line.moduleFrom, line.moduleTo], hash });
  words[at + WORD.fileFirst] = hash.first;
  words[at + WORD.fileSecond] = hash.second;
  if (line.format === "rsyncd") hashBytes(RSYNC, [0, RSYNC.length], hash);
  else hashBytes(bytes, [line.agentFrom, line.agentTo], hash);
  words[at + WORD.agentFirst] = hash.first;
  words[at + WORD.agentSecond] = hash.second;
  words[at + WORD.moduleFrom] = line.moduleFrom;
  words[at + WORD.moduleTo] = line.moduleTo;
  words[at + WORD.pathFrom] = line.pathFrom;
  words[at + WORD.pathTo] = line.pathTo;
  words[at + WORD.agentFrom] = line.agentFrom;
  words[at + WORD.agentTo] = line.agentTo;
}

function isDownload({ isRead, status, pathFrom, pathTo }: LogLine): boolean {
  if (!isRead || pathTo <= pathFrom) return false;
  return status === 0 || status === 200 || status === 206 || status === 302 || status === 307;
}

const OWN_PREFIX = Buffer.from("/.prsync/");

/** Addresses that a mirror asks for all day long, and people: no sign of a synchronisation. */
const NO_FETCH = /^(?:announce|events|status|metrics|health|ready|api|enrol|passes?)\b/;

/** True if a mirror that synchronises asks for it: metadata, manifest chunks, contents, torrents. */
function isFetch(bytes: Uint8Array, { pathFrom, pathTo }: LogLine): boolean {
  const from = pathFrom + OWN_PREFIX.length;
  const name = Buffer.from(bytes.buffer, bytes.byteOffset + from, Math.min(16, pathTo - from)).toString("latin1");
  return !NO_FETCH.test(name);
}

/** What mirrors ask central for. */
function isOwn(bytes: Uint8Array, { pathFrom, pathTo }: LogLine): boolean {
  if (pathTo - pathFrom < OWN_PREFIX.length) return false;
  for (let at = 0; at < OWN_PREFIX.length; at++) if (bytes[pathFrom + at] !== OWN_PREFIX[at]) return false;
  return true;
}
