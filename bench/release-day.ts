// A release day (papers C9, C16, C18, C39b): 40 mirrors, half of them partial, up = down / 4, synchronise while customers surge. `npm run
// bench -- release-day`, or `node bench/release-day.ts --seeds 5` (about 35 s of CPU each). In simulation: central's own choice and registry,
// customers and the swarm as fluids on the same lines (src/sim/fleet-scenario.ts), over the shape of bench/paper-repository; hours a day of
// synchronising over the 35 days that the paper watched an edge node. Beside PRsync: rsync once a night with central's own delivery, and
// with static mirrors by weight. The baseline alone is calibrated to the paper (bench/support/release-day-scenes.ts says by what); what came
// out stands in the result, figures per seed and the middle ones. bench/release-day-real.ts holds real programs beside the simulation.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { curvesSvg, line, type CurvePlot } from "../src/report/curves-svg.ts";
import type { FleetSample } from "../src/sim/fleet-record.ts";
import {
  medianFigures,
  runReleaseDay,
  type ReleaseDayFigures,
  type ReleaseDayRun,
} from "./support/release-day-figures.ts";
import {
  OWN_DELIVERY,
  PRSYNC,
  SLOW_PRSYNC,
  STATIC_MIRRORS,
  SYSTEMS,
  type System,
} from "./support/release-day-scenes.ts";
import { type Column, printTable, writeResult } from "./support/report.ts";

const { values } = parseArgs({ options: { seeds: { type: "string", default: "5" } } });
const seeds = Array.from({ length: Number(values.seeds) }, (_, at) => at + 1);
const HOUR = 3_600;
const BYTES_PER_MBIT = 125_000;
const COLOURS = ["#c0392b", "#e08e1b", "#1b6ca8", "#5b9a3c"];

const COLUMNS: readonly Column[] = [
  { key: "system", title: "system" },
  { key: "leastHours", title: "h a day: least", digits: 2 },
  { key: "middleHours", title: "mean", digits: 2 },
  { key: "mostHours", title: "most", digits: 2 },
  { key: "meanHours", title: "mean of all mirrors", digits: 3 },
  { key: "boundHours", title: "bound of the lines", digits: 3 },
  { key: "originGB", title: "central sends GB" },
  { key: "byVolunteers", title: "by volunteers %", digits: 1 },
  { key: "imageP25", title: "image p25 s" },
  { key: "imageP75", title: "p75 s" },
  { key: "quietP95", title: "p95 quiet s", digits: 1 },
  { key: "peakP95", title: "p95 peak s", digits: 1 },
  { key: "told", title: "last told s", digits: 1 },
  { key: "complete", title: "last complete h", digits: 2 },
  { key: "failed", title: "failed" },
];

const before = process.cpuUsage();
const runs = new Map<System, ReleaseDayRun[]>(SYSTEMS.map((system) => [system, []]));
for (const seed of seeds) {
  for (const system of SYSTEMS) {
    const run = await runReleaseDay(system, seed);
    runs.get(system)!.push(run);
    console.error(JSON.stringify({ seed, system: system.name, ...run.figures }));
  }
}
const medians = new Map(
  [...runs].map(([system, all]) => [system, medianFigures(all.map(({ figures }) => figures))] as const),
);
const rows = [...medians].map(([{ name }, figures]) => ({ system: name, ...figures }));
const { user, system: kernel } = process.cpuUsage(before);
printTable(COLUMNS, rows);
const verdicts = [...calibrationOf(medians), ...goalsOf(PRSYNC), ...goalsOf(SLOW_PRSYNC)];
for (const verdict of verdicts) console.log(verdict);
writeResult("release-day", {
  cpuSeconds: (user + kernel) / 1e6,
  verdicts,
  rows,
  seeds: seeds.map((seed, at) => ({
    seed,
    rows: [...runs].map(([{ name }, all]) => ({ system: name, ...all[at]!.figures })),
  })),
  originByHour: Object.fromEntries([...runs].map(([{ name }, all]) => [name, all[0]!.samples.map(byHour)])),
});
writeFileSync(
  new URL("results/release-day.svg", import.meta.url),
  curvesSvg("A release day", [
    plotOf("Central to customers", ({ originToCustomers }) => originToCustomers),
    plotOf("Central to mirrors", ({ originToVolunteers }) => originToVolunteers),
    plotOf("Mirrors to customers", ({ volunteersToCustomers }) => volunteersToCustomers),
  ]),
);

/** What the baseline came to beside the paper. */
function calibrationOf(of: ReadonlyMap<System, ReleaseDayFigures>): string[] {
  const { leastHours, middleHours, mostHours } = of.get(OWN_DELIVERY)!;
  const { imageP25, imageP75 } = of.get(STATIC_MIRRORS)!;
  const beside = (value: number, paper: number, digits: number): string =>
    `${value.toFixed(digits)} (${paper}: ${(100 * (value / paper - 1)).toFixed(0)} %)`;
  return [
    `calibration, hours a day with rsync and own delivery, least / mean / most (paper): ${beside(leastHours, 0.54, 2)} / ${beside(middleHours, 1.81, 2)} / ${beside(mostHours, 20.53, 2)}`,
    `calibration, middle half of the waits for images with static mirrors, s (paper): ${beside(imageP25, 480, 0)} … ${beside(imageP75, 900, 0)}`,
  ];
}

/** Goals of design.md, section 9, for the middle seed, with the worst one. */
function goalsOf(system: System): string[] {
  const all = runs.get(system)!.map(({ figures }) => figures);
  const goal = (
    what: string,
    valueOf: (one: ReleaseDayFigures) => number,
    isMet: (value: number) => boolean,
  ): string => {
    const sorted = all.map(valueOf).toSorted((a, b) => a - b);
    const middle = sorted[sorted.length >> 1]!;
    const range = `${sorted[0]!.toFixed(2)} … ${sorted.at(-1)!.toFixed(2)}`;
    return `${system.name}: ${what}: ${middle.toFixed(2)} (${range}): ${isMet(middle) ? "met" : "missed"}`;
  };
  return [
    goal(
      "hours a day of synchronising, mean (at most 0.2)",
      ({ meanHours }) => meanHours,
      (value) => value <= 0.2,
    ),
    goal(
      "customers' bytes from volunteers, % (at least 95)",
      ({ byVolunteers }) => byVolunteers,
      (value) => value >= 95,
    ),
    goal(
      "p95 wait at the peak / on a quiet day (at most 2)",
      ({ peakP95, quietP95 }) => peakP95 / quietP95,
      (value) => value <= 2,
    ),
    goal(
      "failed requests (0)",
      ({ failed }) => failed,
      (value) => value === 0,
    ),
  ];
}

/** GB. */
function byHour({ originToCustomers, originToVolunteers }: FleetSample): readonly [number, number] {
  return [(originToCustomers * HOUR) / 1e9, (originToVolunteers * HOUR) / 1e9];
}

/** Of the first seed. */
function plotOf(title: string, rateOf: (sample: FleetSample) => number): CurvePlot {
  return {
    title,
    x: { title: "hours", isLogarithmic: false },
    y: { title: "Mbit/s", isLogarithmic: false },
    curves: [...runs].map(([{ name }, all], i) =>
      line(
        name,
        COLOURS[i]!,
        all[0]!.samples.map((sample) => [sample.endSeconds / HOUR, rateOf(sample) / BYTES_PER_MBIT]),
      ),
    ),
  };
}
