// How fast and in how much memory `prsync analyze` reads a log: `npm run bench -- analyze` (a million lines, about a minute of
// CPU, most of it for the generator); `node bench/analyze.ts --lines 10000000` for the goal of 10 million lines under 60 s and
// 300 MB. The log is generated from a seed (support/access-log.ts), plain and by gzip; the program is the built one.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream, createWriteStream, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import { createGzip } from "node:zlib";
import type { AnalysisReport } from "../src/analyze/analysis-report.ts";
import { accessLog } from "./support/access-log.ts";
import { printTable, writeResult } from "./support/report.ts";

const { values } = parseArgs({ options: { lines: { type: "string", default: "1000000" } } });
const lines = Number(values.lines);
const shape = { lines, seed: 20_261_122, files: Math.ceil(lines / 10), clients: Math.ceil(lines / 20), days: 10 };
const PROGRAM = new URL("../bin/prsync.cjs", import.meta.url).pathname;
const POLL_MS = 20;
/** USER_HZ of Linux. */
const TICKS_PER_SECOND = 100;

const COLUMNS = [
  { key: "log", title: "log" },
  { key: "megabytes", title: "MB", digits: 1 },
  { key: "downloads", title: "downloads" },
  { key: "seconds", title: "s", digits: 2 },
  { key: "cpuSeconds", title: "CPU s", digits: 2 },
  { key: "linesPerSecond", title: "lines/s" },
  { key: "peakMegabytes", title: "peak MB", digits: 1 },
];

interface Run {
  readonly log: string;
  readonly megabytes: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMegabytes: number;
  readonly downloads: number;
}

const directory = mkdtempSync(join(tmpdir(), "prsync-bench-analyze-"));
try {
  const plain = join(directory, "access.log");
  const packed = join(directory, "access.log.gz");
  await pipeline(Readable.from(inBatches(accessLog(shape))), createWriteStream(plain));
  await pipeline(createReadStream(plain), createGzip({ level: 6 }), createWriteStream(packed));
  const runs = [await analyze("plain", plain), await analyze("gzip", packed)];
  printTable(
    COLUMNS,
    runs.map((run) => ({ ...run, linesPerSecond: lines / run.seconds })),
  );
  writeResult("analyze", { shape, runs });
} finally {
  rmSync(directory, { recursive: true });
}

/** A line at a time would cost more than the lines. */
function* inBatches(all: Iterable<string>): Generator<string> {
  let batch: string[] = [];
  for (const line of all) {
    if (batch.push(line) < 1000) continue;
    yield batch.join("");
    batch = [];
  }
  yield batch.join("");
}

async function analyze(log: string, path: string): Promise<Run> {
  const begun = performance.now();
  const child = spawn(process.execPath, [PROGRAM, "analyze", "--json", path], { stdio: ["ignore", "pipe", "inherit"] });
  let [peakMegabytes, cpuSeconds] = [0, 0];
  const poll = setInterval(() => {
    const used = usageOf(child.pid!);
    peakMegabytes = Math.max(peakMegabytes, used.megabytes);
    cpuSeconds = Math.max(cpuSeconds, used.cpuSeconds);
  }, POLL_MS);
  let printed = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text));
  await once(child, "close");
  clearInterval(poll);
  const { downloads } = (JSON.parse(printed) as AnalysisReport).lines;
  const seconds = (performance.now() - begun) / 1000;
  return { log, megabytes: statSync(path).size / 1e6, seconds, cpuSeconds, peakMegabytes, downloads };
}

/** Of a process that runs; nothing once it ended. The peak is the kernel's own, so polling misses at most the last moment. */
function usageOf(pid: number): { readonly megabytes: number; readonly cpuSeconds: number } {
  try {
    const peak = /VmHWM:\s*(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
    const ticks = Number(fields[11]) + Number(fields[12]);
    return { megabytes: (Number(peak ?? 0) * 1024) / 1e6, cpuSeconds: ticks / TICKS_PER_SECOND };
  } catch {
    return { megabytes: 0, cpuSeconds: 0 };
  }
}
