import { expect, test } from "vitest";
import { runPrsync } from "../support/program.ts";

test("simulate answers in words, and with a wrong option says what is wrong", async () => {
  const words = ["simulate", "--only", "volunteers", "--requests", "100", "--days", "2", "--volunteers", "2,4"];
  const { code, stdout, stderr } = await runPrsync([...words, "--lines", "50", "--linger", "always"]);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  expect(stdout).toMatch(/Volunteers that keep central below 50 Mbit\/s[^]*always +50 +(?:2|4|more than 4)\n/);
  const wrong = await runPrsync(["simulate", "--lines", "wide", "--quota", "much"]);
  expect(wrong.code).toBe(1);
  expect(wrong.stderr).toMatch(/--lines: expected Mbit\/s[^]*--quota: expected a size/);
});
