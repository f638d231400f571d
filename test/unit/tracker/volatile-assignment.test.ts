import fc from "fast-check";
import { expect, test } from "vitest";
import { assignVolatile, type ReleaseBytes } from "../../../src/tracker/volatile-assignment.ts";

const ID = "0123456789abcdef0123456789abcdef01234567";

/** Short contents of a release. */
function short(release: number, bytes: number): ReleaseBytes {
  return { release, belowBytes: 1, bytes };
}

test("the newest releases that fill the quota are assigned, the last in part; all, if they are less", () => {
  const sums = [short(1, 1_000), short(5, 20), short(4, 30)];
  const sinceOf = (quotaBytes: number): number => assignVolatile({ id: ID, quotaBytes }, 6, sums).since;
  expect([10, 20, 21, 50, 51, 1_050, 1_051].map(sinceOf)).toEqual([5, 5, 4, 4, 1, 1, 1]);
  expect(assignVolatile({ id: ID, quotaBytes: 10 }, 6, sums)).toEqual({ release: 6, since: 5, seed: 0x01234567 });
  expect(assignVolatile({ id: ID, quotaBytes: 10 }, 6, [])).toMatchObject({ since: 1 });
});

test("what may be longer than the quota does not fill it", () => {
  const sums = [{ release: 3, belowBytes: 64, bytes: 500 }, short(3, 10), short(2, 40)];
  const sinceOf = (quotaBytes: number): number => assignVolatile({ id: ID, quotaBytes }, 3, sums).since;
  expect([50, 63, 64].map(sinceOf)).toEqual([2, 1, 3]);
});

test("a larger quota never reaches less far back, and what is newer than `since` always fits", () => {
  const arbitrarySum = fc
    .tuple(fc.integer({ min: 1, max: 50 }), fc.nat(1_000))
    .map(([number, bytes]) => short(number, bytes));
  fc.assert(
    fc.property(fc.array(arbitrarySum), fc.integer({ min: 1, max: 5_000 }), fc.nat(1_000), (sums, quotaBytes, more) => {
      const { since } = assignVolatile({ id: ID, quotaBytes }, 50, sums);
      const newer = sums.filter(({ release }) => release > since).reduce((sum, { bytes }) => sum + bytes, 0);
      expect(newer).toBeLessThan(quotaBytes);
      expect(assignVolatile({ id: ID, quotaBytes: quotaBytes + more }, 50, sums).since).toBeLessThanOrEqual(since);
    }),
  );
});
