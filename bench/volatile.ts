// What machines that come and go are good for, by what is placed on them (papers C40). `npm run bench -- volatile`, or
// `node bench/volatile.ts --seeds 3 --volunteers 40 --quota 20G`. In simulation with central's own choice (src/sim/placement-study.ts): no mirror
// stays; the machines begin empty, half of them are there at a time, half of their visits are longer than 5 hours. Ten times as many
// old files as new ones, 70 % of the requests for the new ones, which the paper's logs have within three days of a release.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { parseByteSize } from "../src/core/byte-size.ts";
import { curvesSvg, line, type CurvePlot } from "../src/report/curves-svg.ts";
import { PLACEMENT_NAMES, type PlacementName } from "../src/sim/named-placement.ts";
import { type PlacementRow, studyPlacements } from "../src/sim/placement-study.ts";
import { DEFAULT_RELEASE_DAY, releaseDayWorkload } from "../src/sim/release-day-workload.ts";
import { type Column, printTable, type Row, writeResult } from "./support/report.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "3" },
    volunteers: { type: "string", default: "40" },
    quota: { type: "string", default: "20G" },
  },
});
const seeds = Number(values.seeds);
const BYTES_PER_MBIT = 125_000;
const LINE = 10 * BYTES_PER_MBIT;
const ORIGIN = 1000 * BYTES_PER_MBIT;
/** Central gives machines that fetch no more than this. */
const ORIGIN_SYNC = 25 * BYTES_PER_MBIT;
const COLOURS: Readonly<Record<PlacementName, string>> = {
  none: "#222222",
  random: "#8c8c8c",
  popular: "#e08e1b",
  "newest-only": "#1b6ca8",
  assigned: "#2e8b57",
  all: "#c0392b",
};

const COLUMNS: readonly Column[] = [
  { key: "placement", title: "placement" },
  { key: "served", title: "by volunteers %", digits: 1 },
  { key: "replicatedGB", title: "replicated GB" },
  { key: "perReplicated", title: "served / replicated", digits: 3 },
  { key: "originGB", title: "central sends GB" },
  { key: "peak", title: "central's peak Mbit/s", digits: 1 },
  { key: "p95", title: "p95 wait s" },
  { key: "cutOff", title: "tries again" },
];

const before = process.cpuUsage();
const runs: (readonly PlacementRow[])[] = [];
for (let seed = 1; seed <= seeds; seed++) {
  const workload = releaseDayWorkload({
    ...DEFAULT_RELEASE_DAY,
    oldFiles: [300, 6_000, 2_000],
    requests: 15_000,
    seed,
  });
  const study = await studyPlacements(workload, {
    seed,
    volunteers: Number(values.volunteers),
    linkBytesPerSecond: LINE,
    quotaBytes: parseByteSize(values.quota),
    originBytesPerSecond: ORIGIN,
    originSyncBytesPerSecond: ORIGIN_SYNC,
    policy: "near" as const,
    onRun: (placement) => console.error(`seed ${seed}: ${placement}`),
  });
  runs.push(study);
}
const rows: readonly Row[] = PLACEMENT_NAMES.map((placement, at) => rowOf(placement, at));
const { user, system } = process.cpuUsage(before);
printTable(COLUMNS, rows);
const verdict = verdictOf(rows);
console.log(verdict);
writeResult("volatile", { ...values, seeds, cpuSeconds: (user + system) / 1e6, verdict, rows });
writeFileSync(
  new URL("results/volatile.svg", import.meta.url),
  curvesSvg("Volatile volunteers", [overTime(), benefit()]),
);

/** Means over the seeds. */
function rowOf(placement: string, at: number): Row {
  const mean = (valueOf: (row: PlacementRow) => number): number =>
    runs.reduce((sum, run) => sum + valueOf(run[at]!), 0) / runs.length;
  return {
    placement,
    served: 100 * mean(({ servedShare }) => servedShare),
    replicatedGB: mean(({ replicatedBytes }) => replicatedBytes) / 1e9,
    perReplicated: mean(({ servedPerReplicated }) => servedPerReplicated),
    originGB: mean(({ originBytes }) => originBytes) / 1e9,
    peak: mean(({ originPeakBytesPerSecond }) => originPeakBytesPerSecond) / BYTES_PER_MBIT,
    p95: mean(({ p95Seconds }) => p95Seconds),
    cutOff: mean(({ refusedConnections, interruptions }) => refusedConnections + interruptions),
  };
}

/** Does newest-only get most of the benefit for a fraction of the bytes? */
function verdictOf(all: readonly Row[]): string {
  const of = (placement: string): Row => all.find((row) => row["placement"] === placement)!;
  const ratioOf = (which: string, key: string, to: PlacementName): number =>
    Number(of(which)[key]) / Number(of(to)[key]);
  const ratio = (key: string, to: PlacementName): number => ratioOf("newest-only", key, to);
  const served = ratio("served", "all");
  const bytes = ratio("replicatedGB", "all");
  const isSo = served >= 0.5 && bytes <= 0.5;
  const peak = `central's peak is ${ratio("peak", "none").toFixed(2)} of what it is without volunteers (everything: ${ratioOf("all", "peak", "none").toFixed(2)})`;
  const assigned = `what --role volatile holds serves ${ratioOf("assigned", "served", "all").toFixed(2)} for ${ratioOf("assigned", "replicatedGB", "all").toFixed(2)}`;
  return `newest-only serves ${served.toFixed(2)} of what a copy of everything serves, for ${bytes.toFixed(2)} of the bytes; ${assigned}; ${peak}: most of the benefit for a fraction of the bytes: ${isSo ? "yes" : "no"}`;
}

function overTime(): CurvePlot {
  return {
    title: "What central sends, seed 1",
    x: { title: "hours", isLogarithmic: false },
    y: { title: "Mbit/s", isLogarithmic: false },
    curves: runs[0]!.map(({ placement, samples }) =>
      line(
        placement,
        COLOURS[placement],
        samples.map(({ endSeconds, originToCustomers, originToVolunteers }) => [
          endSeconds / 3600,
          (originToCustomers + originToVolunteers) / BYTES_PER_MBIT,
        ]),
      ),
    ),
  };
}

function benefit(): CurvePlot {
  return {
    title: "Served by volunteers over what was replicated",
    x: { title: "replicated, GB", isLogarithmic: false },
    y: { title: "percent of customers' bytes", isLogarithmic: false },
    curves: rows.slice(0, PLACEMENT_NAMES.length).map((row) => ({
      name: String(row["placement"]),
      colour: COLOURS[row["placement"] as PlacementName],
      points: [[Number(row["replicatedGB"]), Number(row["served"])] as const],
      style: "crosses" as const,
    })),
  };
}
