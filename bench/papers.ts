// What Planet Scale Software Updates (Gkantsidis, Karagiannis, Rodriguez, Vojnovic; SIGCOMM'06, MSR-TR-2006-85) prints, beside
// ours: from the closed forms of src/model, and from simulations that know nothing of them. `npm run bench -- papers` (about
// 30 s of CPU); --seed N for other random numbers. Ends with 1 if anything departs from the paper, or a simulation from its
// closed form, without a reason that is stated here.
//
// agree: ours is the printed value to its digits, or within what "about" means; both columns. differs: it is not, and why.
// misprint: the paper contradicts itself, and where. The traces are not public: distributions of subnet sizes, of machines per
// address, arrivals and requests are stand-ins that have all that the paper prints of them.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { curvesSvg } from "../src/report/curves-svg.ts";
import { cacheFindings } from "./support/planet-caches.ts";
import { checkRow } from "./support/planet-check.ts";
import { countChecks } from "./support/planet-counts.ts";
import { groupFindings } from "./support/planet-groups.ts";
import { hostFindings } from "./support/planet-hosts.ts";
import { localityFindings } from "./support/planet-locality.ts";
import { serverLoadFindings } from "./support/planet-server-load.ts";
import { subnetSizeFindings } from "./support/planet-subnet-sizes.ts";
import { printTable, writeResult } from "./support/report.ts";

const { values } = parseArgs({ options: { seed: { type: "string", default: "2006" } } });
const seed = Number(values.seed);

const findings = [
  cacheFindings(seed),
  hostFindings(seed + 1),
  localityFindings(seed + 2),
  groupFindings(seed + 3),
  subnetSizeFindings(seed + 4),
  { checks: countChecks(), plots: [] },
  serverLoadFindings(seed + 5),
];
const checks = findings.flatMap((found) => found.checks).sort((a, b) => rank(a.row) - rank(b.row));
const rows = checks.map(checkRow);
printTable(
  [
    { key: "row", title: "row" },
    { key: "what", title: "what" },
    { key: "paper", title: "paper" },
    { key: "closed", title: "closed form" },
    { key: "simulated", title: "simulated" },
    { key: "verdict", title: "verdict" },
    { key: "why", title: "why" },
  ],
  rows,
);
const counts = Object.fromEntries(
  Map.groupBy(checks, ({ verdict }) => verdict)
    .entries()
    .map(([verdict, all]) => [verdict, all.length]),
);
console.log(
  `\n${Object.entries(counts)
    .map(([verdict, count]) => `${count} ${verdict}`)
    .join(", ")}`,
);
writeResult("papers", { seed, counts, rows });
writeFileSync(
  new URL("results/papers.svg", import.meta.url),
  curvesSvg(
    "Planet Scale Software Updates, reproduced",
    findings.flatMap((found) => found.plots).sort((a, b) => figure(a.title) - figure(b.title)),
  ),
);
if ("unexplained" in counts) process.exitCode = 1;

/** Formulas, tables, figures; numbers in order. */
function rank(row: string): number {
  const part = Number(/^B(\d)/.exec(row)![1]);
  const number = Number(/(?:B1\.|Table |Fig )(\d+)/.exec(row)?.[1] ?? 99);
  return part * 1000 + number;
}

function figure(title: string): number {
  return Number(/^Fig (\d+)/.exec(title)![1]);
}
