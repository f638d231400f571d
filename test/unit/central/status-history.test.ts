import { expect, test } from "vitest";
import { HourlyTraffic } from "../../../src/central/hourly-traffic.ts";
import { ReleaseSpread } from "../../../src/central/release-spread.ts";

const HOUR_MS = 3_600_000;
const counters = (customerRequests: number) => ({
  customerRequests,
  customerRedirects: 0,
  customerBytes: 0,
  swarmBytes: 0,
});

test("what grew between two looks counts for the hour of the second", () => {
  const traffic = new HourlyTraffic();
  traffic.note(counters(2), 10 * HOUR_MS);
  traffic.note(counters(5), 10 * HOUR_MS + 1);
  traffic.note(counters(6), 12 * HOUR_MS);
  expect(traffic.hours).toEqual([
    { startMs: 10 * HOUR_MS, ...counters(5) },
    { startMs: 12 * HOUR_MS, ...counters(1) },
  ]);
});

test("a clock that goes back loses nothing, and two days are kept", () => {
  const traffic = new HourlyTraffic();
  for (let hour = 0; hour < 60; hour++) traffic.note(counters(hour + 1), hour * HOUR_MS);
  traffic.note(counters(65), 3 * HOUR_MS);
  expect(traffic.hours).toHaveLength(48);
  expect(traffic.hours.at(-1)).toEqual({ startMs: 59 * HOUR_MS, ...counters(6) });
});

test("a volunteer counts once for a release, when it was first heard to hold it or a later one", () => {
  const spread = new ReleaseSpread();
  spread.note({ number: 1, createdMs: 100 }, new Map([["a", 1]]), 150);
  spread.note({ number: 2, createdMs: 200 }, new Map([["a", 1], ["b", 0]]), 250); // prettier-ignore
  spread.note({ number: 2, createdMs: 200 }, new Map([["a", 2], ["b", 2]]), 300); // prettier-ignore
  spread.note({ number: 2, createdMs: 200 }, new Map([["a", 2], ["b", 2]]), 350); // prettier-ignore
  expect(spread.releases).toEqual([
    { number: 2, createdMs: 200, reachedMs: [300, 300] },
    { number: 1, createdMs: 100, reachedMs: [150, 300] },
  ]);
});

test("five releases are kept", () => {
  const spread = new ReleaseSpread();
  for (let number = 1; number <= 9; number++) spread.note({ number, createdMs: number }, new Map(), number);
  expect(spread.releases.map(({ number }) => number)).toEqual([9, 8, 7, 6, 5]);
});
