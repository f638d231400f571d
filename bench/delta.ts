// Bytes and speed of a delta, ours beside rsync, rdiff and zsync, on the same pairs in one run: `npm run bench -- delta`.
//
// Bytes, ours: signature and literals are measured (the encoded signature; what the matches leave), framing is
// estimated as BEP 3 requests of at most 16 KiB within pieces of 64 KiB, 30 bytes each. rsync: sent + received as it
// prints them, over a pipe. rdiff: signature + delta file. zsync: bytes of its HTTP sockets. Fixed costs of a sync are
// in none of ours but "prsync programs": there, real programs publish, serve and synchronise a tree of this one file, and all bytes that
// `sync` reads from its sockets count, metadata and fixed cost included (not what it sends). CPU is that of the process that searches: ours (in this process, warmed up), rsync's sender, `rdiff
// delta`, the zsync client. Wall is the search alone for ours, the whole program for the others (for rsync with its
// receiver). Speeds are per CPU second. Every round runs all tools in turn; medians are shown; `node bench/delta.ts --rounds 1` is quicker.
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { syntheticPairs, type DeltaPair } from "./support/delta-pairs.ts";
import { prsyncPrograms } from "./support/delta-programs.ts";
import { prsync, rdiff, rsync, zsync, type DeltaRun, type DeltaTool } from "./support/delta-tools.ts";
import { realPairs } from "./support/real-pairs.ts";
import { isNoisy, median, printTable, versionOf, writeResult, type Column, type Row } from "./support/report.ts";

const SEED = 20_261_120;
const DEFAULT_ROUNDS = "3";
const RSYNC = "rsync";
const RDIFF = "rdiff";

const COLUMNS: readonly Column[] = [
  { key: "pair", title: "pair" },
  { key: "tool", title: "tool" },
  { key: "signatureBytes", title: "signature B" },
  { key: "literalBytes", title: "literal B" },
  { key: "framingBytes", title: "framing B" },
  { key: "totalBytes", title: "total B" },
  { key: "bytesToRsync", title: "B / rsync", digits: 2 },
  { key: "wallSeconds", title: "wall s", digits: 3 },
  { key: "cpuSeconds", title: "CPU s", digits: 3 },
  { key: "mebibytesPerCpuSecond", title: "MiB/CPU s" },
  { key: "speedToRsync", title: "speed / rsync", digits: 2 },
  { key: "speedToRdiff", title: "speed / rdiff", digits: 2 },
  { key: "note", title: "note" },
];

interface Contestant {
  readonly name: string;
  /** Slow and the same every time: its bytes are the point. */
  readonly runsOnce?: boolean;
  readonly tool: DeltaTool;
  readonly programs: readonly string[];
}

const CONTESTANTS: readonly Contestant[] = [
  { name: "prsync √", tool: prsync("sqrt"), programs: [] },
  { name: "prsync 64K", tool: prsync(65_536), programs: [] },
  { name: "prsync programs", tool: prsyncPrograms(), programs: ["rsync"], runsOnce: true },
  { name: "  --save-traffic", tool: prsyncPrograms("--save-traffic"), programs: ["rsync"], runsOnce: true },
  { name: RSYNC, tool: rsync(), programs: ["rsync"] },
  { name: "rsync -B 65536", tool: rsync("-B", "65536"), programs: ["rsync"] },
  { name: RDIFF, tool: rdiff, programs: ["rdiff"] },
  { name: "zsync", tool: zsync, programs: ["zsyncmake", "zsync"] },
];

const { values } = parseArgs({ options: { rounds: { type: "string", default: DEFAULT_ROUNDS } } });
const rounds = Number(values.rounds);
const scratch = mkdtempSync(join(tmpdir(), "prsync-bench-delta-"));
try {
  await main();
} finally {
  rmSync(scratch, { recursive: true });
}

async function main(): Promise<void> {
  const versions = await installedVersions();
  const pairs = [...realPairs(scratch, SEED), ...syntheticPairs(scratch, SEED)];
  const rows: Row[] = [];
  for (const { tool } of CONTESTANTS.slice(0, 2)) await tool(pairs[0]!, scratch); // compiles; not counted
  for (const pair of pairs) {
    console.error(`${new Date().toISOString()} ${pair.name}`);
    rows.push(...(await rowsOf(pair, versions)));
  }
  printTable(COLUMNS, rows);
  writeResult("delta", { seed: SEED, rounds, versions: Object.fromEntries(versions), rows });
}

async function installedVersions(): Promise<Map<string, string>> {
  const versions = new Map<string, string>();
  for (const [program, flag] of [
    ["rsync", "--version"],
    ["rdiff", "--version"],
    ["zsyncmake", "-V"],
    ["zsync", "-V"],
  ] as const) {
    const version = await versionOf(program, [flag]);
    if (version !== undefined) versions.set(program, version);
  }
  return versions;
}

async function rowsOf(pair: DeltaPair, versions: ReadonlyMap<string, string>): Promise<Row[]> {
  const present = CONTESTANTS.filter(({ programs }) => programs.every((program) => versions.has(program)));
  const runs = new Map<string, DeltaRun[]>(present.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const { name, tool, runsOnce } of present) {
      if (round === 0 || runsOnce !== true) runs.get(name)!.push(await tool(pair, scratch));
    }
  }
  return CONTESTANTS.map(({ name, programs }) => {
    if (runs.has(name)) return rowOf(pair, name, runs);
    const absent = programs.filter((program) => !versions.has(program)).join(", ");
    return { pair: pair.name, tool: name, note: `not installed: ${absent}` };
  });
}

function rowOf(pair: DeltaPair, tool: string, runs: ReadonlyMap<string, readonly DeltaRun[]>): Row {
  const own = runs.get(tool)!;
  const [toRsync, toRdiff] = [runs.get(RSYNC), runs.get(RDIFF)];
  const last = own.at(-1)!;
  const mebibytes = statSync(pair.target).size / 2 ** 20;
  const cpuSeconds = medianCpu(own);
  return {
    pair: pair.name,
    tool,
    signatureBytes: last.signatureBytes,
    literalBytes: last.literalBytes,
    framingBytes: last.framingBytes,
    totalBytes: last.totalBytes,
    bytesToRsync: toRsync && last.totalBytes / toRsync.at(-1)!.totalBytes,
    wallSeconds: median(own.map((run) => run.wallSeconds)),
    cpuSeconds,
    mebibytesPerCpuSecond: cpuSeconds && mebibytes / cpuSeconds,
    speedToRsync: toRsync && speedRatio(own, toRsync),
    speedToRdiff: toRdiff && speedRatio(own, toRdiff),
    note: isNoisy(own.map((run) => run.wallSeconds)) ? "noisy" : undefined,
  };
}

function medianCpu(runs: readonly DeltaRun[]): number | undefined {
  const seconds = runs.flatMap((run) => run.cpuSeconds ?? []);
  return seconds.length === 0 ? undefined : median(seconds);
}

/** Median of the ratios round by round: the tools of one round ran side by side. */
function speedRatio(own: readonly DeltaRun[], other: readonly DeltaRun[]): number | undefined {
  if (own.some((run) => run.cpuSeconds === undefined)) return undefined;
  return median(own.map((run, round) => other[round]!.cpuSeconds! / run.cpuSeconds!));
}
