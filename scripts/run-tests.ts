// Builds, runs the test suites and closes with one line of counts. `--all` adds the long ones (test/slow).
// In CI (CI=true) a skipped test that test/skips.json does not name fails the run.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildKernel } from "./build-kernel.ts";

interface JsonReport {
  readonly numTotalTests: number;
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

const directory = mkdtempSync(join(tmpdir(), "prsync-test-"));
try {
  process.exitCode = await runAll(join(directory, "report.json"));
} finally {
  rmSync(directory, { recursive: true });
}

async function runAll(reportPath: string): Promise<number> {
  buildKernel();
  const build = run("tsc", ["-p", "tsconfig.build.json"]);
  if (build !== 0) return build;
  const words = process.argv.slice(2);
  const filters = words.filter((word) => !word.startsWith("--"));
  const isWhole = words.includes("--all");
  const status = run(
    "vitest",
    ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${reportPath}`, ...filters],
    isWhole ? { PRSYNC_TEST_SLOW: "1" } : {},
  );
  const report = JSON.parse(readFileSync(reportPath, "utf8")) as JsonReport;
  const skipped = skippedTests(report);
  const failedFiles = report.testResults.filter(
    (file) => file.status === "failed" && file.assertionResults.length === 0,
  );
  const grown = process.env["CI"] === "true" ? skipped.filter((name) => !knownSkips().includes(name)) : [];
  for (const name of skipped) console.log(`skipped: ${name}`);
  for (const name of grown) console.log(`not allowed to be skipped (test/skips.json): ${name}`);
  const failed = report.numFailedTests + failedFiles.length + grown.length;
  console.log(`${report.numPassedTests} passed, ${failed} failed, ${skipped.length} skipped`);
  return status !== 0 || failed > 0 || report.numPassedTests === 0 ? 1 : 0;
}

function skippedTests(report: JsonReport): string[] {
  return report.testResults.flatMap((file) =>
    file.assertionResults
      .filter((test) => test.status === "skipped" || test.status === "pending" || test.status === "todo")
      .map((test) => test.fullName),
  );
}

function knownSkips(): readonly string[] {
  return JSON.parse(readFileSync(new URL("../test/skips.json", import.meta.url), "utf8")) as string[];
}

function run(command: string, args: readonly string[], extraEnv: Readonly<Record<string, string>> = {}): number {
  const binary = new URL(`../node_modules/.bin/${command}`, import.meta.url).pathname;
  const env = { ...process.env, ...extraEnv };
  return spawnSync(binary, args, { stdio: "inherit", env }).status ?? 1;
}
