import fc from "fast-check";
import { expect, test } from "vitest";
import { scrubDueMs, scrubWork } from "../../../src/plan/scrub-pace.ts";

const DAY_MS = 86_400_000;

/** When each file of a round is read, on a machine that takes no time for it. */
function play(sizes: readonly number[], periodMs: number, startMs: number): number[] {
  const totalWork = scrubWork(
    sizes.length,
    sizes.reduce((sum, size) => sum + size, 0),
  );
  let [nowMs, doneWork] = [startMs, 0];
  let last = { work: 0, endMs: startMs };
  return sizes.map((size) => {
    nowMs = Math.max(nowMs, scrubDueMs({ sinceMs: 0, doneWork, totalWork }, last, periodMs));
    last = { work: scrubWork(1, size), endMs: nowMs };
    doneWork += last.work;
    return nowMs;
  });
}

test("a round takes its period, the files at distances of their sizes", () => {
  const times = play([10 * 2 ** 20, 10 * 2 ** 20, 20 * 2 ** 20, 0], 30 * DAY_MS, 0);
  expect(times.map((ms) => Math.round(ms / DAY_MS))).toEqual([0, 8, 15, 30]);
});

test("whatever the sizes, all is read within the period, in order", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 2 ** 40 }), { minLength: 1 }), (sizes) => {
      const times = play(sizes, DAY_MS, 0);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      expect(times.at(-1)).toBeLessThanOrEqual(DAY_MS * 1.000001);
    }),
  );
});

test("what an interruption delayed is made up for at four times the pace, not at once", () => {
  const times = play(Array<number>(100).fill(2 ** 20), 100, 50);
  expect(times[1]! - times[0]!).toBeCloseTo(0.25);
  expect(times.at(-1)!).toBeLessThan(100);
});
