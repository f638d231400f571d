import { expect, test } from "vitest";
import { createSyncProgress } from "../../../src/cli/progress-line.ts";

test("one line is drawn over and over, at most ten times a second, and is gone at the end", () => {
  const written: string[] = [];
  let nowMs = 0;
  const stream = { columns: 80, write: (text: string) => written.push(text) };
  const progress = createSyncProgress(stream, () => nowMs);
  progress.onStage("download");
  for (; nowMs < 1_000; nowMs += 10) progress.onBytes(nowMs, 1_000);
  progress.onBytes(1_000, 1_000);
  progress.clear();
  expect(written.length).toBeLessThanOrEqual(13);
  expect(written.every((text) => text.startsWith("\r\x1b[K") && !text.includes("\n"))).toBe(true);
  const last = written.at(-2)!.slice("\r\x1b[K".length);
  expect(last).toMatch(/^download \[#+\] 100 % {2}1\.0 kB of 1\.0 kB {2}1\.0 kB\/s {2}0:00:00 left$/);
  expect(written.at(-1)).toBe("\r\x1b[K");
});

test("without a terminal nothing is drawn", () => {
  const progress = createSyncProgress(undefined);
  progress.onStage("download");
  progress.onBytes(1, 2);
  expect(() => progress.clear()).not.toThrow();
});
