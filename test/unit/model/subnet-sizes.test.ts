import fc from "fast-check";
import { expect, test } from "vitest";
import { fitSubnetSizes } from "../../../src/model/fit-subnet-sizes.ts";
import { remoteUploadShareBound } from "../../../src/model/locality.ts";
import { SubnetSizes } from "../../../src/model/subnet-sizes.ts";

test("eq. 2: each host counts its own subnet, the shares sum to 1, E[1/S] counts the subnets", () => {
  expect(SubnetSizes.ofSubnets([1, 1, 2, 6]).shares).toEqual([
    { hosts: 1, share: 0.2 },
    { hosts: 2, share: 0.2 },
    { hosts: 6, share: 0.6 },
  ]);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 1e6 }), { minLength: 1 }), (subnets) => {
      const sizes = SubnetSizes.ofSubnets(subnets);
      const hosts = subnets.reduce((sum, size) => sum + size, 0);
      expect(sizes.mean(() => 1)).toBeCloseTo(1, 9);
      expect(sizes.subnetsOf(hosts)).toBeCloseTo(subnets.length, 6);
      expect(sizes.cumulative(Math.max(...subnets))).toBeCloseTo(1, 9);
    }),
  );
});

test("a distribution is fitted to values of eq. 3 that another one has", () => {
  const rhos = [1e-4, 1e-3, 1e-2];
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 20, max: 50_000 }), { minLength: 3, maxLength: 20 }), (subnets) => {
      const sizes = SubnetSizes.ofSubnets([20, ...subnets, 50_000]);
      const points = rhos.map((rho) => ({ rho, uploadShare: remoteUploadShareBound(sizes, rho) }));
      // Wider than the true one, else it may be the only distribution there is.
      const fitted = fitSubnetSizes(points, { smallestHosts: 1, largestHosts: 1e6 });
      for (const { rho, uploadShare } of points) {
        expect(remoteUploadShareBound(fitted!, rho) / uploadShare).toBeCloseTo(1, 6);
      }
    }),
    { numRuns: 20 },
  );
});

test("values that no distribution has are refused", () => {
  // R falls with ρ, and cannot rise from 0.01 to 0.1.
  const rising = [
    { rho: 1e-3, uploadShare: 0.01 },
    { rho: 1e-2, uploadShare: 0.1 },
  ];
  expect(fitSubnetSizes(rising, { largestHosts: 1e6 })).toBeUndefined();
});
