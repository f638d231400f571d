// One file over one link (loopback, all of it): our swarm beside libtorrent, webtorrent, aria2 and rsync. `npm run bench -- one-link`, or
// `node bench/one-link.ts --size 256M --rounds 5`. Each side runs in two processes, sender and receiver; the receiver writes to
// a file system made for the run, checks every piece by SHA-1 (ours the whole by SHA-256 too, rsync by its own sum) and
// does not wait for the disk. Time runs from the call for the peer to the last check; for rsync and aria2 it is the client's whole life.
// Every round runs all in turn; medians are shown, ratios are medians of each round's.
import { createWriteStream, mkdtempSync, rmSync } from "node:fs";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import WebTorrent from "webtorrent";
import { parseByteSize } from "../src/core/byte-size.ts";
import { seededBytes } from "./support/delta-pairs.ts";
import { aria2Link } from "./support/aria2-link.ts";
import {
  findLibtorrent,
  libtorrentLink,
  prepareTask,
  prsyncLink,
  rsyncLink,
  webtorrentLink,
} from "./support/link-tools.ts";
import type { LinkRun, LinkTool } from "./support/link-tools.ts";
import { isNoisy, median, printTable, versionOf, writeResult, type Column, type Row } from "./support/report.ts";

const SEED = 20_261_120;
const PIECE_LENGTHS = [64 * 1024, 1024 * 1024];

const COLUMNS: readonly Column[] = [
  { key: "piece", title: "piece" },
  { key: "tool", title: "tool" },
  { key: "mebibytesPerSecond", title: "MiB/s" },
  { key: "wallSeconds", title: "wall s", digits: 2 },
  { key: "senderCpuSeconds", title: "sender CPU s", digits: 2 },
  { key: "receiverCpuSeconds", title: "receiver CPU s", digits: 2 },
  { key: "toLibtorrent", title: "speed / libtorrent", digits: 2 },
  { key: "toRsync", title: "speed / rsync", digits: 2 },
  { key: "cpuToLibtorrent", title: "CPU / libtorrent", digits: 2 },
  { key: "cpuToRsync", title: "CPU / rsync", digits: 2 },
  { key: "note", title: "note" },
];

const { values } = parseArgs({
  options: {
    size: { type: "string", default: "1G" },
    rounds: { type: "string", default: "3" },
  },
});
const lengthBytes = parseByteSize(values.size);
const rounds = Number(values.rounds);
const scratch = mkdtempSync(join(tmpdir(), "prsync-bench-link-"));
try {
  await main();
} finally {
  rmSync(scratch, { recursive: true });
}

async function main(): Promise<void> {
  const source = join(scratch, "data");
  await writeNoise(source);
  const libtorrent = findLibtorrent();
  const rsyncVersion = await versionOf("rsync");
  const aria2Version = await versionOf("aria2c");
  const tools = new Map<string, LinkTool>([["prsync", prsyncLink]]);
  if (libtorrent !== undefined) tools.set("libtorrent", libtorrentLink(libtorrent.python));
  tools.set("webtorrent", webtorrentLink);
  if (aria2Version !== undefined) tools.set("aria2", aria2Link);
  if (rsyncVersion !== undefined) tools.set("rsync", rsyncLink);
  const rows: Row[] = [];
  for (const pieceLength of PIECE_LENGTHS) rows.push(...(await rowsOf(source, pieceLength, tools)));
  printTable(COLUMNS, rows);
  const versions = {
    libtorrent: libtorrent?.version,
    webtorrent: WebTorrent.VERSION,
    aria2: aria2Version,
    rsync: rsyncVersion,
  };
  writeResult("one-link", { seed: SEED, lengthBytes, rounds, versions, rows });
}

async function writeNoise(path: string): Promise<void> {
  const stream = createWriteStream(path);
  const step = 2 ** 24;
  for (let offset = 0; offset < lengthBytes; offset += step) {
    if (!stream.write(seededBytes(Math.min(step, lengthBytes - offset), SEED + offset))) await once(stream, "drain");
  }
  stream.end();
  await once(stream, "close");
}

async function rowsOf(source: string, pieceLength: number, tools: ReadonlyMap<string, LinkTool>): Promise<Row[]> {
  const task = prepareTask(join(scratch, String(pieceLength)), source, pieceLength);
  const runs = new Map<string, LinkRun[]>([...tools.keys()].map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, tool] of tools) runs.get(name)!.push(await tool(task));
  }
  return [...runs].map(([tool, own]) => ({
    piece: `${pieceLength / 1024} KiB`,
    tool,
    mebibytesPerSecond: lengthBytes / 2 ** 20 / medianOf(own, "wallSeconds"),
    wallSeconds: medianOf(own, "wallSeconds"),
    senderCpuSeconds: medianOf(own, "senderCpuSeconds"),
    receiverCpuSeconds: medianOf(own, "receiverCpuSeconds"),
    toLibtorrent: speedRatio(own, runs.get("libtorrent")),
    toRsync: speedRatio(own, runs.get("rsync")),
    cpuToLibtorrent: cpuRatio(own, runs.get("libtorrent")),
    cpuToRsync: cpuRatio(own, runs.get("rsync")),
    note: isNoisy(own.map((run) => run.wallSeconds)) ? "noisy" : undefined,
  }));
}

function medianOf(runs: readonly LinkRun[], key: keyof LinkRun): number {
  return median(runs.map((run) => run[key]));
}

function speedRatio(own: readonly LinkRun[], reference: readonly LinkRun[] | undefined): number | undefined {
  return reference && median(own.map((run, round) => reference[round]!.wallSeconds / run.wallSeconds));
}

/** CPU seconds of both ends, ours to theirs. */
function cpuRatio(own: readonly LinkRun[], reference: readonly LinkRun[] | undefined): number | undefined {
  return reference && median(own.map((run, round) => cpuSeconds(run) / cpuSeconds(reference[round]!)));
}

function cpuSeconds(run: LinkRun): number {
  return run.senderCpuSeconds + run.receiverCpuSeconds;
}
