import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseRuleOptions, type RuleOption } from "../../../src/filter/parse-rules.ts";
import { PathFilter } from "../../../src/filter/path-filter.ts";
import { hasRsync } from "../../support/rsync-referee.ts";

/** Short names over a small alphabet, so that random patterns often match. */
const FILES = [
  "a", "b", "ab", "a.b", "foo", "x[1]", "q?", "back\\slash", "star*",
  "d/aa", "d/foo", "d/a/foo", "d/a/b/foo", "d/a/b/c/ab", "d/.rules",
  "a-dir/a", "a-dir/b/a", "a-dir/b/.rules", "a-dir/b/foo", "a-dir/b/d/a", "foo-dir/foo/foo", "foo-dir/bar/b/b", "foo-dir/bar/d/b",
]; // prettier-ignore
const MERGED = new Map([
  ["d/.rules", "# comment\n- /a/foo\n+ foo\n- b\n"],
  ["a-dir/b/.rules", "!\n- foo\n-s d/\n"],
]);

describe.skipIf(!hasRsync())("filter rules give what rsync gives", () => {
  const directory = mkdtempSync(join(tmpdir(), "prsync-filter-"));
  const tree = join(directory, "tree");
  let entries: { readonly path: string; readonly isDirectory: boolean }[];

  beforeAll(() => {
    mkdirSync(join(directory, "empty"));
    for (const file of FILES) {
      mkdirSync(join(tree, file, ".."), { recursive: true });
      writeFileSync(join(tree, file), MERGED.get(file) ?? "");
    }
    writeFileSync(join(directory, "merged"), "- *.b\n+ foo\n\n; comment\n- d/a/b\n");
    writeFileSync(join(directory, "patterns"), "foo\n# comment\n+ a\n/d/*\n");
    entries = listByRsync([]).map(entryOf);
  });

  afterAll(() => rmSync(directory, { recursive: true }));

  const pattern = fc
    .array(
      fc.constantFrom("a", "b", "d", "foo", "*", "**", "?", "/", "/", "[a-d]", "[!a]", ".", "-dir", "***", "\\*"),
      {
        minLength: 1,
        maxLength: 6,
      },
    )
    .map((parts) => parts.join(""))
    .filter((text) => !text.includes("//") && text !== "/");
  const option = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ option: fc.constantFrom("include" as const, "exclude" as const), value: pattern }),
    },
    {
      weight: 4,
      arbitrary: fc
        .tuple(fc.constantFrom("-", "+", "-s", "+,!", "-!", "H", "S", "P", "exclude", "include,!", "hide"), pattern)
        .map(([rule, value]) => ({ option: "filter" as const, value: `${rule} ${value}` })),
    },
    {
      weight: 1,
      arbitrary: fc
        .constantFrom(
          ": .rules",
          ":n .rules",
          ":e .rules",
          ":- .rules",
          `. ${directory}/merged`,
          `.- ${directory}/merged`,
          "!",
        )
        .map((value) => ({ option: "filter" as const, value })),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        option: fc.constantFrom("include-from" as const, "exclude-from" as const),
        value: fc.constant(`${directory}/patterns`),
      }),
    },
  );

  test("for random rules over a tree", { timeout: 120_000 }, () => {
    let left = 0;
    fc.assert(
      fc.property(fc.array(option, { minLength: 1, maxLength: 5 }), (options) => {
        const chosen = selectedBy(options);
        if (chosen.length < entries.length) left++;
        expect(chosen).toEqual(listByRsync(options));
      }),
      { numRuns: 250 },
    );
    expect(left).toBeGreaterThan(100);
  });

  test.each<[string, ...string[]]>([
    ["everything of one directory", "+ /d/", "+ /d/***", "- *"],
    ["one kind of file anywhere", "+ */", "+ *foo", "- *"],
    ["a path in the middle", "- a/b/"],
    ["names that look like wildcards", "- x[1]", "- q\\?"],
    ["a backslash without wildcards is a backslash", "- back\\slash"],
    ["an escaped star", "- star\\*"],
    ["a class with a name", "- [[:alpha:]]"],
    ["a class without an end", "- [a"],
    ["double stars at both ends", "- **b**"],
    ["a leading double star", "- **/foo"],
    ["stars inside a part", "- f*-d*/"],
  ])("for %s", (_, ...rules) => {
    const options = rules.map((value) => ({ option: "filter" as const, value }));
    expect(selectedBy(options)).toEqual(listByRsync(options));
  });

  function selectedBy(options: readonly RuleOption[]): string[] {
    const files = new Map([
      [`${directory}/merged`, "- *.b\n+ foo\n\n; comment\n- d/a/b\n"],
      [`${directory}/patterns`, "foo\n# comment\n+ a\n/d/*\n"],
    ]);
    const rules = parseRuleOptions(options, (name) => files.get(name)!);
    const filter = new PathFilter(rules, {
      side: "sender",
      readMergeFile: (below, name) => MERGED.get(below === "" ? name : `${below}/${name}`),
    });
    return entries
      .filter(({ path, isDirectory }) => filter.includes(path, isDirectory))
      .map(({ path, isDirectory }) => (isDirectory ? `${path}/` : path));
  }

  function listByRsync(options: readonly RuleOption[]): string[] {
    const words = options.map(({ option: name, value }) => `--${name}=${value}`);
    const output = execFileSync("rsync", ["-rn", "--out-format=%n", ...words, `${tree}/`, join(directory, "empty/")], {
      encoding: "latin1",
    });
    return output.split("\n").filter((line) => line !== "" && line !== "./").map(unescape8).sort(); // prettier-ignore
  }
});

function entryOf(line: string): { readonly path: string; readonly isDirectory: boolean } {
  return { path: line.replace(/\/$/, ""), isDirectory: line.endsWith("/") };
}

/** rsync writes bytes that it does not print as "\#ooo". */
function unescape8(line: string): string {
  return line.replace(/\\#([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
