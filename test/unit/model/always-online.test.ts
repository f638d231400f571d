import fc from "fast-check";
import { expect, test } from "vitest";
import { seededRandom } from "../../../src/core/clock.ts";
import {
  deviationBound,
  deviationRate,
  estimateAlwaysOnline,
  estimatorSlack,
} from "../../../src/model/always-online.ts";

const HOURLY = Array.from({ length: 18 }, () => 0.05);
const THREE_HOURLY = Array.from({ length: 6 }, () => 0.15);

// ε(M) for 95 %, eighteen parts of an hour and six of three hours, by another program.
test.each([
  [1e3, 0.523, 0.263],
  [1e4, 0.157, 0.081],
  [6e4, 0.0633, 0.0328],
  [3e5, 0.0281, 0.0146],
  [1e6, 0.0154, 0.008],
  [1e7, 0.0049, 0.0025],
])("lemma 1's slack for %d hosts", (hosts, hourly, threeHourly) => {
  const digits = hosts < 5e4 ? 3 : 4;
  expect(estimatorSlack(hosts, HOURLY)).toBeCloseTo(hourly, digits);
  expect(estimatorSlack(hosts, THREE_HOURLY)).toBeCloseTo(threeHourly, digits);
});

test("the first term of h is the smaller one", () => {
  fc.assert(
    fc.property(fc.double({ min: 1e-3, max: 100, noNaN: true }), (epsilon) => {
      expect(deviationRate(epsilon)).toBe((1 + epsilon) * Math.log1p(epsilon) - epsilon);
    }),
  );
});

test("lemma 2 bounds the tail of a binomial", () => {
  const random = seededRandom(5);
  const [trials, probability, runs] = [200, 0.2, 4000];
  for (const epsilon of [0.2, 0.4, 0.6]) {
    let beyond = 0;
    for (let run = 0; run < runs; run++) {
      const mean = trials * probability;
      beyond += Math.abs(binomial(trials, probability, random) - mean) > epsilon * mean ? 1 : 0;
    }
    expect(beyond / runs).toBeLessThanOrEqual(deviationBound(trials * probability, epsilon));
  }
});

test("in at most 5 % of populations more hosts are always online than the estimate allows", () => {
  const random = seededRandom(6);
  const truth = 2000;
  const runs = 200;
  let violations = 0;
  for (let run = 0; run < runs; run++) {
    // Others ask, too, few of them at night.
    const counts = HOURLY.map((probability, hour) => ({
      queries: binomial(truth, probability, random) + (hour % 18 < 4 ? 0 : binomial(500, 0.2, random)),
      probability,
    }));
    const { estimate, atMost } = estimateAlwaysOnline(counts);
    expect(atMost).toBeGreaterThanOrEqual(estimate);
    violations += atMost < truth ? 1 : 0;
  }
  expect(violations / runs).toBeLessThanOrEqual(0.05);
});

test("the largest M that the estimate allows is where (1 − ε(M)) M reaches it", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 1e5 }), { minLength: 1, maxLength: 10 }), (queries) => {
      const counts = queries.map((count) => ({ queries: count, probability: 0.05 }));
      const { estimate, atMost } = estimateAlwaysOnline(counts);
      const slack = (hosts: number): number =>
        estimatorSlack(
          hosts,
          counts.map(({ probability }) => probability),
        );
      expect(atMost * (1 - slack(atMost))).toBeLessThanOrEqual(estimate * (1 + 1e-9) + 1e-9);
      expect(atMost * 1.001 * (1 - slack(atMost * 1.001))).toBeGreaterThan(estimate);
    }),
  );
});

function binomial(trials: number, probability: number, random: () => number): number {
  let count = 0;
  for (let i = 0; i < trials; i++) count += random() < probability ? 1 : 0;
  return count;
}
