// The paper's experiment: who serves a customer, and how evenly. `npm run bench -- balance`, or
// `node bench/balance.ts --seeds 20 --scenes workload,equal,sync,announce`. In simulation with the product's own registry of
// announces, list and pools of volunteers (16 candidates drawn, new ones with an eighth), eligibility, estimates of loads and policies; 40
// volunteers of 5, 10 and 20 Mbit/s up (in one scene 8.5 each), each line shared fairly by customers'
// connections and the 16 of its own synchronisation. All follows from the seeds. What 100 % means: bench/support/balance-scenes.ts.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { runCustomers } from "../src/sim/customer-scenario.ts";
import { balanceSvg } from "./support/balance-plot.ts";
import {
  type BalanceScene,
  CHOICES,
  type ChoiceName,
  IMAGE_BYTES,
  playScene,
  WARM_UP_SECONDS,
} from "./support/balance-scenes.ts";
import { balanceVerdicts } from "./support/balance-verdicts.ts";
import { type Distribution, distributionOf, jainIndex } from "./support/distribution.ts";
import { type Column, printTable, readResult, type Row, writeResult } from "./support/report.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "20" },
    scenes: { type: "string", default: "workload,equal,sync,announce" },
    /** Rows of other scenes stay as they were. */
    merge: { type: "boolean", default: false },
    name: { type: "string", default: "balance" },
  },
});
const seeds = Number(values.seeds);
const WORKLOADS = [0.2, 0.4, 0.6, 0.8, 1];
const DEFAULT_ANNOUNCE_SECONDS = 60;

const COLUMNS: readonly Column[] = [
  { key: "scene", title: "scene" },
  { key: "workload", title: "workload", digits: 1 },
  { key: "announceSeconds", title: "announce s" },
  { key: "choice", title: "who decides" },
  { key: "mean", title: "mean s", digits: 2 },
  { key: "p50", title: "p50 s", digits: 2 },
  { key: "p95", title: "p95 s", digits: 2 },
  { key: "p99", title: "p99 s", digits: 1 },
  { key: "cv", title: "CV", digits: 2 },
  { key: "imageP25", title: "image p25 s" },
  { key: "imageP75", title: "image p75 s" },
  { key: "jain", title: "Jain of work", digits: 3 },
  { key: "workCv", title: "CV of work", digits: 2 },
];

const rows: Row[] = [];
const before = process.cpuUsage();
if (values.scenes.includes("workload")) {
  const compared: ChoiceName[] = [
    "random",
    "round robin",
    "weights",
    "two choices",
    "least sent",
    "expected time, sync not counted",
    "expected time",
    "oracle",
  ];
  for (const workload of WORKLOADS)
    await compare("daily syncs", { workload, syncing: "daily", lines: "mixed" }, compared, DEFAULT_ANNOUNCE_SECONDS);
}
if (values.scenes.includes("equal")) {
  const compared: ChoiceName[] = ["random", "round robin", "expected time", "oracle"];
  for (const workload of WORKLOADS)
    await compare("equal lines", { workload, syncing: "daily", lines: "equal" }, compared, DEFAULT_ANNOUNCE_SECONDS);
}
if (values.scenes.includes("sync")) {
  const compared: ChoiceName[] = ["round robin", "expected time, sync not counted", "expected time", "oracle"];
  for (const workload of WORKLOADS)
    await compare(
      "half synchronise",
      { workload, syncing: "half", lines: "mixed" },
      compared,
      DEFAULT_ANNOUNCE_SECONDS,
    );
}
if (values.scenes.includes("announce")) {
  const compared: ChoiceName[] = ["last announces alone", "expected time", "oracle"];
  for (const announceSeconds of [10, 60, 300, 1_800])
    await compare("announces", { workload: 0.8, syncing: "daily", lines: "mixed" }, compared, announceSeconds);
}
const { user, system } = process.cpuUsage(before);
printTable(COLUMNS, rows);
const measured = new Set(rows.map((row) => row["scene"]));
const earlier = values.merge ? ((readResult(values.name)?.["rows"] ?? []) as Row[]) : [];
const all = [...earlier.filter((row) => !measured.has(row["scene"])), ...rows];
const verdicts = balanceVerdicts(all);
for (const line of verdicts) console.log(line);
writeResult(values.name, { seeds, cpuSeconds: (user + system) / 1e6, verdicts, rows: all });
writeFileSync(new URL(`results/${values.name}.svg`, import.meta.url), balanceSvg(all));

async function compare(
  scene: string,
  played: BalanceScene,
  choices: readonly ChoiceName[],
  announceSeconds: number,
): Promise<void> {
  for (const choice of choices) {
    const runs: Run[] = [];
    for (let seed = 1; seed <= seeds; seed++) runs.push(await run(played, choice, { seed, announceSeconds }));
    const meanOf = (valueOf: (run: Run) => number): number =>
      runs.reduce((sum, one) => sum + valueOf(one), 0) / runs.length;
    rows.push({
      scene,
      workload: played.workload,
      announceSeconds,
      choice,
      mean: meanOf(({ all }) => all.mean),
      p50: meanOf(({ all }) => all.p50),
      p95: meanOf(({ all }) => all.p95),
      p95Most: Math.max(...runs.map(({ all }) => all.p95)),
      p99: meanOf(({ all }) => all.p99),
      cv: meanOf(({ all }) => all.cv),
      imageP25: meanOf(({ images }) => images.p25),
      imageP50: meanOf(({ images }) => images.p50),
      imageP75: meanOf(({ images }) => images.p75),
      jain: meanOf(({ work }) => jainIndex(work)),
      jainLeast: Math.min(...runs.map(({ work }) => jainIndex(work))),
      workCv: meanOf(({ work }) => distributionOf(Float64Array.from(work)).cv),
    });
    console.error(JSON.stringify(rows.at(-1)));
  }
}

interface Run {
  readonly all: Distribution;
  readonly images: Distribution;
  /** Seconds of its line that each mirror was given to do, for customers and for itself. */
  readonly work: readonly number[];
}

async function run(
  scene: BalanceScene,
  choice: ChoiceName,
  { seed, announceSeconds }: { readonly seed: number; readonly announceSeconds: number },
): Promise<Run> {
  const { mirrors, requests } = playScene(scene, seed);
  const warmUpSeconds = WARM_UP_SECONDS;
  const scenario = { seed, mirrors, requests, choice: CHOICES[choice], announceSeconds, warmUpSeconds };
  const { responseSeconds, work, refusedCount } = await runCustomers(scenario);
  if (refusedCount > 0) throw new Error(`${refusedCount} customers found no volunteer`);
  const isCounted = (_value: number, index: number): boolean => requests[index]!.atSeconds >= WARM_UP_SECONDS;
  const isImage = (value: number, index: number): boolean =>
    isCounted(value, index) && requests[index]!.bytes >= IMAGE_BYTES;
  return {
    all: distributionOf(responseSeconds.filter(isCounted)),
    images: distributionOf(responseSeconds.filter(isImage)),
    work: work.map(({ upBytesPerSecond, assignedBytes, syncBytes }) => (assignedBytes + syncBytes) / upBytesPerSecond),
  };
}
