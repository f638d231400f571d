import fc from "fast-check";
import { expect, test } from "vitest";
import { trustedShare } from "../../../src/delivery/ramp-up.ts";

test("a new volunteer begins with an eighth of its capacity and has all of it after ten minutes", () => {
  expect([0, 74_999, 75_000, 300_000, 600_000, Infinity].map(trustedShare)).toEqual([0.125, 0.125, 0.25, 0.625, 1, 1]);
});

test("its share never falls", () => {
  const ageMs = fc.double({ min: -1e9, max: 1e9, noNaN: true });
  fc.assert(fc.property(ageMs, ageMs, (a, b) => trustedShare(Math.min(a, b)) <= trustedShare(Math.max(a, b))));
});
