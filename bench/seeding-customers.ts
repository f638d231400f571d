// What a mirror that gives to other mirrors costs its customers: one mirror on a line of its own (tc tbf), a customer's download alone and while new
// mirrors fetch from it, by turns, with --bwlimit a little below the line and without. Goal: at most a tenth longer. Needs root and
// iproute2. `node bench/seeding-customers.ts --rounds 3 --mbit 80 --seconds 20`
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { TestNetwork, type TestHost } from "../test/support/network.ts";
import { run, RunningProgram, runPrsync, runPrsyncJson, start } from "../test/support/program.ts";
import { randomBytesOf } from "../test/support/sample-tree.ts";
import { printTable, type Row, writeResult } from "./support/report.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    mbit: { type: "string", default: "80" },
    /** About so long takes the download alone. */
    seconds: { type: "string", default: "4" },
    name: { type: "string", default: "seeding-customers" },
  },
});
const mbit = Number(values.mbit);
const CUSTOMER_BYTES = mbit * 112_500 * Number(values.seconds);
/** Longer than a customer's download, whoever has the line. */
const SWARM_BYTES = Math.max(mbit * 3_600_000, 2 * CUSTOMER_BYTES);
/** Of central while others fetch: the mirror gives them nearly all. */
const CENTRAL_KIB = 200;
/** Below what the line carries of TCP's payload: the queue is here, not in the line. */
const LIMIT_KIB = Math.floor((mbit * 1e6 * 0.9) / 8 / 1024);
const TAKERS = 2;
const MOST_RATIO = 1.1;

const directory = mkdtempSync(join(tmpdir(), "prsync-seeding-"));
const tree = join(directory, "tree");
const env = { PRSYNC_STATE_HOME: join(directory, "state") };
let names = 0;
const rows: Row[] = [];
try {
  mkdirSync(tree);
  writeFileSync(join(tree, "customer.iso"), randomBytesOf(1, CUSTOMER_BYTES));
  writeFileSync(join(tree, "swarm.iso"), randomBytesOf(2, SWARM_BYTES));
  await runPrsyncJson(["publish", tree], { env });
  for (const limited of [true, false]) rows.push(await measured(limited));
} finally {
  rmSync(directory, { recursive: true });
}
printTable(
  [
    { key: "bwlimit", title: "--bwlimit KiB/s" },
    { key: "alone", title: "alone s", digits: 2 },
    { key: "beside", title: "while seeding s", digits: 2 },
    { key: "ratio", title: "ratio", digits: 3 },
    { key: "swarmShare", title: "swarm's share of the line", digits: 2 },
  ],
  rows,
);
writeResult(values.name, {
  mbit,
  rounds: Number(values.rounds),
  seconds: Number(values.seconds),
  rows,
  verdict: rows.every(({ ratio }) => Number(ratio) <= MOST_RATIO),
});

async function measured(limited: boolean): Promise<Row> {
  using network = new TestNetwork();
  await using opened = new AsyncDisposableStack();
  const central = network.addHost("central");
  const mirror = network.addHost("mirror", { up: `${mbit}mbit`, down: "1gbit" });
  const customer = network.addHost("customer");
  const takers = Array.from({ length: TAKERS }, (_, index) => network.addHost(`taker${index}`));
  const serve = ["serve", tree, "--announce-interval", "10s"];
  const giving = await RunningProgram.start(serve, { enter: central.enter, env });
  const words = ["--listen", `${mirror.address}:7381`, "--now", ...(limited ? ["--bwlimit", `${LIMIT_KIB}:0`] : [])];
  const ticket = await invite(central);
  const daemon = ["daemon", ticket, join(directory, `mirror${names}`), ...words];
  const seeding = opened.use(await RunningProgram.start(daemon, { enter: mirror.enter, env }));
  await seeding.waitFor(({ event }) => event === "synced", 300_000);
  await giving.stop();
  opened.use(await RunningProgram.start([...serve, "--bwlimit", `${CENTRAL_KIB}:0`], { enter: central.enter, env }));
  const ratios: number[] = [];
  const alone: number[] = [];
  const beside: number[] = [];
  const shares: number[] = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    const seconds = await secondsOfDownload(customer, mirror);
    const fetching = await Promise.all(takers.map((taker) => fetchFrom(central, taker)));
    await begun(mirror);
    const before = takers.reduce((sum, taker) => sum + taker.counters().receivedBytes, 0);
    const sentBefore = mirror.counters().sentBytes;
    const slower = await secondsOfDownload(customer, mirror);
    const sent = mirror.counters().sentBytes - sentBefore;
    shares.push(Math.max(0, sent - CUSTOMER_BYTES * 1.03) / sent);
    if (takers.reduce((sum, taker) => sum + taker.counters().receivedBytes, 0) === before)
      throw new Error("nobody fetched");
    for (const stop of fetching) await stop();
    alone.push(seconds);
    beside.push(slower);
    ratios.push(slower / seconds);
    console.error(JSON.stringify({ limited, seconds, slower, swarmShare: shares.at(-1) }));
  }
  const row = { alone: median(alone), beside: median(beside), ratio: median(ratios), swarmShare: median(shares) };
  return { bwlimit: limited ? LIMIT_KIB : "none", ...row };
}

async function invite(central: TestHost): Promise<string> {
  const words = ["invite", tree, `m${++names}`, "--url", `http://${central.address}:7380`];
  return (await runPrsync(words, { env })).stdout.trim();
}

/** An empty mirror that begins to fetch; resolves to what ends it. */
async function fetchFrom(central: TestHost, taker: TestHost): Promise<() => Promise<void>> {
  const destination = join(directory, `taker${names + 1}`);
  const words = ["sync", await invite(central), destination, "--peer-port", "0"];
  const child = start(words, { enter: taker.enter, env });
  return async () => {
    child.kill("SIGTERM");
    await new Promise((resolve) => (child.exitCode === null ? child.once("exit", resolve) : resolve(undefined)));
    rmSync(destination, { recursive: true, force: true });
  };
}

/** Until the mirror gives to others at a rate. */
async function begun(mirror: TestHost): Promise<void> {
  for (let turn = 0; turn < 100; turn++) {
    const before = mirror.counters().sentBytes;
    await new Promise((resolve) => setTimeout(resolve, 300));
    if (mirror.counters().sentBytes - before > mbit * 1e4) return;
  }
  throw new Error("the mirror gave nothing to others within 30 s");
}

async function secondsOfDownload(customer: TestHost, mirror: TestHost): Promise<number> {
  const [command = "", ...words] = [...customer.enter, "curl", "-fsS", "-o", "/dev/null", "-w", "%{time_total}"];
  return Number(await run(command, [...words, `http://${mirror.address}:7381/customer.iso`]));
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
}
