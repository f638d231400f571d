// Many small files, ours beside rsync and find on the same tree: first publish, publish and sync with nothing new, first sync,
// and a release of 100 changes. `npm run bench -- scale`, or `node bench/scale.ts --files 2200000` after `npm run build`; 200,000 files
// without it. Needs root (network namespaces, file systems of its own), rsync and GNU time. Central and mirror are hosts of their own; the
// bytes are those of the mirror's interface, both ways, all layers. Peak memory is that of the largest process of a command. Files have
// 20 to 300 bytes, all different, 1,000 in a directory. Each step runs once, `find` and ours in turn; the caches of both are warm.
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { TestNetwork, type TestHost } from "../test/support/network.ts";
import { RunningProgram, runPrsync } from "../test/support/program.ts";
import { rsyncDifferences } from "../test/support/rsync-referee.ts";
import { FreshDisk } from "./support/fresh-disk.ts";
import { RsyncHost } from "./support/rsync-host.ts";
import { processUse } from "./support/process-use.ts";
import { DISK_BYTES_PER_FILE, smallFilePath, writeSmallTree } from "./support/small-tree.ts";
import { measureSuccess, printTable, versionOf, writeResult, type Column, type Row } from "./support/report.ts";

const PRSYNC = resolve(import.meta.dirname, "../bin/prsync.cjs");
const DEFAULT_FILES = 200_000;
const CHANGED_FILES = 100;
const CHANGE_TEXT = "changed\n";

const COLUMNS: readonly Column[] = [
  { key: "step", title: "step" },
  { key: "tool", title: "tool" },
  { key: "wallSeconds", title: "s", digits: 2 },
  { key: "cpuSeconds", title: "CPU s", digits: 2 },
  { key: "peakMegabytes", title: "peak MB" },
  { key: "wireBytes", title: "bytes on the wire" },
  { key: "toPeer", title: "s / peer's", digits: 2 },
];

const { values } = parseArgs({ options: { files: { type: "string", default: String(DEFAULT_FILES) } } });
const files = Number(values.files);
const work = mkdtempSync(join(tmpdir(), "prsync-bench-scale-"));
const env = { PRSYNC_STATE_HOME: join(work, "state") };
const rows: Row[] = [];
try {
  await main();
} finally {
  rmSync(work, { recursive: true });
}
printTable(COLUMNS, rows);
writeResult(files === DEFAULT_FILES ? "scale" : `scale-${files}`, { files, rsync: await versionOf("rsync"), rows });

async function main(): Promise<void> {
  using source = FreshDisk.make(2 * files * DISK_BYTES_PER_FILE);
  using ours = FreshDisk.make(files * DISK_BYTES_PER_FILE);
  using theirs = FreshDisk.make(files * DISK_BYTES_PER_FILE);
  using network = new TestNetwork();
  const [central, mirror] = [network.addHost("central"), network.addHost("mirror")];
  const tree = join(source.path, "tree");
  writeSmallTree(tree, files);

  await step("first publish", "prsync", prsyncWords("publish", tree));
  await step("publish, nothing new", "find", ["find", tree, "-printf", "%p %s %T@ %C@ %i\\n"]);
  await step("publish, nothing new", "prsync", prsyncWords("publish", tree));

  await using serving = await RunningProgram.start(
    ["serve", tree, "--listen", `${central.address}:0`, "--peer-port", "0"],
    { enter: central.enter, env },
  );
  await using rsyncd = await RsyncHost.start(central, tree, work);
  const invited = await runPrsync(["invite", tree, "mirror", "--url", serving.ready.http], { env });
  const mirrored = { rsync: join(theirs.path, "mirror"), prsync: join(ours.path, "mirror") };
  const sync = async (name: string, ticket: readonly string[] = []): Promise<void> => {
    await step(name, "rsync", ["rsync", "-a", "--delete", rsyncd.url, `${mirrored.rsync}/`], mirror);
    await step(name, "prsync", prsyncWords("sync", ...ticket, mirrored.prsync, "--delete", "--linger", "0s"), mirror);
  };
  await sync("first sync", [invited.stdout.trim()]);
  await sync("sync, nothing new");
  changeFiles(tree);
  await step(`publish, ${CHANGED_FILES} changed`, "prsync", prsyncWords("publish", tree));
  await sync(`sync, ${CHANGED_FILES} changed`);
  for (const destination of Object.values(mirrored)) await assertExact(tree, destination);
  rows.push({ step: "afterwards", tool: "prsync serve", peakMegabytes: processUse(serving.child.pid!).peakMegabytes });
}

function prsyncWords(...words: readonly string[]): string[] {
  return [process.execPath, PRSYNC, ...words];
}

/** Runs one command, on a host of its own if it has to do with the network, and adds its row. */
async function step(name: string, tool: string, words: readonly string[], host?: TestHost): Promise<void> {
  const peak = join(work, "peak");
  const before = host?.counters();
  const [command, ...rest] = [...(host?.enter ?? []), "time", "-f", "%M", "-o", peak, ...words];
  const { wallSeconds, cpuSeconds } = await measureSuccess(command!, rest, { env });
  const after = host?.counters();
  const peer = rows.find((row) => row["step"] === name);
  rows.push({
    step: name,
    tool,
    wallSeconds,
    cpuSeconds,
    peakMegabytes: (1024 * Number(readFileSync(peak, "utf8"))) / 1e6,
    wireBytes: before && after && after.sentBytes - before.sentBytes + after.receivedBytes - before.receivedBytes,
    toPeer: peer && wallSeconds / Number(peer["wallSeconds"]),
  });
  printTable(COLUMNS, rows.slice(-1));
}

/** Spread over the tree. */
function changeFiles(tree: string): void {
  for (let count = 0; count < CHANGED_FILES; count++) {
    appendFileSync(smallFilePath(tree, Math.floor((count * files) / CHANGED_FILES)), CHANGE_TEXT);
  }
}

async function assertExact(tree: string, destination: string): Promise<void> {
  const differences = await rsyncDifferences(tree, destination);
  if (differences !== "") throw new Error(`${destination} differs from the tree:\n${differences}`);
}
