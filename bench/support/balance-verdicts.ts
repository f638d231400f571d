import type { Row } from "./report.ts";

const INFORMED = "expected time";
/** From here on the informed policy herds: p95 beside the oracle's. */
const HERDING_RATIO = 1.5;

/** Each threshold of the experiment with its figure and "met" or "missed"; only those whose rows are there. */
export function balanceVerdicts(rows: readonly Row[]): string[] {
  return [
    ...workloadVerdicts(rows, "daily syncs"),
    ...workloadVerdicts(rows, "equal lines"),
    ...calibrationVerdicts(rows),
    ...syncVerdicts(rows),
    ...announceVerdicts(rows),
  ];
}

function workloadVerdicts(all: readonly Row[], name: string): string[] {
  const rows = all.filter(({ scene }) => scene === name);
  if (rows.length === 0) return [];
  const p95 = (choice: string, workload: number): number => valueOf(rows, { choice, workload }, "p95");
  const workloads = [...new Set(rows.map(({ workload }) => Number(workload)))];
  const toOracle = Math.max(...workloads.map((load) => p95(INFORMED, load) / p95("oracle", load)));
  const growthOf = (choice: string): number => p95(choice, 1) / p95(choice, 0.2);
  const growth = growthOf(INFORMED) / growthOf("round robin");
  const jain = valueOf(rows, { choice: INFORMED, workload: 1 }, "jain");
  return [
    verdict(`${name}: p95 / the oracle's, most of all workloads`, toOracle, { most: 1.15 }),
    verdict(`${name}: p95(100 %) / p95(20 %) beside round robin's`, growth, { most: 0.5 }),
    verdict(`${name}: the oracle's growth beside round robin's`, growthOf("oracle") / growthOf("round robin"), {}),
    verdict(`${name}: Jain's index of work by capacity at 100 %`, jain, { least: 0.97 }),
  ];
}

/** The baseline of the paper: half of its customers waited between 8 and 15 minutes. */
function calibrationVerdicts(all: readonly Row[]): string[] {
  const rows = all.filter(({ scene, workload }) => scene === "equal lines" && workload === 0.2);
  if (rows.length === 0) return [];
  return ["round robin", INFORMED].flatMap((choice) => {
    const name = `equal lines, 20 %: ${choice}'s customers of images,`;
    const [first, last] = [valueOf(rows, { choice }, "imageP25"), valueOf(rows, { choice }, "imageP75")];
    const bounds = choice === INFORMED ? [{}, {}] : [{ least: 480 }, { most: 900 }];
    return [
      verdict(`${name} s that a quarter waits less`, first, bounds[0]!),
      verdict(`${name} s that a quarter waits more`, last, bounds[1]!),
    ];
  });
}

function syncVerdicts(all: readonly Row[]): string[] {
  const rows = all.filter(({ scene }) => scene === "half synchronise");
  return [...new Set(rows.map(({ workload }) => Number(workload)))].map((workload) => {
    const blind = valueOf(rows, { choice: `${INFORMED}, sync not counted`, workload }, "p95");
    const cut = 1 - valueOf(rows, { choice: INFORMED, workload }, "p95") / blind;
    return verdict(`half synchronise, ${workload * 100} %: p95 cut by counting it`, cut, { least: 0.25 });
  });
}

function announceVerdicts(all: readonly Row[]): string[] {
  const rows = all.filter(({ scene }) => scene === "announces");
  const herding = (choice: string): string => {
    const first = [...new Set(rows.map(({ announceSeconds }) => Number(announceSeconds)))].find(
      (announceSeconds) =>
        valueOf(rows, { choice, announceSeconds }, "p95") >
        HERDING_RATIO * valueOf(rows, { choice: "oracle", announceSeconds }, "p95"),
    );
    return `${choice}: ${first === undefined ? "does not herd up to 30 min" : `herds from announces every ${first} s`}`;
  };
  return rows.length === 0 ? [] : [herding(INFORMED), herding("last announces alone")];
}

function valueOf(rows: readonly Row[], wanted: Row, key: string): number {
  const found = rows.find((row) => Object.entries(wanted).every(([name, value]) => row[name] === value));
  return Number(found?.[key]);
}

function verdict(name: string, value: number, bound: { readonly most?: number; readonly least?: number }): string {
  const { most = Infinity, least = -Infinity } = bound;
  const limit = most < Infinity ? `at most ${most}` : `at least ${least}`;
  const outcome =
    most === Infinity && least === -Infinity
      ? ""
      : ` (${limit}): ${value <= most && value >= least ? "met" : "missed"}`;
  return `${name}: ${value.toFixed(3)}${outcome}`;
}
