// Redirects per second of one process on one core, ours beside nginx `return 302` and bare node:http and node:net: `npm run bench -- redirect`, or
// `node bench/redirect.ts --contents 2200000 --volunteers 1,40,1000 --rounds 3` after `npm run build`. Needs wrk, nginx and two cores. The
// index is publish's own with that many contents put in (bench/support/filled-repository.ts); the volunteers are enrolled and announce over HTTP,
// signed, once a minute each, while the load runs; a quarter holds a random half of everything, the others all. Server on core 0, wrk and announces on core
// 1, 64 connections. A working set is how many different files are asked for, in scattered order, each as often as the others: 70,000 stands for the popular
// files, all of them for the worst case. Every round runs all servers in turn; medians are shown, ratios are medians of each round's. Latencies at
// half the rate: connections that pause between requests, so many that they come to half of what the server reached.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { AnnouncingFleet } from "./support/announcing-fleet.ts";
import { enrolFleet, fillRepository, type FilledRepository } from "./support/filled-repository.ts";
import {
  startBareNode,
  startBareSocket,
  startNginx,
  startPrsync,
  type RedirectServer,
} from "./support/redirect-servers.ts";
import { type LoadRun, wrkLoad } from "./support/wrk-load.ts";
import { isNoisy, median, printTable, versionOf, writeResult, type Column, type Row } from "./support/report.ts";

const SERVER_CORE = 0;
const LOAD_CORE = 1;
const CONNECTIONS = 64;
/** Pause of a connection at half the rate; wrk takes whole milliseconds. */
const THINK_MS = 10;
/** More than central remembers per customer (65,536 requests of the last 10 s): all load comes from one address, and repeats would be failures. */
const POPULAR = 70_000;
const ANNOUNCE_INTERVAL_MS = 60_000;
/** Each run asks for the same files in the same order; within 10 s of the last one central would take them for failures. */
const FORGOTTEN_MS = 11_000;
/** Loads before the measuring, each so long, until central says that the release's files are in its memory (decision 0038). */
const WARM_SECONDS = 6;
const MOST_WARMINGS = 30;

const COLUMNS: readonly Column[] = [
  { key: "server", title: "server" },
  { key: "volunteers", title: "volunteers" },
  { key: "workingSet", title: "working set" },
  { key: "requestsPerSecond", title: "redirects/s" },
  { key: "toNginx", title: "/ nginx", digits: 2 },
  { key: "toBareNode", title: "/ bare node", digits: 2 },
  { key: "p50Ms", title: "p50 ms", digits: 2 },
  { key: "p99Ms", title: "p99 ms", digits: 2 },
  { key: "halfRate", title: "half rate/s" },
  { key: "halfP50Ms", title: "p50 ms", digits: 2 },
  { key: "halfP99Ms", title: "p99 ms", digits: 2 },
  { key: "note", title: "note" },
];

const { values } = parseArgs({
  options: {
    contents: { type: "string", default: "2200000" },
    volunteers: { type: "string", default: "1,40,1000" },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "5" },
    /** Where the filled repository is kept from run to run; without it a new one is made. */
    repository: { type: "string" },
  },
});
const [contents, rounds, seconds] = [values.contents, values.rounds, values.seconds].map(Number) as [
  number,
  number,
  number,
];
const fleetSizes = values.volunteers.split(",").map(Number);
const scratch = mkdtempSync(join(tmpdir(), "prsync-bench-redirect-"));
try {
  await main();
} finally {
  rmSync(scratch, { recursive: true });
}

interface Round {
  readonly full: LoadRun;
  readonly half: LoadRun;
}

