import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { HOSTILE_FRAMES } from "../../support/hostile-frames.ts";
import { SEEDER_CONDUCTS } from "../../support/hostile-seeder.ts";

const root = join(import.meta.dirname, "../../..");
const rows = readFileSync(join(root, "docs/faults.md"), "utf8")
  .split("\n")
  .map((line) => /^\| ([NPHT]\d\d) \| (.*?) \| (.*) \|$/.exec(line))
  .filter((match) => match !== null)
  .map(([, id, , shown]) => ({ id: id!, shown: shown! }));
const claims = rows.flatMap(({ id, shown }) => filesOf(shown).map((claim) => ({ row: id, ...claim })));

test("every row is listed once, in order", () => {
  expect(rows.map(({ id }) => id)).toEqual([
    ...numbered("N", 4, 12),
    ...numbered("N", 20, 22),
    ...numbered("P", 1, 25),
    ...numbered("H", 1, 22),
    ...numbered("T", 1, 12),
  ]);
});

test("every row names at least one test", () => {
  const named = new Set(claims.filter(({ tests }) => tests.length > 0).map(({ row }) => row));
  expect(rows.filter(({ id }) => !named.has(id))).toEqual([]);
});

test("every file that is named exists, and holds the tests named after it", () => {
  expect(claims.filter(({ file }) => !existsSync(join(root, file)))).toEqual([]);
  const untrue = claims.flatMap(({ row, file, tests }) => {
    const text = readFileSync(join(root, file), "utf8");
    return tests.filter((name) => !text.includes(`"${name}"`)).map((name) => `${row}: ${file} has no "${name}"`);
  });
  expect(untrue).toEqual([]);
});

test("the tables that are named are played by a test", () => {
  const tables = ["hostile-frames", "hostile-seeder"];
  const named = claims.filter(({ file }) => file.startsWith("test/support/")).map(({ file }) => file);
  expect([...new Set(named)].toSorted()).toEqual(tables.map((name) => `test/support/${name}.ts`));
  const players = ["hostile-frames", "hostile-peers"].map((name) =>
    readFileSync(join(root, `test/fault/${name}.test.ts`), "utf8"),
  );
  expect(players.map((text, index) => text.includes(["HOSTILE_FRAMES", "SEEDER_CONDUCTS.map"][index]!))).toEqual([
    true,
    true,
  ]);
  expect([HOSTILE_FRAMES.length > 100, SEEDER_CONDUCTS.length > 9]).toEqual([true, true]);
});

test("a seeder's conduct stands in the row it names", () => {
  const shown = new Map(rows.map((row) => [row.id, row.shown]));
  expect(SEEDER_CONDUCTS.filter(({ row, name }) => !shown.get(row)!.includes(`"${name}"`))).toEqual([]);
});

function numbered(prefix: string, first: number, last: number): string[] {
  return Array.from({ length: last - first + 1 }, (_, index) => prefix + String(first + index).padStart(2, "0"));
}

/** Files in backquotes, each with the quoted names that follow it. */
function filesOf(shown: string): { readonly file: string; readonly tests: string[] }[] {
  return [...shown.matchAll(/`((?:test|bench)\/[^`]+)`([^`]*)/g)].map(([, file, after]) => ({
    file: file!,
    tests: [...after!.matchAll(/"([^"]+)"/g)].map(([, name]) => name!),
  }));
}
