// Many small files into an empty mirror: `prsync sync` beside `rsync -a` and `rsync -a --fsync`, all from a daemon on
// loopback. `npm run bench -- small-files`, or `node bench/small-files.ts --quick` after `npm run build`: 20,000 files of
// 10 kB instead of 100,000. Every run writes to an ext4 made for it (as root; else to an ordinary directory). Ours is durable when it
// ends, each file checked by SHA-256; rsync's is durable with --fsync alone. Wall time is the client's whole life, CPU seconds
// are of both ends; central's include what it does beside. The tools take turns; medians, ratios are medians of each round's.
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { RsyncDaemon } from "../test/support/rsync-daemon.ts";
import { RunningProgram, runPrsync } from "../test/support/program.ts";
import { rsyncDifferences } from "../test/support/rsync-referee.ts";
import { seededBytes } from "./support/delta-pairs.ts";
import { FreshDisk } from "./support/fresh-disk.ts";
import { cpuSecondsOf, type LinkRun } from "./support/link-tools.ts";
import {
  isNoisy,
  measureSuccess,
  median,
  printTable,
  versionOf,
  writeResult,
  type Column,
  type Row,
} from "./support/report.ts";

const SEED = 20_261_121;
const FILE_BYTES = 10_000;
const FILES_PER_DIRECTORY = 100;
/** On disk a file of 10 kB takes three blocks and an inode, and our index some hundred bytes. */
const DISK_BYTES_PER_FILE = 20_000;
const PRSYNC = resolve(import.meta.dirname, "../bin/prsync.cjs");

const COLUMNS: readonly Column[] = [
  { key: "tool", title: "tool" },
  { key: "wallSeconds", title: "wall s", digits: 2 },
  { key: "receiverCpuSeconds", title: "receiver CPU s", digits: 2 },
  { key: "senderCpuSeconds", title: "sender CPU s", digits: 2 },
  { key: "filesPerSecond", title: "files/s" },
  { key: "timeToRsync", title: "time / rsync", digits: 2 },
  { key: "timeToDurable", title: "time / rsync --fsync", digits: 2 },
  { key: "cpuToRsync", title: "CPU / rsync", digits: 2 },
  { key: "note", title: "note" },
];

const { values } = parseArgs({
  options: { quick: { type: "boolean", default: false }, rounds: { type: "string", default: "3" } },
});
const files = values.quick ? 20_000 : 100_000;
const rounds = Number(values.rounds);
let mirrors = 0;
const work = mkdtempSync(join(tmpdir(), "prsync-bench-small-"));
try {
  await main();
} finally {
  rmSync(work, { recursive: true });
}

/** Brings the tree into an empty directory. */
type Tool = (destination: string) => Promise<LinkRun>;

async function main(): Promise<void> {
  const tree = join(work, "tree");
  writeTree(tree);
  const env = { PRSYNC_STATE_HOME: join(work, "state") };
  await runPrsync(["publish", tree], { env });
  await using central = await RunningProgram.start(["serve", tree, "--listen", "127.0.0.1:0", "--peer-port", "0"], {
    env,
  });
  await using daemon = await RsyncDaemon.start(tree, work);
  const tools = new Map<string, Tool>([
    ["prsync", (destination) => prsync(destination, { tree, central, env })],
    ["rsync -a", (destination) => rsync(destination, daemon, [])],
    ["rsync -a --fsync", (destination) => rsync(destination, daemon, ["--fsync"])],
  ]);
  const runs = new Map<string, LinkRun[]>([...tools.keys()].map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, tool] of tools) {
      using disk = FreshDisk.make(files * DISK_BYTES_PER_FILE);
      const destination = join(disk.path, "mirror");
      mkdirSync(destination);
      runs.get(name)!.push(await tool(destination));
      const differences = await rsyncDifferences(tree, destination);
      if (differences !== "") throw new Error(`${name}: the mirror differs from the tree:\n${differences}`);
    }
  }
  const rows = rowsOf(runs);
  printTable(COLUMNS, rows);
  writeResult("small-files", {
    seed: SEED,
    files,
    fileBytes: FILE_BYTES,
    rounds,
    rsync: await versionOf("rsync"),
    rows,
  });
}

function writeTree(tree: string): void {
  for (let index = 0; index < files; index++) {
    const directory = join(tree, `group-${Math.floor(index / FILES_PER_DIRECTORY)}`);
    if (index % FILES_PER_DIRECTORY === 0) mkdirSync(directory, { recursive: true });
    const path = join(directory, `file-${index}.bin`);
    writeFileSync(path, seededBytes(FILE_BYTES, SEED + index));
    utimesSync(path, 1_767_225_600, 1_767_225_600);
  }
}

async function prsync(
  destination: string,
  {
    tree,
    central,
    env,
  }: { readonly tree: string; readonly central: RunningProgram; readonly env: Record<string, string> },
): Promise<LinkRun> {
  const invited = await runPrsync(["invite", tree, `mirror${++mirrors}`, "--url", central.ready.http], { env });
  const before = cpuSecondsOf(central.child.pid!);
  const words = [PRSYNC, "sync", invited.stdout.trim(), destination];
  const { wallSeconds, cpuSeconds } = await measureSuccess(process.execPath, words, { env });
  return {
    wallSeconds,
    receiverCpuSeconds: cpuSeconds,
    senderCpuSeconds: cpuSecondsOf(central.child.pid!) - before,
  };
}

async function rsync(destination: string, daemon: RsyncDaemon, options: readonly string[]): Promise<LinkRun> {
  const before = cpuSecondsOf(daemon.pid);
  const { wallSeconds, cpuSeconds } = await measureSuccess("rsync", ["-a", ...options, daemon.url, `${destination}/`]);
  await new Promise((wake) => setTimeout(wake, 100)); // until the daemon has reaped the process that served us
  return { wallSeconds, receiverCpuSeconds: cpuSeconds, senderCpuSeconds: cpuSecondsOf(daemon.pid) - before };
}

function rowsOf(runs: ReadonlyMap<string, readonly LinkRun[]>): Row[] {
  const ratio = (own: readonly LinkRun[], name: string, figure: (run: LinkRun) => number): number =>
    median(own.map((run, round) => figure(run) / figure(runs.get(name)![round]!)));
  const cpu = (run: LinkRun): number => run.receiverCpuSeconds + run.senderCpuSeconds;
  return [...runs].map(([tool, own]) => {
    const wallSeconds = median(own.map((run) => run.wallSeconds));
    return {
      tool,
      wallSeconds,
      receiverCpuSeconds: median(own.map((run) => run.receiverCpuSeconds)),
      senderCpuSeconds: median(own.map((run) => run.senderCpuSeconds)),
      filesPerSecond: files / wallSeconds,
      timeToRsync: ratio(own, "rsync -a", (run) => run.wallSeconds),
      timeToDurable: ratio(own, "rsync -a --fsync", (run) => run.wallSeconds),
      cpuToRsync: ratio(own, "rsync -a", cpu),
      note: isNoisy(own.map((run) => run.wallSeconds)) ? "noisy" : undefined,
    };
  });
}
