import fc from "fast-check";
import { expect, test } from "vitest";
import {
  cacheSavedShare,
  cacheSavings,
  peerAssistedServerShare,
  serverDownloads,
} from "../../../src/model/cache-savings.ts";

const demands = fc.array(
  fc.record({ hasCache: fc.boolean(), hostsByUpdate: fc.array(fc.integer({ min: 0, max: 1000 }), { maxLength: 8 }) }),
  { minLength: 1, maxLength: 20 },
);

test("what caches save is 1 − downloads / demand, for any demand", () => {
  fc.assert(
    fc.property(demands, (subnets) => {
      const total = subnets.flatMap(({ hostsByUpdate }) => hostsByUpdate).reduce((sum, hosts) => sum + hosts, 0);
      fc.pre(total > 0);
      expect(cacheSavings(subnets).savedShare).toBeCloseTo(1 - serverDownloads(subnets) / total, 9);
    }),
  );
});

test("a cache everywhere: 76 % of files, 67 % of deltas", () => {
  expect(cacheSavedShare(1, 4.18)).toBeCloseTo(0.7608, 4);
  expect(cacheSavedShare(1, 3.01)).toBeCloseTo(0.6678, 4);
});

test("no cache saves nothing, nothing to download is refused", () => {
  expect(cacheSavings([{ hasCache: false, hostsByUpdate: [3] }]).savedShare).toBe(0);
  expect(() => cacheSavings([{ hasCache: true, hostsByUpdate: [0, 0] }])).toThrow(RangeError);
});

test("peers with a quarter of their rate up leave 75, 50 and 0 % to the server", () => {
  expect([1, 2, 4, 8].map((stay) => peerAssistedServerShare(1 / 4, stay))).toEqual([0.75, 0.5, 0, 0]);
});
