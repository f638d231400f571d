// What a mirror's machine gives for a daemon that has nothing to do: resident memory (at rest and at its peak) and share of a core of `prsync daemon`, after its
// first sync and after a restart, beside Syncthing on the same tree. `npm run bench -- idle-daemon`, or
// `node bench/idle-daemon.ts --files 2200000 --minutes 5` after `npm run build`; 200,000 files without it. Needs root (network
// namespaces, file systems of its own), curl and syncthing. Syncthing shares the tree with nobody, without rescans and watcher, the least
// that it can do; our daemon announces and holds its stream of events from central. Each rests for a minute before the minutes count.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { TestNetwork } from "../test/support/network.ts";
import { RunningProgram, runPrsync } from "../test/support/program.ts";
import { FreshDisk } from "./support/fresh-disk.ts";
import { processUse } from "./support/process-use.ts";
import { DISK_BYTES_PER_FILE, writeSmallTree } from "./support/small-tree.ts";
import { SyncthingHost } from "./support/syncthing-host.ts";
import { printTable, versionOf, writeResult, type Column, type Row } from "./support/report.ts";

const DEFAULT_FILES = 200_000;
const REST_MS = 60_000;
const SYNC_TIMEOUT_MS = 3_600_000;
const COLUMNS: readonly Column[] = [
  { key: "program", title: "program" },
  { key: "when", title: "after" },
  { key: "residentMegabytes", title: "MB" },
  { key: "peakMegabytes", title: "peak MB" },
  { key: "corePercent", title: "% of a core", digits: 2 },
];

const { values } = parseArgs({
  options: { files: { type: "string", default: String(DEFAULT_FILES) }, minutes: { type: "string", default: "5" } },
});
const files = Number(values.files);
const minutes = Number(values.minutes);
const work = mkdtempSync(join(tmpdir(), "prsync-bench-idle-"));
const env = { PRSYNC_STATE_HOME: join(work, "state") };
const rows: Row[] = [];
try {
  await main();
} finally {
  rmSync(work, { recursive: true });
}
const syncthing = await versionOf("syncthing");
writeResult(files === DEFAULT_FILES ? "idle-daemon" : `idle-daemon-${files}`, { files, minutes, syncthing, rows });

async function main(): Promise<void> {
  using source = FreshDisk.make(2 * files * DISK_BYTES_PER_FILE);
  using ours = FreshDisk.make(files * DISK_BYTES_PER_FILE);
  using network = new TestNetwork();
  const [central, mirror] = [network.addHost("central"), network.addHost("mirror")];
  const tree = join(source.path, "tree");
  writeSmallTree(tree, files);
  const published = await runPrsync(["publish", tree], { env });
  if (published.code !== 0) throw new Error(`publish ended with ${published.code}: ${published.stderr}`);
  await using serving = await RunningProgram.start(
    ["serve", tree, "--listen", `${central.address}:0`, "--peer-port", "0"],
    { enter: central.enter, env },
  );
  const invited = await runPrsync(["invite", tree, "mirror", "--url", serving.ready.http], { env });

  const destination = join(ours.path, "mirror");
  const daemon = async (...ticket: readonly string[]): Promise<RunningProgram> => {
    const words = ["daemon", ...ticket, destination, "--listen", `${mirror.address}:0`, "--peer-port", "0"];
    return await RunningProgram.start(words, { enter: mirror.enter, env });
  };
  {
    await using first = await daemon(invited.stdout.trim());
    await first.waitFor(({ event }) => event === "synced", SYNC_TIMEOUT_MS);
    await rest("prsync daemon", "first sync", first.child.pid!);
  }
  {
    await using again = await daemon();
    await rest("prsync daemon", "a restart", again.child.pid!);
  }
  for (const when of ["first scan", "a restart"]) {
    await using peer = await SyncthingHost.start(mirror, tree, join(work, "syncthing"));
    await peer.waitForFiles(files);
    await rest("syncthing", when, peer.child.pid!);
  }
}

async function rest(program: string, when: string, pid: number): Promise<void> {
  await pause(REST_MS);
  const [start, before] = [performance.now(), processUse(pid)];
  await pause(minutes * 60_000);
  const after = processUse(pid);
  rows.push({
    program,
    when,
    residentMegabytes: after.residentMegabytes,
    peakMegabytes: after.peakMegabytes,
    corePercent: (100_000 * (after.cpuSeconds - before.cpuSeconds)) / (performance.now() - start),
  });
  printTable(COLUMNS, rows.slice(-1));
}

async function pause(milliseconds: number): Promise<void> {
  await new Promise((wake) => setTimeout(wake, milliseconds));
}
