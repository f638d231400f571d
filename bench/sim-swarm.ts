// The swarm in simulation: real sessions and tracker, virtual time, one bundle to empty volunteers that start together.
// `npm run bench -- sim-swarm`, or `node bench/sim-swarm.ts --volunteers 40,200 --size 16M --piece 256K --only sites`.
// Time is set beside the Kumar–Ross bound (lines without headers), and beside that of a central that sends one copy only; bytes across sites with locality (`balanced`, as central
// does it; `fair`, as `serve --fair-sites` does it), with `plain` locality (what sites gave counts for nothing) and with `none`. All lines 20 Mbit/s down.
// 1,000 volunteers take from five to twenty minutes a row: `--only sites --locality plain --merge` puts single rows into the committed result.
import { mkdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { BundleLayout } from "../src/core/bundle-layout.ts";
import { parseByteSize } from "../src/core/byte-size.ts";
import { oneCopySeconds } from "../src/model/kumar-ross.ts";
import type { LinkSpeed } from "../src/sim/network.ts";
import { runScenario, type ScenarioOutcome, type ScenarioVolunteer } from "../src/sim/scenario.ts";
import type { Locality } from "../src/sim/sim-tracker.ts";
import { barsSvg } from "./support/bars-svg.ts";
import { printTable, readResult, writeResult, type Column, type Row } from "./support/report.ts";

const DOWN = 2_500_000;
const EQUAL: LinkSpeed = { upBytesPerSecond: DOWN, downBytesPerSecond: DOWN, delayMs: 5 };
const QUARTER: LinkSpeed = { ...EQUAL, upBytesPerSecond: DOWN / 4 };

const COLUMNS: readonly Column[] = [
  { key: "case", title: "case" },
  { key: "volunteers", title: "volunteers" },
  { key: "locality", title: "locality" },
  { key: "originCopies", title: "origin copies", digits: 3 },
  { key: "seconds", title: "time s", digits: 1 },
  { key: "toBound", title: "time / bound", digits: 2 },
  { key: "toOneCopy", title: "time / bound of one copy", digits: 2 },
  { key: "acrossCopies", title: "copies across sites", digits: 1 },
  { key: "leastRatio", title: "least up/down", digits: 2 },
  { key: "mostRatio", title: "most up/down", digits: 2 },
  { key: "unfinished", title: "unfinished" },
  { key: "cpuSeconds", title: "CPU s", digits: 1 },
];

const { values } = parseArgs({
  options: {
    volunteers: { type: "string", default: "40,200,1000" },
    size: { type: "string", default: "64M" },
    /** What `publish` takes unless told otherwise: large pieces spread late, 20 mirrors need half as long again with 1 MiB. */
    piece: { type: "string", default: "64K" },
    seed: { type: "string", default: "1" },
    /** Sites × members of the case of unequal sites. */
    unequal: { type: "string", default: "1x500,5x50,50x5" },
    only: { type: "string" },
    locality: { type: "string" },
    merge: { type: "boolean", default: false },
    name: { type: "string", default: "sim-swarm" },
  },
});
const layout = new BundleLayout([parseByteSize(values.size)], parseByteSize(values.piece));
const seed = Number(values.seed);
const rows: Row[] = [];

for (const count of values.volunteers.split(",").map(Number)) {
  const anywhere = (speed: LinkSpeed): ScenarioVolunteer[] => Array.from({ length: count }, () => ({ speed }));
  await measure("equal lines", "balanced", EQUAL, anywhere(EQUAL));
  await measure("up = down/4", "balanced", QUARTER, anywhere(QUARTER));
  await measure("mirrors' up = down/4", "balanced", EQUAL, anywhere(QUARTER));
  const sites = Math.max(2, Math.round(count / 50));
  const inSites = Array.from({ length: count }, (_, index) => ({ speed: QUARTER, site: `site ${index % sites}` }));
  for (const locality of ["none", "balanced", "fair"] as const)
    await measure(`${sites} sites`, locality, QUARTER, inSites);
}
const unequal = values.unequal.split(",").flatMap((group) => {
  const [sites = 0, members = 0] = group.split("x").map(Number);
  return Array.from({ length: sites * members }, (_, index) => ({
    speed: QUARTER,
    site: `${members}: ${Math.floor(index / members)}`,
  }));
});
for (const locality of ["plain", "balanced", "fair"] as const)
  await measure(`unequal sites ${values.unequal}`, locality, QUARTER, unequal);

printTable(COLUMNS, rows);
const all = values.merge ? mergedWith(readResult(values.name)?.["rows"] as Row[] | undefined, rows) : rows;
writeResult(values.name, { rows: all });
mkdirSync(new URL("results/", import.meta.url), { recursive: true });
const bars = all.map((row) => ({
  label: `${row["case"]}, ${row["volunteers"]}, ${row["locality"]}`,
  value: Number(row["acrossCopies"]),
}));
writeFileSync(
  new URL(`results/${values.name}.svg`, import.meta.url),
  barsSvg("Copies of the content that crossed borders of sites", bars),
);

/** New rows take the place of those of the same scene. */
function mergedWith(earlier: readonly Row[] = [], measured: readonly Row[]): readonly Row[] {
  const sceneOf = (row: Row): string =>
    JSON.stringify(["case", "volunteers", "locality", "sizeBytes", "pieceBytes", "seed"].map((key) => row[key]));
  const merged = new Map([...earlier, ...measured].map((row) => [sceneOf(row), row]));
  return [...merged.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
}

async function measure(
  name: string,
  locality: Locality,
  origin: LinkSpeed,
  volunteers: readonly ScenarioVolunteer[],
): Promise<void> {
  if (values.only !== undefined && !name.includes(values.only)) return;
  if (values.locality !== undefined && values.locality !== locality) return;
  const before = process.cpuUsage();
  const outcome = await runScenario({ seed, layout, origin, volunteers, locality });
  const { user, system } = process.cpuUsage(before);
  const ratios = ratiosOf(outcome);
  rows.push({
    case: name,
    volunteers: volunteers.length,
    locality,
    seed,
    sizeBytes: layout.totalLengthBytes,
    pieceBytes: layout.pieceLength,
    originCopies: outcome.originCopies,
    seconds: outcome.seconds,
    toBound: outcome.seconds / outcome.boundSeconds,
    toOneCopy: outcome.seconds / oneCopyOf(origin, volunteers),
    acrossCopies: outcome.acrossBytes / layout.totalLengthBytes,
    leastRatio: Math.min(...ratios),
    mostRatio: Math.max(...ratios),
    unfinished: outcome.volunteers.filter((one) => one.seconds === undefined).length,
    cpuSeconds: (user + system) / 1e6,
  });
  console.error(JSON.stringify(rows.at(-1)));
}

function oneCopyOf(origin: LinkSpeed, volunteers: readonly ScenarioVolunteer[]): number {
  const peers = volunteers.map(({ speed }) => speed);
  const fileBytes = layout.totalLengthBytes;
  return oneCopySeconds({ fileBytes, originUpBytesPerSecond: origin.upBytesPerSecond, peers });
}

/** What each site gave to others / what it took from others and from central. */
function ratiosOf({ sites }: ScenarioOutcome): number[] {
  return [...sites.values()].map(
    ({ uploadedBytes, downloadedBytes, fromOriginBytes }) => uploadedBytes / (downloadedBytes + fromOriginBytes),
  );
}
