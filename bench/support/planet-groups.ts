import { seededRandom, type Random } from "../../src/core/clock.ts";
import { groupByCosine, leastCosine, type CosineGroups } from "../../src/model/cosine-groups.ts";
import { line, type CurvePlot } from "../../src/report/curves-svg.ts";
import { check, type Check, type Findings } from "./planet-check.ts";
import { adjustedRandIndex, plantRequests, type PlantedRequests } from "./planted-requests.ts";

// Row B1.15 and figures 4 and 5 of Planet Scale Software Updates: files and deltas that are requested together. The requests
// are not public; the paper's group sizes are planted and must be found again through the noise.

/** Section 3.1: 26 groups, the largest 1,460, others 200 at most, the five largest 1,877, all 2,003 of 2,029 files. */
const FILE_GROUPS = [1460, 200, 110, 62, 45, 16, 14, 12, 10, 9, 8, 7, 6, 6, 5, 5, 4, 4, 3, 3, 3, 3, 2, 2, 2, 2];
const FILES = { groups: 26, grouped: 2003, all: 2029, topFive: 1877 };
/** Section 3.2: 125 groups of 3,188 of 3,379 patches. */
const DELTAS = { groups: 125, grouped: 3188, all: 3379 };
const CUSTOMERS = 1500;
const NOISES = [0.01, 0.03, 0.05];

/** All about groups. */
export function groupFindings(seed: number): Findings {
  const random = seededRandom(seed);
  const deltaGroups = deltaGroupSizes();
  const files = NOISES.map((noise) => plant(FILE_GROUPS, { ...FILES, noise }, random));
  const deltas = plant(deltaGroups, { ...DELTAS, noise: NOISES[1]! }, random);
  const [fileCurve, deltaCurve] = [files[1]!, deltas].map(coverage) as [number[], number[]];
  const deltaIsBelow = deltaCurve.slice(0, FILES.groups).every((share, i) => share < fileCurve[i]!);
  const row = "B3 Fig 4/5";
  return {
    checks: [
      ...files.flatMap((found, i) => fileChecks(found, NOISES[i]!)),
      check({
        row,
        what: "planted file groups: files of the five largest",
        paper: FILES.topFive,
        simulated: sumOf(files[1]!.found.groups.slice(0, 5).map(({ length }) => length)),
        tolerance: 0,
      }),
      check({
        row,
        what: "percent of requests for the five largest groups",
        paper: "more than 97",
        simulated: 100 * fileCurve[4]!,
        holds: fileCurve[4]! > 0.97,
        note: "popularity of the other groups is ours: 3 to 45 % of the customers",
      }),
      check({
        row,
        what: "planted groups of deltas found again",
        paper: DELTAS.groups,
        simulated: deltas.found.groups.length,
        tolerance: 0,
      }),
      check({
        row,
        what: "deltas in no group",
        paper: DELTAS.all - DELTAS.grouped,
        simulated: deltas.found.singles.length,
        tolerance: 0,
      }),
      check({
        row,
        what: "requests covered by the k largest groups: deltas below files, k = 1 … 26",
        paper: "figure 5(c)",
        simulated: deltaCurve[4]!,
        holds: deltaIsBelow,
        note: "simulated: share of the five largest groups of deltas",
      }),
    ],
    plots: [figure5(fileCurve, deltaCurve)],
  };
}

interface Recovered {
  readonly planted: PlantedRequests;
  readonly found: CosineGroups;
}

function plant(
  groups: readonly number[],
  { all, grouped, noise }: { readonly all: number; readonly grouped: number; readonly noise: number },
  random: Random,
): Recovered {
  const planted = plantRequests({ customers: CUSTOMERS, groups, singles: all - grouped, noise }, random);
  return { planted, found: groupByCosine(planted.customersByFile) };
}

function fileChecks({ planted, found }: Recovered, noise: number): Check[] {
  const labels = planted.groupByFile.map((_, file) => -1 - file);
  found.groups.forEach((members, group) => members.forEach((file) => (labels[file] = group)));
  const inner = found.groups
    .slice(1)
    .map((members) => leastCosine(members.map((file) => planted.customersByFile[file]!)));
  const row = "B1.15";
  const shown = `${100 * noise} % noise`;
  return [
    check({
      row,
      what: `groups among 2,029 files, ${shown}`,
      paper: FILES.groups,
      simulated: found.groups.length,
      tolerance: 0,
    }),
    check({
      row,
      what: `files in no group, ${shown}`,
      paper: FILES.all - FILES.grouped,
      simulated: found.singles.length,
      tolerance: 0,
    }),
    check({
      row,
      what: `agreement with what was planted (adjusted Rand index), ${shown}`,
      paper: 1,
      simulated: adjustedRandIndex(planted.groupByFile, labels),
      tolerance: 0,
      note: `least cosine within a group but the largest ${Math.min(...inner).toFixed(2)}; the paper saw more than 0.8, which a chain does not promise`,
    }),
  ];
}

/** Shares of all requests for the k largest groups. */
function coverage({ planted, found }: Recovered): number[] {
  const requests = planted.customersByFile.map((customers) => customers.length);
  const total = sumOf(requests);
  let covered = 0;
  return found.groups.map((members) => (covered += sumOf(members.map((file) => requests[file]!))) / total);
}

/** Sizes that fall like a power, 125 of them with 3,188 patches, two at least. */
function deltaGroupSizes(): number[] {
  const shape = Array.from({ length: DELTAS.groups }, (_, i) => (i + 1) ** -1.1);
  const free = DELTAS.grouped - 2 * DELTAS.groups;
  const total = sumOf(shape);
  const sizes = shape.map((value) => 2 + Math.floor((free * value) / total));
  sizes[0]! += DELTAS.grouped - sumOf(sizes);
  return sizes;
}

function figure5(files: readonly number[], deltas: readonly number[]): CurvePlot {
  const curve = (shares: readonly number[]): [number, number][] => shares.map((share, i) => [i + 1, 100 * share]);
  return {
    title: "Fig 5c: requests for the k largest groups",
    x: { title: "groups published", isLogarithmic: true },
    y: { title: "percent of requests", isLogarithmic: false },
    curves: [line("files, planted", "#3b6ea5", curve(files)), line("deltas, planted", "#c0392b", curve(deltas))],
  };
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
