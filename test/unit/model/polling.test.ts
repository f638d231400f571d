import fc from "fast-check";
import { expect, test } from "vitest";
import { seededRandom } from "../../../src/core/clock.ts";
import { nextPollDelayMs } from "../../../src/edge/polling.ts";
import { criticalDistance, testUniformity } from "../../../src/model/kolmogorov-smirnov.ts";
import { dayMemory, QueryTime, WINDOWS_UPDATE_POLLING } from "../../../src/model/polling.ts";

const HOUR = 3600;
const queries = new QueryTime(WINDOWS_UPDATE_POLLING);

test("eq. 4: uniform for 18 hours with probability 0.9, falling to 0 at 22", () => {
  expect(queries.share(18 * HOUR)).toBeCloseTo(0.9, 12);
  expect(queries.share(18 * HOUR + 1e-6)).toBeCloseTo(0.9, 9);
  expect(queries.share(22 * HOUR)).toBe(1);
  expect(queries.density(9 * HOUR) * HOUR).toBeCloseTo(0.05, 12);
  expect(queries.density(20 * HOUR) * HOUR).toBeCloseTo(2 / 80, 12);
  expect(1 / queries.peakRatePerSecond).toBeCloseTo(20 * HOUR, 6);
});

test("eq. 4 for any rule: a share that grows with its density, and its inverse", () => {
  const rules = fc
    .tuple(fc.integer({ min: 1, max: 1e6 }), fc.integer({ min: 1, max: 1e6 }))
    .map(([least, more]) => ({ leastSeconds: least, mostSeconds: least + more }));
  fc.assert(
    fc.property(rules, fc.double({ min: 0, max: 1, noNaN: true }), (rule, share) => {
      const any = new QueryTime(rule);
      const seconds = any.secondsAt(share);
      expect(any.share(seconds)).toBeCloseTo(share, 9);
      const step = rule.mostSeconds * 1e-5;
      const slope = (any.share(seconds + step) - any.share(seconds)) / step;
      expect(slope * rule.mostSeconds).toBeCloseTo(any.density(seconds + step / 2) * rule.mostSeconds, 2);
      expect(any.share(seconds) / Math.max(seconds, 1)).toBeLessThanOrEqual(any.peakRatePerSecond * (1 + 1e-9));
    }),
  );
});

/** When hosts that poll by our daemons' rule, mean 20 hours, poll: from a start long ago. */
function pollsOf(hosts: number, untilSeconds: number, seed: number): number[][] {
  const random = seededRandom(seed);
  return Array.from({ length: hosts }, () => {
    const polls = [20 * HOUR * random()];
    while (polls.at(-1)! < untilSeconds) polls.push(polls.at(-1)! + nextPollDelayMs(20 * HOUR, random));
    return polls;
  });
}

test("our daemons' next poll after a release comes by eq. 4", () => {
  const release = 400 * HOUR;
  const waits = pollsOf(4000, release, 1).map((polls) => polls.find((at) => at >= release)! - release);
  const { distance } = testUniformity(waits.map((wait) => Math.min(queries.share(wait), 1 - 1e-12)));
  expect(distance).toBeLessThan(criticalDistance(4000, 0.001));
});

test("hosts that began together are spread over the day after 150 polls, not after 20", () => {
  const random = seededRandom(2);
  const distanceAfter = (polls: number): number => {
    const phases = Array.from({ length: 4000 }, () => {
      let at = 0;
      for (let poll = 0; poll < polls; poll++) at += nextPollDelayMs(20 * HOUR, random);
      return (at / (24 * HOUR)) % 1;
    });
    return testUniformity(phases).distance;
  };
  expect(distanceAfter(20)).toBeGreaterThan(5 * criticalDistance(4000, 0.001));
  expect(distanceAfter(150)).toBeLessThan(criticalDistance(4000, 0.001));
  // sin(π/6) / (π/6) per poll: four hours of twenty-four.
  expect(dayMemory(WINDOWS_UPDATE_POLLING, 1)).toBeCloseTo(0.95493, 5);
  expect(dayMemory(WINDOWS_UPDATE_POLLING, 20)).toBeCloseTo(0.3974, 3);
  expect(dayMemory(WINDOWS_UPDATE_POLLING, 150)).toBeLessThan(0.001);
});

test("within 17 hours no host polls twice, so that polls count hosts", () => {
  for (const polls of pollsOf(200, 400 * HOUR, 3)) {
    const gaps = polls.slice(1).map((at, i) => at - polls[i]!);
    expect(Math.min(...gaps)).toBeGreaterThan(17 * HOUR);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(22 * HOUR);
  }
});
