import { expect, test } from "vitest";
import { parseArguments, UsageError, type ArgumentSpec } from "../../../src/cli/arguments.ts";
import { parseDurationMs } from "../../../src/cli/option-spec.ts";

const SPEC: ArgumentSpec = {
  positionals: [{ name: "TICKET", isOptional: true }, { name: "DEST" }],
  options: [
    { name: "delete", kind: "flag", help: "" },
    { name: "quiet", kind: "flag", short: "q", help: "" },
    { name: "verbose", kind: "flag", short: "v", help: "" },
    { name: "state", kind: "text", placeholder: "DIR", help: "" },
    { name: "delta-size", kind: "text", choices: ["sqrt", "off"], help: "" },
    { name: "limit", kind: "size", help: "" },
    { name: "rescan", kind: "duration", help: "" },
    { name: "peer-port", kind: "port", help: "" },
    { name: "max-delete", kind: "number", help: "" },
  ],
};

/** All problems that parsing names. */
function problemsOf(...words: readonly string[]): readonly string[] {
  try {
    parseArguments(words, SPEC);
    return [];
  } catch (error) {
    if (error instanceof UsageError) return error.problems;
    throw error;
  }
}

test("an optional argument comes first and is left out first", () => {
  const alone = parseArguments(["dest"], SPEC);
  expect([alone.positional("TICKET"), alone.required("DEST")]).toEqual([undefined, "dest"]);
  const both = parseArguments(["ticket", "dest"], SPEC);
  expect([both.positional("TICKET"), both.required("DEST")]).toEqual(["ticket", "dest"]);
});

test("missing, surplus and empty arguments are named", () => {
  expect(problemsOf()).toEqual(["DEST is missing"]);
  expect(problemsOf("a", "b", "c", "d")).toEqual(['unexpected argument "c"', 'unexpected argument "d"']);
  // "$UNSET": resolved it would be the current directory.
  expect(problemsOf("")).toEqual(["DEST is empty"]);
  expect(problemsOf("ticket", "")).toEqual(["DEST is empty"]);
});

test("options stand anywhere, in both forms, and short flags together", () => {
  const parsed = parseArguments(["-qv", "--state", "a", "dest", "--max-delete=7", "--delete"], SPEC);
  expect([parsed.flag("quiet"), parsed.flag("verbose"), parsed.flag("delete")]).toEqual([true, true, true]);
  expect([parsed.text("state"), parsed.number("max-delete"), parsed.required("DEST")]).toEqual(["a", 7, "dest"]);
  expect([parsed.isGiven("rescan"), parsed.isGiven("max-delete"), parsed.flag("unheard")]).toEqual([
    false,
    true,
    false,
  ]);
});

test("after -- everything is an argument", () => {
  expect(parseArguments(["--", "--delete"], SPEC).required("DEST")).toBe("--delete");
  expect(parseArguments(["--", "--delete"], SPEC).flag("delete")).toBe(false);
});

test("a lone hyphen is an argument: standard input", () => {
  expect(parseArguments(["-", "dest"], SPEC).positional("TICKET")).toBe("-");
});

test("of a repeated option the last counts", () => {
  expect(parseArguments(["--state", "a", "--state=b", "dest"], SPEC).text("state")).toBe("b");
});

test("an option does not swallow the next option as its value; written together it may", () => {
  expect(problemsOf("--state", "--delete", "dest")).toEqual(["--state needs DIR"]);
  expect(problemsOf("--max-delete", "-5", "dest")).toEqual(["--max-delete needs a value"]);
  expect(parseArguments(["--state=--odd", "dest"], SPEC).text("state")).toBe("--odd");
  expect(problemsOf("dest", "--state")).toEqual(["--state needs DIR"]);
  expect(problemsOf("--state=", "dest")).toEqual(["--state needs DIR"]);
});

test("all problems are named at once", () => {
  const problems = problemsOf("--unheard", "--delete=yes", "--peer-port", "70000", "--delta-size", "swarm", "-x");
  expect(problems).toEqual([
    "unknown option --unheard",
    '--delete takes no value, got "yes"',
    '--peer-port: expected a port 0…65535, got "70000"',
    '--delta-size: expected one of sqrt, off, got "swarm"',
    "unknown option -x",
    "DEST is missing",
  ]);
});

test.each(["__proto__", "constructor", "toString", "no-such", "no-__proto__"])("--%s is an unknown option", (name) => {
  expect(problemsOf(`--${name}`, "dest")).toEqual([`unknown option --${name}`]);
});

test.each(["", "1.5", "1e3", "0x10", "ten", "9999999999999999"])("%j is no number", (text) => {
  expect(problemsOf(`--max-delete=${text}`, "dest")).toHaveLength(1);
});

test("numbers, ports and sizes are read to their bounds", () => {
  const parsed = parseArguments(["--max-delete", "0", "--peer-port", "65535", "--limit", "1.5K", "dest"], SPEC);
  expect([parsed.number("max-delete"), parsed.number("peer-port"), parsed.number("limit")]).toEqual([0, 65_535, 1_536]);
});

test("durations have units; only zero goes without", () => {
  expect(["250ms", "30s", "15m", "4h", "2d", "1.5h", "0"].map(parseDurationMs)).toEqual([
    250, 30_000, 900_000, 14_400_000, 172_800_000, 5_400_000, 0,
  ]);
  for (const text of ["", "30", "-1s", "1w", "s", "1s ", "1h30m"])
    expect(() => parseDurationMs(text)).toThrow(/30s, 15m/);
});

test("--no-NAME takes back what was said of an option before", () => {
  const parsed = parseArguments(["--delete", "--no-delete", "--state=a", "--no-state", "--state=b", "dest"], SPEC);
  expect([parsed.flag("delete"), parsed.text("state")]).toEqual([false, "b"]);
  expect([...parsed.typed.withdrawn]).toEqual(["delete"]);
  expect(problemsOf("--no-delete=x", "dest")).toEqual(["unknown option --no-delete; did you mean --delete?"]);
});

test("a mistyped option is told the name it is near to", () => {
  expect(problemsOf("--peerport", "1", "--max_delete", "dest")).toEqual([
    "unknown option --peerport; did you mean --peer-port?",
    "unknown option --max_delete; did you mean --max-delete?",
  ]);
});
