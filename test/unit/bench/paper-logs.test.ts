import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { paperFindings } from "../../../bench/support/paper-findings.ts";
import { paperAccessLog, paperRsyncLog, plannedGroups } from "../../../bench/support/paper-logs.ts";
import { planPaperRepository, writeFiles } from "../../../bench/support/paper-repository.ts";
import { measureShape } from "../../../bench/support/paper-shape.ts";
import { Analysis } from "../../../src/analyze/analysis.ts";
import type { AnalysisReport } from "../../../src/analyze/analysis-report.ts";
import { LogBlock } from "../../../src/analyze/log-block.ts";
import { LogBlocks } from "../../../src/analyze/log-blocks.ts";
import { parseBlock } from "../../../src/analyze/parse-block.ts";
import { TreeCounts } from "../../../src/analyze/tree-report.ts";
import { readTreeFiles } from "../../../src/cli/tree-files.ts";

const SCALE = 20_000;
const SEED = 5;
/** Few large files: these shares are coarse, and what the paper has is not met exactly. */
const COARSE = ["files below 1 MB", "large files identical", "source packages of these", "their bytes of these"];

test("analyze finds the paper's figures in a repository and logs of that shape", async () => {
  const directory = mkdtempSync(join(tmpdir(), "prsync-paper-logs-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const plan = planPaperRepository(SCALE, SEED);
  writeFiles(directory, plan, SEED);
  const logs = { seed: SEED, packageDownloads: 1500, groups: 2 };
  const accessLines = paperAccessLog(plan, logs);
  const rsyncLines = paperRsyncLog(plan, SEED);
  const counts = new TreeCounts({ from: "files", release: null });
  for await (const file of readTreeFiles(directory, new AbortController().signal)) {
    if (!("unreadable" in file)) counts.add(file);
  }
  const access = { ...(await analyzed(accessLines)), tree: counts.report() };
  const generated = {
    shape: measureShape(directory),
    accessLines,
    rsyncLines,
    groups: plannedGroups(plan, logs.groups),
  };
  const findings = paperFindings(generated, { access, rsync: await analyzed(rsyncLines) });
  expect(findings.filter(({ agrees, figure }) => !agrees && !COARSE.includes(figure))).toEqual([]);
  const strays = findings.filter(({ found, generated: made, tolerance }) => !(Math.abs(found - made) <= tolerance));
  expect(strays).toEqual([]);
});

async function analyzed(lines: readonly string[]): Promise<AnalysisReport> {
  const analysis = new Analysis();
  const read = (block: LogBlock): void => {
    parseBlock(block);
    analysis.take(block);
  };
  const blocks = new LogBlocks({ next: () => new LogBlock(LogBlock.memory()), read });
  await blocks.push(Buffer.from(lines.join("")));
  blocks.endLog();
  analysis.endLog();
  return analysis.report();
}
