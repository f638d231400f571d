// How long central does nothing else while it lists a huge directory: `npm run bench -- listing`, or `node bench/listing.ts --entries 1000000
// --clients 1,4`. Central runs in this process, so that its event loop can be measured (perf_hooks' monitorEventLoopDelay, less the 1 ms at which
// that looks); curl fetches the page, from processes of their own. The index is publish's own with that many files put in.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { DEFAULT_SERVE_OPTIONS } from "../src/central/serve-options.ts";
import { serveTree } from "../src/central/serve.ts";
import { realClock } from "../src/net/real-clock.ts";
import { TufRepository } from "../src/publisher/tuf-repository.ts";
import { PublishedTreeReader } from "../src/store/published-tree.ts";
import { PublishIndex } from "../src/store/publish-index.ts";
import { ROW_KIND } from "../src/store/publish-index-schema.ts";
import { runPrsyncJson } from "../test/support/program.ts";
import { type Column, printTable, type Row, writeResult } from "./support/report.ts";

const COLUMNS: readonly Column[] = [
  { key: "entries", title: "entries" },
  { key: "clients", title: "clients" },
  { key: "longestMs", title: "longest block, ms", digits: 1 },
  { key: "p99Ms", title: "p99, ms", digits: 1 },
  { key: "seconds", title: "seconds", digits: 1 },
  { key: "cpuSeconds", title: "CPU s", digits: 1 },
  { key: "pageMegabytes", title: "page, MB", digits: 1 },
  { key: "grownMegabytes", title: "memory grown by, MB", digits: 0 },
];

const { values } = parseArgs({
  options: {
    entries: { type: "string", default: "1000000" },
    clients: { type: "string", default: "1,4" },
    /** Of each client, as a line is: a reader that takes all at once would have all in its own buffers. */
    rate: { type: "string", default: "1G" },
  },
});
const entries = Number(values.entries);
const scratch = mkdtempSync(join(tmpdir(), "prsync-bench-listing-"));
try {
  await main();
} finally {
  rmSync(scratch, { recursive: true });
}

async function main(): Promise<void> {
  const place = { treePath: join(scratch, "tree"), stateDirectory: join(scratch, "state") };
  await fill(place);
  const authority = await TufRepository.openOrCreate(place.stateDirectory, realClock);
  using tree = await PublishedTreeReader.open({ ...place, workDirectory: `${place.treePath}.prsync` });
  const quiet = (): void => undefined;
  const log = { debug: quiet, info: quiet, warn: quiet, error: quiet };
  const options = { ...DEFAULT_SERVE_OPTIONS, ...place, listenHost: "127.0.0.1", listenPort: 0, peerPort: 0 };
  const unlimited = { ...options, requestRate: undefined };
  await using central = await serveTree(unlimited, { tree, authority, clock: realClock, log });
  const rows: Row[] = [];
  for (const clients of values.clients.split(",").map(Number)) {
    rows.push(await measured(`${central.httpUrl}/flat/`, clients));
    await sleep(1_000);
  }
  printTable(COLUMNS, rows);
  writeResult("listing", { entries, rate: values.rate, rows });
}

async function fill({ treePath, stateDirectory }: { readonly treePath: string; readonly stateDirectory: string }) {
  mkdirSync(treePath);
  writeFileSync(join(treePath, "real"), "real");
  await runPrsyncJson(["publish", treePath, "--state", stateDirectory]);
  if (!existsSync(`${treePath}.prsync`)) throw new Error("publish left no index");
  using index = PublishIndex.openForWriting(`${treePath}.prsync`);
  index.transaction(() => {
    const content = Number(index.database.prepare("SELECT max(id) AS id FROM contents").get()!.id);
    const row = index.database.prepare(
      "INSERT INTO entries(path, kind, mode, mtime, size, content) VALUES(?, ?, ?, ?, ?, ?)",
    );
    row.run(Buffer.from("flat"), ROW_KIND.directory, 0o755, "784111777000000000", null, null);
    for (let number = 0; number < entries; number++) {
      const path = Buffer.from(`flat/package-${number}_1.0-1_amd64.deb`);
      row.run(path, ROW_KIND.file, 0o644, "784111777000000000", 4, content);
    }
  });
  index.database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
}

async function measured(url: string, clients: number): Promise<Row> {
  const before = process.memoryUsage.rss();
  let most = before;
  const looking = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 50);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const [startMs, cpu] = [performance.now(), process.cpuUsage()];
  const sizes = await Promise.all(Array.from({ length: clients }, () => fetched(url)));
  const { user, system } = process.cpuUsage(cpu);
  const seconds = (performance.now() - startMs) / 1_000;
  delay.disable();
  clearInterval(looking);
  most = Math.max(most, process.memoryUsage.rss());
  return {
    entries,
    clients,
    longestMs: delay.max / 1e6 - 1,
    p99Ms: delay.percentile(99) / 1e6 - 1,
    seconds,
    cpuSeconds: (user + system) / 1e6,
    pageMegabytes: sizes[0]! / 1e6,
    grownMegabytes: (most - before) / 1e6,
  };
}

/** Bytes of the page. */
async function fetched(url: string): Promise<number> {
  const words = ["-sf", "--limit-rate", values.rate, "-o", "/dev/null", "-w", "%{size_download}", url];
  const child = spawn("curl", words, { stdio: ["ignore", "pipe", "inherit"] });
  let told = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (told += text));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`curl ended with ${code ?? "a signal"}`);
  return Number(told);
}
