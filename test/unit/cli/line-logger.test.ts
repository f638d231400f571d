import fc from "fast-check";
import { expect, test } from "vitest";
import { createLineLogger } from "../../../src/cli/line-logger.ts";

function linesOf(value: string | number | boolean | undefined): string[] {
  const lines: string[] = [];
  createLineLogger("debug", (line) => lines.push(line)).info({ key: value }, "message");
  return lines;
}

test("a line has time, level, message and fields", () => {
  const [line] = linesOf("value");
  expect(line).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info message key=value$/);
  expect(linesOf(7)[0]).toMatch(/ key=7$/);
  expect(linesOf(undefined)[0]).toMatch(/ message$/);
});

test("text that could be mistaken is quoted", () => {
  expect(linesOf("two words")[0]).toMatch(/ key="two words"$/);
  expect(linesOf('a"b')[0]).toMatch(/ key="a\\"b"$/);
  expect(linesOf("")[0]).toMatch(/ key=""$/);
});

test("whatever the text, it is one line and nothing that a terminal acts on", () => {
  const hostile = fc.constantFrom(
    "\n",
    "\r",
    "\u001b[2J",
    "\u0007",
    "\u009b",
    "\u202e",
    "\u2028",
    "\u2029",
    "\u200f",
    "\ufeff",
    "\u061c",
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(hostile, fc.string({ unit: "binary" })), { maxLength: 8 }), (parts) => {
      const lines = linesOf(parts.join(""));
      expect(lines).toHaveLength(1);
      // eslint-disable-next-line no-control-regex -- none of them may be there
      expect(lines[0]).not.toMatch(/[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/);
    }),
  );
});

test("what is below the level is left out", () => {
  const lines: string[] = [];
  const log = createLineLogger("warn", (line) => lines.push(line));
  log.debug({}, "debug");
  log.info({}, "info");
  log.warn({}, "warn");
  log.error({}, "error");
  expect(lines.map((line) => line.split(" ")[2])).toEqual(["warn", "error"]);
});

test("as JSON a record is one object with time, level, process, message and fields", () => {
  const lines: string[] = [];
  const log = createLineLogger("info", (line) => lines.push(line), "json");
  log.warn({ path: "a\n\u202e\u009b", tries: 2, left: undefined }, "path not updated");
  log.debug({}, "below the level");
  expect(lines).toHaveLength(1);
  // eslint-disable-next-line no-control-regex -- a terminal acts on none of it
  expect(lines[0]).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202e]/);
  const record = JSON.parse(lines[0]!) as Record<string, unknown>;
  expect(record).toMatchObject({ level: "warn", pid: process.pid, message: "path not updated", tries: 2 });
  expect(record).toMatchObject({ path: "a\n\u202e\u009b" });
  expect(Date.parse(record["time"] as string)).toBeGreaterThan(0);
  expect(record).not.toHaveProperty("left");
});
