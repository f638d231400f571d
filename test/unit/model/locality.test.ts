import fc from "fast-check";
import { expect, test } from "vitest";
import * as locality from "../../../src/model/locality.ts";
import { onlineShare, pollsPerStay } from "../../../src/model/online-hosts.ts";
import { QueryTime, WINDOWS_UPDATE_POLLING } from "../../../src/model/polling.ts";
import { SubnetSizes } from "../../../src/model/subnet-sizes.ts";

const HOUR = 3600;
const queries = new QueryTime(WINDOWS_UPDATE_POLLING);
const minute = { queries, stay: { kind: "fixed", meanSeconds: 60 } } as const;
const RHO = 1 / 1200;
const stays = fc.record({
  kind: fc.constantFrom("fixed" as const, "exponential" as const),
  meanSeconds: fc.double({ min: 1, max: 10_000, noNaN: true }),
});
const populations = fc
  .array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 5 })
  .map((hosts) => SubnetSizes.ofSubnets(hosts));

// Theorem 1 by quadrature of another program (numpy, one minute online, [18, 22] h): expected downloads into a subnet.
test.each([
  [1, 1, 4],
  [10, 9.928, 3],
  [100, 92.34, 2],
  [500, 334.96, 2],
  [1000, 449.98, 2],
  [1280, 461.75, 2],
  [2000, 411.8, 1],
  [3000, 290.4, 1],
  [5000, 123.15, 2],
  [5040, 121.1, 1],
  [10_000, 31.39, 2],
  [20_000, 14.91, 2],
  [50_000, 6.28, 2],
  [100_000, 3.42, 2],
  [1_000_000, 1.05, 2],
])("theorem 1 for %d hosts", (hosts, downloads, digits) => {
  expect(locality.remoteDownloads(hosts, minute)).toBeCloseTo(downloads, digits);
});

test("the most downloads: 442 in the steady state at 1,200 hosts, 461.8 after a release near 1,280", () => {
  expect(locality.steadyMaximum(RHO).hosts).toBeCloseTo(1200, 9);
  expect(locality.steadyMaximum(RHO).downloads).toBeCloseTo(441.46, 2);
  expect(locality.remoteDownloadsBound(1200, RHO)).toBeCloseTo(441.64, 2);
  const near = [1100, 1200, 1280, 1360, 1500].map((hosts) => locality.remoteDownloads(hosts, minute));
  expect(Math.max(...near)).toBe(near[2]);
});

test("break-even: 5,040 hosts in the steady state, about 5,650 after a release", () => {
  expect(locality.steadyBreakEvenHosts(0.015, RHO)).toBeCloseTo(5039.6, 1);
  const hosts = locality.breakEvenHosts(0.0168, minute);
  expect(Math.round(hosts)).toBe(5645);
  expect(locality.remoteDownloads(hosts, minute) / hosts).toBeCloseTo(0.0168, 9);
});

test("as printed, corollary 2 is no lower bound: 5,000 hosts, 18 hours", () => {
  const sizes = SubnetSizes.ofSubnets([5000]);
  const share = locality.remoteUploadShare(sizes, minute, 18 * HOUR);
  expect(share).toBeCloseTo(0.0141, 4);
  expect(locality.printedCorollary2(sizes, minute, 18 * HOUR)).toBeCloseTo(0.0222, 4);
  expect(locality.remoteUploadShareBound(sizes, RHO, queries.share(18 * HOUR))).toBeCloseTo(0.0139, 4);
});

test("corollary 1 and eq. 3 stay below theorems 1 and 2, at any time and however long hosts stay", () => {
  fc.assert(
    fc.property(populations, stays, fc.double({ min: 60, max: 22 * HOUR, noNaN: true }), (sizes, stay, seconds) => {
      const situation = { queries, stay };
      const rho = pollsPerStay(queries, stay);
      const share = locality.remoteUploadShare(sizes, situation, seconds);
      const bound = locality.remoteUploadShareBound(sizes, rho, queries.share(seconds));
      expect(bound).toBeLessThanOrEqual(share * (1 + 1e-9));
      const hosts = sizes.shares[0]!.hosts;
      const downloads = locality.remoteDownloads(hosts, situation);
      expect(locality.remoteDownloadsBound(hosts, rho)).toBeLessThanOrEqual(downloads * (1 + 1e-9));
    }),
    { numRuns: 60 },
  );
});

test("what all subnets download from others is what they upload to others", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 20 }), (hosts) => {
      const downloads = hosts.reduce((sum, size) => sum + locality.remoteDownloads(size, minute), 0);
      const all = hosts.reduce((sum, size) => sum + size, 0);
      expect(locality.remoteUploadShare(SubnetSizes.ofSubnets(hosts), minute) * all).toBeCloseTo(downloads, 6);
    }),
    { numRuns: 30 },
  );
});

test("the longer hosts stay, the less crosses the border, and table 4's question is answered by its inverse", () => {
  fc.assert(
    fc.property(populations, fc.double({ min: 0.001, max: 0.5, noNaN: true }), (sizes, share) => {
      const rho = locality.pollsPerStayFor(sizes, share);
      const least = sizes.shares.filter(({ hosts }) => hosts === 1).reduce((sum, size) => sum + size.share, 0);
      fc.pre(least < share);
      expect(locality.remoteUploadShareBound(sizes, rho)).toBeCloseTo(share, 6);
      expect(locality.remoteUploadShareBound(sizes, rho * 0.9)).toBeGreaterThan(share);
    }),
    { numRuns: 50 },
  );
});

test("a host is online for its stay after it asked, and with at most the probability ρ", () => {
  expect(onlineShare(queries, minute.stay, 30)).toBeCloseTo(30 / 72_000, 12);
  expect(onlineShare(queries, minute.stay, 10 * HOUR)).toBeCloseTo(RHO, 12);
  expect(onlineShare(queries, minute.stay, 22 * HOUR + 60)).toBe(0);
  const exponential = { kind: "exponential", meanSeconds: 600 } as const;
  expect(onlineShare(queries, exponential, 600)).toBeCloseTo((600 / 72_000) * (1 - Math.exp(-1)), 12);
  // By a sum over seconds, through both parts of the density.
  const at = 21 * HOUR;
  let sum = 0;
  for (let s = 0.5; s < at; s++) sum += Math.exp(-(at - s) / 600) * queries.density(s);
  expect(onlineShare(queries, exponential, at)).toBeCloseTo(sum, 9);
  fc.assert(
    fc.property(stays, fc.double({ min: 0, max: 30 * HOUR, noNaN: true }), (stay, seconds) => {
      const share = onlineShare(queries, stay, seconds);
      expect(share).toBeGreaterThanOrEqual(0);
      expect(share).toBeLessThanOrEqual(pollsPerStay(queries, stay) * (1 + 1e-12));
    }),
  );
});
