import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { realClock } from "../../../src/net/real-clock.ts";
import { QuietDetector, watchTree } from "../../../src/net/tree-watcher.ts";
import { ManualClock } from "../../support/manual-clock.ts";

function detector(): { readonly clock: ManualClock; readonly quietAt: number[]; readonly note: () => void } {
  const clock = new ManualClock(0);
  const quietAt: number[] = [];
  const detect = new QuietDetector({ quietMs: 30, latestMs: 100 }, clock, () => quietAt.push(clock.monotonicMs()));
  return { clock, quietAt, note: () => detect.noteChange() };
}

test("quiet is told once, after the last change", () => {
  const { clock, quietAt, note } = detector();
  note();
  clock.advance(20);
  note();
  clock.advance(500);
  expect(quietAt).toEqual([50]);
});

test("a tree that never rests is told at the latest time, again and again", () => {
  const { clock, quietAt, note } = detector();
  for (let step = 0; step < 25; step++) {
    note();
    clock.advance(10);
  }
  expect(quietAt).toEqual([100, 200]);
});

test("a change on disk is told, one in .prsync is not", async () => {
  const directory = await mkdtemp(join(tmpdir(), "prsync-watch-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  await mkdir(join(directory, ".prsync"));
  let quietCount = 0;
  const ports = { clock: realClock, onQuiet: () => void quietCount++, onError: () => undefined };
  const watching = await watchTree(directory, ports, { quietMs: 50, latestMs: 1_000 });
  onTestFinished(() => watching[Symbol.asyncDispose]());
  await new Promise((resolve) => setTimeout(resolve, 700));
  const before = quietCount;
  await writeFile(join(directory, ".prsync", "x"), "x");
  await new Promise((resolve) => setTimeout(resolve, 700));
  expect(quietCount).toBe(before);
  await writeFile(join(directory, "new"), "x");
  await expect.poll(() => quietCount, { timeout: 5_000 }).toBeGreaterThan(before);
});
