import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { accessLog } from "../../../bench/support/access-log.ts";
import type { AnalysisReport } from "../../../src/analyze/analysis-report.ts";
import { parseArguments } from "../../../src/cli/arguments.ts";
import { analyzeCommand } from "../../../src/cli/commands/analyze.ts";

const lines = [...accessLog({ lines: 3000, seed: 3, files: 300, clients: 100, days: 9 })];
const [old, middle, young] = [0, 1000, 2000].map((from) => lines.slice(from, from + 1000).join(""));

test("logs newest first, packed or not, are reported as one log in order", async () => {
  const directory = temporary();
  const names = ["access.log", "access.log.1.zst", "access.log.2.gz"].map((name) => join(directory, name));
  writeFileSync(names[0]!, young!);
  writeFileSync(names[1]!, zstdCompressSync(middle!));
  writeFileSync(names[2]!, gzipSync(old!));
  writeFileSync(join(directory, "whole.log"), lines.join(""));
  const rotated = await run(...names, "--json");
  const whole = await run(join(directory, "whole.log"), "--json", "--html", join(directory, "report.html"));
  expect(readFileSync(join(directory, "report.html"), "utf8")).toMatch(/^<!DOCTYPE html>[^]*<svg[^]*<\/html>\n$/);
  expect(JSON.parse(rotated.printed)).toEqual(JSON.parse(whole.printed));
  expect((JSON.parse(whole.printed) as AnalysisReport).lines.downloads).toBeGreaterThan(2000);
});

test("a damaged log is read as far as it goes, and named", async () => {
  const path = join(temporary(), "access.log.gz");
  const packed = gzipSync(lines.join(""));
  writeFileSync(path, packed.subarray(0, packed.length >> 1));
  const { code, printed, complaints } = await run(path);
  expect(code).toBe(0);
  expect(printed).toMatch(/downloads +[\d,]+,/);
  expect(complaints).toEqual([`prsync: "${path}" is damaged, read as far as it goes: unexpected end of file`]);
});

test("without a log it is wrong use, a missing one is the system's error", async () => {
  expect(() => parseArguments(["--json"], analyzeCommand)).toThrow("LOG is missing");
  expect(() => parseArguments(["a", ""], analyzeCommand)).toThrow("LOG is empty");
  await expect(run("/nowhere/access.log")).rejects.toMatchObject({ code: "ENOENT" });
});

async function run(...words: string[]): Promise<{ code: number; printed: string; complaints: string[] }> {
  const [printed, complaints]: [string[], string[]] = [[], []];
  const code = await analyzeCommand.run(parseArguments(words, analyzeCommand), {
    print: (line) => void printed.push(line),
    complain: (line) => void complaints.push(line),
    env: {},
    isTerminal: false,
    signal: new AbortController().signal,
    createLogger: () => {
      throw new Error("analyze logs nothing");
    },
  });
  return { code, printed: printed.join("\n"), complaints };
}

function temporary(): string {
  const path = mkdtempSync(join(tmpdir(), "prsync-analyze-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