async function main(): Promise<void> {
  // The announces come from this process: on the server's core they would take from it what they are to measure.
  execFileSync("taskset", ["-a", "-c", "-p", String(LOAD_CORE), String(process.pid)]);
  const repository = await fillRepository(values.repository ?? join(scratch, "repository"), contents);
  const members = enrolFleet(repository.stateDirectory, Math.max(...fleetSizes));
  const runs = new Map<string, Round[]>();
  const note = (key: string, round: Round): void => void runs.set(key, [...(runs.get(key) ?? []), round]);
  for (let round = 0; round < rounds; round++) {
    await using nginx = await startNginx(join(scratch, "nginx"), SERVER_CORE);
    note("nginx", await measured(nginx, contents));
    await using bare = await startBareNode(SERVER_CORE);
    note("bare node", await measured(bare, contents));
    await using socket = await startBareSocket(SERVER_CORE);
    note("node:net", await measured(socket, contents));
    for (const size of fleetSizes) await measurePrsync(repository, members.slice(0, size), note);
  }
  const rows = [...runs].map(([key, own]) => rowOf(key, own, runs));
  printTable(COLUMNS, rows);
  const versions = {
    nginx: await versionOf("nginx", ["-v"]),
    wrk: await versionOf("wrk", ["-v"]),
    node: process.version,
  };
  writeResult("redirect", { contents, rounds, seconds, connections: CONNECTIONS, versions, rows });
}

async function measurePrsync(
  repository: FilledRepository,
  members: ReturnType<typeof enrolFleet>,
  note: (key: string, round: Round) => void,
): Promise<void> {
  await using server = await startPrsync(repository, SERVER_CORE);
  const id = await repositoryIdOf(server);
  const { url } = server;
  const options = { url, repository: id, contents, intervalMs: ANNOUNCE_INTERVAL_MS };
  await using fleet = new AnnouncingFleet(members, options);
  await fleet.start();
  for (let warming = 0; !server.isWarm(); warming++) {
    if (warming === MOST_WARMINGS) throw new Error("central did not read the files of the release into its memory");
    await wrkLoad({ url, contents, core: LOAD_CORE, connections: CONNECTIONS, seconds: WARM_SECONDS, thinkMs: 0 });
  }
  for (const workingSet of [POPULAR, contents]) {
    note(["prsync", members.length, workingSet].join(), await measured(server, workingSet));
  }
}

async function measured(server: RedirectServer, workingSet: number): Promise<Round> {
  const load = { url: server.url, contents: workingSet, core: LOAD_CORE };
  const loadAnew = async (run: Pick<Parameters<typeof wrkLoad>[0], "connections" | "seconds" | "thinkMs">) => {
    await sleep(FORGOTTEN_MS);
    return await wrkLoad({ ...load, ...run });
  };
  await loadAnew({ connections: CONNECTIONS, seconds: 2, thinkMs: 0 });
  const full = await loadAnew({ connections: CONNECTIONS, seconds, thinkMs: 0 });
  const connections = Math.round((full.requestsPerSecond / 2) * (THINK_MS / 1000));
  const half = await loadAnew({ connections, seconds, thinkMs: THINK_MS });
  return { full, half };
}

async function repositoryIdOf(server: RedirectServer): Promise<string> {
  const root = await fetch(`${server.url}/.prsync/tuf/1.root.json`);
  return ((await root.json()) as { readonly signed: { readonly repository: string } }).signed.repository;
}

function rowOf(key: string, own: readonly Round[], runs: ReadonlyMap<string, readonly Round[]>): Row {
  const [server, volunteers, workingSet] = key.split(",");
  const of = (pick: (round: Round) => number): number => median(own.map(pick));
  const ratioTo = (other: string): number =>
    median(own.map(({ full }, round) => full.requestsPerSecond / runs.get(other)![round]!.full.requestsPerSecond));
  const failures = own.reduce((sum, { full, half }) => sum + full.failures + half.failures, 0);
  const noisy = isNoisy(own.map(({ full }) => full.requestsPerSecond)) ? "noisy" : undefined;
  return {
    server,
    volunteers: volunteers === undefined ? undefined : Number(volunteers),
    workingSet: workingSet === undefined ? undefined : Number(workingSet),
    requestsPerSecond: of(({ full }) => full.requestsPerSecond),
    toNginx: ratioTo("nginx"),
    toBareNode: ratioTo("bare node"),
    p50Ms: of(({ full }) => full.p50Ms),
    p99Ms: of(({ full }) => full.p99Ms),
    halfRate: of(({ half }) => half.requestsPerSecond),
    halfP50Ms: of(({ half }) => half.p50Ms),
    halfP99Ms: of(({ half }) => half.p99Ms),
    note: failures > 0 ? `${failures} failed` : noisy,
  };
}
