import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runPrsync, start } from "../support/program.ts";

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "prsync-demo-test-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

test("the demo ends with a table of three mirrors that gave each other bytes, and cleans up", async () => {
  const { code, stdout, stderr } = await runPrsync(["demo"], { env: { TMPDIR: directory } });
  expect(stderr).toBe("");
  expect(code).toBe(0);
  const rows = tableRows(stdout);
  expect(rows.map(({ release, mirror }) => `${release} ${mirror}`)).toEqual(
    ["1", "2"].flatMap((release) => ["astro", "bio", "chem"].map((mirror) => `${release} ${mirror}`)),
  );
  expect(rows.filter(({ release, fromPeers }) => release === "1" && parseBytes(fromPeers) > 0)).not.toEqual([]);
  const fromPeers = rows.reduce((sum, row) => sum + parseBytes(row.fromPeers), 0);
  expect(fromPeers).toBeGreaterThan(10e6);
  expect(stdout).toContain("its SHA-256 is the one of the published file");
  expect(readdirSync(directory)).toEqual([]);
}, 180_000);

test("Ctrl-C in the middle of the demo ends its programs and removes its directory", async () => {
  const child = start(["demo"], { env: { TMPDIR: directory } });
  const closed = once(child, "close");
  child.stdout!.setEncoding("utf8").on("data", (text: string) => {
    if (text.includes("4. prsync invite")) setTimeout(() => child.kill("SIGINT"), 1_500);
  });
  expect(await closed).toEqual([20, null]);
  expect(programsNaming(directory)).toEqual([]);
  expect(readdirSync(directory)).toEqual([]);
});

/** Command lines of programs that still run with `directory` among their words. */
function programsNaming(directory: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(commandLine)
    .filter((words) => words.includes(directory));
}

function commandLine(processId: string): string {
  try {
    return readFileSync(`/proc/${processId}/cmdline`, "latin1").replaceAll("\0", " ");
  } catch {
    return ""; // ended meanwhile
  }
}

interface Row {
  readonly release: string;
  readonly mirror: string;
  readonly fromPeers: string;
}

function tableRows(text: string): Row[] {
  return [
    ...text.matchAll(/^ *(\d) {2}(\w+) .*?(?:\d B|kB|MB) +([\d.]+ k?M?B) +[\d.]+ k?M?B +[\d.]+ k?M?B +[\d.]+$/gm),
  ].map(([, release, mirror, fromPeers]) => ({ release: release!, mirror: mirror!, fromPeers: fromPeers! }));
}

function parseBytes(text: string): number {
  const [value, unit] = text.split(" ");
  return Number(value) * { B: 1, kB: 1e3, MB: 1e6 }[unit as "B" | "kB" | "MB"];
}
