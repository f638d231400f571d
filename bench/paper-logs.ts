// A repository and logs of the shape that the PRsync paper measured, and whether `prsync analyze` finds the paper's figures in
// them again: `npm run bench -- paper-logs`, or `node bench/paper-logs.ts --scale 1000 --seed 1` (1:1000 is 2,200 files with
// 2.86 GB below the temporary directory; about two minutes of CPU). The program is the built one. Generated figures come from a
// plain reading of the files and lines that were written.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { AnalysisReport } from "../src/analyze/analysis-report.ts";
import { paperFindings } from "./support/paper-findings.ts";
import { paperAccessLog, paperRsyncLog, plannedGroups } from "./support/paper-logs.ts";
import { planPaperRepository, writeFiles } from "./support/paper-repository.ts";
import { measureShape } from "./support/paper-shape.ts";
import { printTable, writeResult, type Column } from "./support/report.ts";

const COLUMNS: readonly Column[] = [
  { key: "row", title: "row" },
  { key: "figure", title: "figure" },
  { key: "paper", title: "paper", digits: 2 },
  { key: "generated", title: "generated", digits: 2 },
  { key: "found", title: "found by analyze", digits: 2 },
  { key: "unit", title: "unit" },
  { key: "tolerance", title: "within", digits: 2 },
  { key: "verdict", title: "agrees" },
];
const PROGRAM = new URL("../bin/prsync.cjs", import.meta.url).pathname;
const MOST_OUTPUT_BYTES = 256 * 1024 * 1024;

const { values } = parseArgs({
  options: { scale: { type: "string", default: "1000" }, seed: { type: "string", default: "20261122" } },
});
const scale = Number(values.scale);
const seed = Number(values.seed);
const directory = mkdtempSync(join(tmpdir(), "prsync-bench-paper-logs-"));
try {
  main();
} finally {
  rmSync(directory, { recursive: true });
}

function main(): void {
  const tree = join(directory, "tree");
  mkdirSync(tree);
  const plan = planPaperRepository(scale, seed);
  writeFiles(tree, plan, seed);
  const logs = { seed, packageDownloads: 15_000_000 / scale, groups: Math.max(1, Math.round(25_000 / scale)) };
  const accessLines = paperAccessLog(plan, logs);
  const rsyncLines = paperRsyncLog(plan, seed);
  const accessLog = join(directory, "access.log");
  const rsyncLog = join(directory, "rsyncd.log");
  writeFileSync(accessLog, accessLines.join(""));
  writeFileSync(rsyncLog, rsyncLines.join(""));
  const generated = { shape: measureShape(tree), accessLines, rsyncLines, groups: plannedGroups(plan, logs.groups) };
  const found = { access: analyze(accessLog, "--tree", tree), rsync: analyze(rsyncLog) };
  const rows = paperFindings(generated, found);
  printTable(
    COLUMNS,
    rows.map(({ agrees, ...row }) => ({ ...row, verdict: agrees ? "yes" : "no" })),
  );
  const { similar, savings } = found.access.tree!;
  writeResult("paper-logs", { seed, scale, logs, rows, similar, savings });
  if (rows.some(({ agrees }) => !agrees)) process.exitCode = 1;
}

function analyze(...words: readonly string[]): AnalysisReport {
  const printed = execFileSync(process.execPath, [PROGRAM, "analyze", "--json", ...words], {
    encoding: "utf8",
    maxBuffer: MOST_OUTPUT_BYTES,
  });
  return JSON.parse(printed) as AnalysisReport;
}
