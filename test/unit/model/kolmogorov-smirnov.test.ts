import { expect, test } from "vitest";
import { seededRandom } from "../../../src/core/clock.ts";
import { criticalDistance, testUniformity } from "../../../src/model/kolmogorov-smirnov.ts";

test("the distance of samples that were worked out by hand", () => {
  expect(testUniformity([0.5]).distance).toBe(0.5);
  expect(testUniformity([0.9, 0.1]).distance).toBeCloseTo(0.4, 12);
  expect(testUniformity([0.25, 0.5, 0.75, 0.0]).distance).toBe(0.25);
});

// Exact critical values for 5 % (Massey 1951): Stephens' correction is good to a part in a hundred.
test.each([
  [5, 0.563],
  [10, 0.409],
  [20, 0.294],
  [1000, 1.358 / Math.sqrt(1000)],
])("the critical distance of %d points", (count, distance) => {
  expect(criticalDistance(count) / distance).toBeCloseTo(1, 1);
  expect(Math.abs(criticalDistance(count) / distance - 1)).toBeLessThan(0.01);
});

test("one in twenty uniform samples is rejected at 5 %, skewed ones with more points more often", () => {
  const random = seededRandom(4);
  const rejected = (count: number, draw: () => number): number => {
    let rejections = 0;
    for (let run = 0; run < 1000; run++) {
      if (testUniformity(Array.from({ length: count }, draw)).probability < 0.05) rejections++;
    }
    return rejections / 1000;
  };
  expect(Math.abs(rejected(100, random) - 0.05)).toBeLessThan(0.02);
  const skewed = (): number => random() ** 1.2;
  const [few, some, many] = [10, 100, 1000].map((count) => rejected(count, skewed));
  expect(few).toBeLessThan(some!);
  expect(some).toBeLessThan(many!);
  expect(many).toBeGreaterThan(0.95);
});
