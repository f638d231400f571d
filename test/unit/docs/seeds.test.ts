import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../../..");
const rows = readFileSync(join(root, "docs/seeds.md"), "utf8")
  .split("\n")
  .map((line) => /^\| ([BC]\d.*?) \| (.*?) \| (.*) \|$/.exec(line))
  .filter((match) => match !== null)
  .map(([, id, , shown]) => ({ id: id!, shown: shown! }));

const TABLES = ["Table 1", "Table 2", "Table 3", "Table 4", "nu", "counts"];
const SIMULATIONS = ["13", "14", "15", "16", "17", "4/5", "6/7/8", "9", "10", "12"].map((number) => `Fig ${number}`);

test("every row of the papers is listed once, in order", () => {
  const requirements = numbered("C", 44).toSpliced(39, 0, "C39b");
  const formulas = numbered("B1.", 17);
  const tables = TABLES.map((name) => `B2 ${name}`);
  const simulations = [...SIMULATIONS, "KS"].map((name) => `B3 ${name}`);
  expect(rows.map((row) => row.id)).toEqual([...requirements, ...formulas, ...tables, ...simulations]);
});

test("a row names a file or says not yet", () => {
  expect(rows.filter((row) => row.shown !== "not yet" && filesOf(row.shown).length === 0)).toEqual([]);
});

test("every file that is named exists, and holds the tests named after it", () => {
  const claims = rows.flatMap((row) => filesOf(row.shown).map((claim) => ({ row: row.id, ...claim })));
  const missing = claims.filter(({ file }) => !existsSync(join(root, file)));
  expect(missing).toEqual([]);
  const untrue = claims.flatMap(({ row, file, tests }) => {
    const text = readFileSync(join(root, file), "utf8");
    return tests.filter((name) => !text.includes(`"${name}"`)).map((name) => `${row}: ${file} has no "${name}"`);
  });
  expect(untrue).toEqual([]);
});

function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`);
}

/** Files in backquotes, each with the quoted names that follow it. */
function filesOf(shown: string): { readonly file: string; readonly tests: string[] }[] {
  return [...shown.matchAll(/`([^`]+)`([^`]*)/g)].map(([, file, after]) => ({
    file: file!,
    tests: [...after!.matchAll(/"([^"]+)"/g)].map(([, name]) => name!),
  }));
}
