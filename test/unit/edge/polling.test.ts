import fc from "fast-check";
import { expect, test } from "vitest";
import { firstPollDelayMs, nextPollDelayMs, retryDelayMs } from "../../../src/edge/polling.ts";

const HOUR_MS = 3_600_000;
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

test("polls are 0.9 to 1.1 intervals apart, both ends included", () => {
  expect(nextPollDelayMs(1000, () => 0)).toBe(900);
  expect(nextPollDelayMs(1000, () => 0.999_999)).toBeCloseTo(1100, 0);
  fc.assert(
    fc.property(random, (value) => {
      const delayMs = nextPollDelayMs(4 * HOUR_MS, () => value);
      expect(delayMs).toBeGreaterThanOrEqual(3.6 * HOUR_MS);
      expect(delayMs).toBeLessThanOrEqual(4.4 * HOUR_MS);
    }),
  );
});

test("a mirror that never polled does so at once", () => {
  expect(firstPollDelayMs({ lastPollMs: undefined, nowMs: 5, intervalMs: HOUR_MS }, () => 0.9)).toBe(0);
});

test("a poll that is not due after a restart waits for what is left of the interval", () => {
  expect(firstPollDelayMs({ lastPollMs: 0, nowMs: HOUR_MS / 2, intervalMs: HOUR_MS }, () => 0.5)).toBe(HOUR_MS / 2);
});

test("an overdue poll waits a random time up to ten minutes, or up to a shorter interval", () => {
  const overdue = { lastPollMs: 0, nowMs: 100 * HOUR_MS };
  expect(firstPollDelayMs({ ...overdue, intervalMs: HOUR_MS }, () => 0)).toBe(0);
  expect(firstPollDelayMs({ ...overdue, intervalMs: HOUR_MS }, () => 0.999)).toBeCloseTo(600_000 * 0.999, 3);
  expect(firstPollDelayMs({ ...overdue, intervalMs: 60_000 }, () => 0.999)).toBeLessThan(60_000);
});

test("a clock that was set back makes nobody wait longer than an interval", () => {
  const delayMs = firstPollDelayMs({ lastPollMs: 1_000 * HOUR_MS, nowMs: 0, intervalMs: HOUR_MS }, () => 0.5);
  expect(delayMs).toBeLessThanOrEqual(1.1 * HOUR_MS);
});

test("retries double from 5 s to 15 minutes, each between half and the whole, however many failed", () => {
  const longest = [1, 2, 3, 8, 9, 100, 1e9].map((failures) => retryDelayMs(failures, () => 1));
  expect(longest).toEqual([5_000, 10_000, 20_000, 640_000, 900_000, 900_000, 900_000]);
  expect(retryDelayMs(1, () => 0)).toBe(2_500);
});
