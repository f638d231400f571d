import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { accessLog } from "../../../bench/support/access-log.ts";
import { UsageError } from "../../../src/cli/arguments.ts";
import { simulateCommand } from "../../../src/cli/commands/simulate.ts";
import { runCommand } from "../../support/run-command.ts";

const run = (...words: string[]): ReturnType<typeof runCommand> => runCommand(simulateCommand, words);

const SMALL = ["--requests", "150", "--days", "2", "--volunteers", "2,4", "--lines", "50", "--linger", "always"];

test("a generated release: all parts as one JSON document that tells its seed, plots beside it", async () => {
  const directory = mkdtempSync(join(tmpdir(), "prsync-simulate-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const [html, svg] = [join(directory, "s.html"), join(directory, "s.svg")];
  const { printed } = await run(...SMALL, "--volatile", "3", "--seed", "9", "--json", "--html", html, "--svg", svg);
  const report = JSON.parse(printed) as Record<string, unknown>;
  expect(report).toMatchObject({
    seed: 9,
    workload: { from: "generator", releases: 1 },
    load: [{ name: "client–server", share: 1 }, {}, {}, {}, {}],
    volunteers: { fewest: [{ lingerSeconds: null }], rows: [{ count: 2 }, { count: 4 }] },
    placement: [{ placement: "none", servedShare: 0 }, {}, {}, {}, { placement: "assigned" }, {}],
  });
  expect(readFileSync(html, "utf8")).toMatch(/^<!DOCTYPE html>[^]*<svg[^]*<table[^]*<\/html>\n$/);
  expect(readFileSync(svg, "utf8")).toMatch(/^<svg /);
});

test("a log is played, packed or not; one part alone is told in words", async () => {
  const directory = mkdtempSync(join(tmpdir(), "prsync-simulate-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const log = join(directory, "access.log");
  const lines = [...accessLog({ lines: 2_000, seed: 3, files: 200, clients: 100, days: 3 })];
  writeFileSync(log, ["no log line\n", ...lines].join(""));
  const { printed, complaints } = await run(log, "--only", "load");
  expect(printed).toMatch(/workload +from the logs/);
  expect(printed).toMatch(/client–server .*100\.0 %/);
  expect(printed).not.toMatch(/volunteers that keep/i);
  expect(complaints).toContain("prsync: 1 lines could not be used");
});

test("all problems of the options at once", async () => {
  const wrong = [
    "a.log",
    "--requests",
    "5",
    "--lines",
    "10,x",
    "--linger",
    "soon",
    "--below",
    "0",
    "--policy",
    "best",
    "--only",
    "bar",
  ];
  const refused: unknown = await run(...wrong).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(UsageError);
  expect((refused as UsageError).problems.map((problem) => problem.split(/[ :]/)[0])).toEqual([
    "--requests",
    "--only",
    "--below",
    "--lines",
    "--linger",
    "--policy",
  ]);
});
