import { expect, test } from "vitest";
import { FilterError } from "../../../src/filter/errors.ts";
import { Selection, type SelectionSettings, type SelectionVerdict } from "../../../src/filter/selection.ts";

function select(change: Partial<SelectionSettings>): (path: string, size?: number) => SelectionVerdict {
  const selection = new Selection({ rules: [], ruleFiles: {}, ...change });
  return (path, size) => selection.verdictOn(path, size === undefined ? undefined : { kind: "file", size }, false);
}

function filter(...values: string[]): SelectionSettings["rules"] {
  return values.map((value) => ({ option: "filter", value }));
}

test("without settings everything is wanted, and what the release lacks is lacking", () => {
  const verdict = select({});
  expect([verdict("a", 1), verdict("a")]).toEqual(["wanted", "lacking"]);
  expect(new Selection().isEverything).toBe(true);
});

test("what is excluded is left alone, what is hidden counts as lacking, what is protected stays", () => {
  const verdict = select({ rules: filter("- a", "H b", "P c", "R d", "- d") });
  expect(["a", "b", "c", "d", "e"].map((path) => verdict(path, 1))).toEqual([
    "left-alone",
    "lacking",
    "wanted",
    "lacking",
    "wanted",
  ]);
  expect(select({ rules: filter("P c") })("c")).toBe("left-alone");
});

test("files of another size are left alone, bounds are included", () => {
  const verdict = select({ minSizeBytes: 10, maxSizeBytes: 20 });
  expect([9, 10, 20, 21].map((size) => verdict("a", size))).toEqual(["left-alone", "wanted", "wanted", "left-alone"]);
});

test("beside listed paths nothing is touched", () => {
  const verdict = select({ paths: ["d/a", "e/"] });
  expect(["d/a", "d", "d/b", "e", "e/x", "e/x/y", "f"].map((path) => verdict(path, 1))).toEqual([
    "wanted",
    "wanted",
    "left-alone",
    "wanted",
    "wanted",
    "left-alone",
    "left-alone",
  ]);
  expect(verdict("gone")).toBe("left-alone");
});

test.each(["x y", "-", "merge", "-z a", "! a", ": dir/name", "+p a", `- ${"a".repeat(5_000)}`])(
  "the rule %j is refused by name",
  (rule) => {
    expect(() => select({ rules: filter(rule) })).toThrow(FilterError);
    expect(() => select({ rules: filter(rule) })).toThrow(rule.slice(0, 50));
  },
);

test("files of rules that name each other are refused", () => {
  const settings = { rules: filter(". a"), ruleFiles: { a: ". b", b: ". a" } };
  expect(() => select(settings)).toThrow("merged files name each other");
});

test("a pattern of many stars takes no time on a path that almost matches", () => {
  const verdict = select({ rules: filter(`- /${"a*".repeat(200)}b`, `- ${"**a".repeat(100)}b`) });
  expect(verdict("a".repeat(4_000), 1)).toBe("wanted");
});
