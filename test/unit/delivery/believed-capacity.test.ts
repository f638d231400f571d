import fc from "fast-check";
import { expect, test } from "vitest";
import { believedCapacities } from "../../../src/delivery/believed-capacity.ts";
import { DEFAULT_CAPACITY_BYTES_PER_SECOND } from "../../../src/delivery/delivery-volunteer.ts";

test("one liar is believed twice the median of the others, honest ones all they say", () => {
  expect(believedCapacities([5, 2 ** 53, 20, 10])).toEqual([5, 20, 20, 10]);
  expect(believedCapacities([10, 10, 10])).toEqual([10, 10, 10]);
  expect(believedCapacities([5, 10, 20])).toEqual([5, 10, 20]);
});

test("two volunteers are believed; who does not tell has the usual capacity", () => {
  expect(believedCapacities([1, 2 ** 53])).toEqual([1, 2 ** 53]);
  expect(believedCapacities([0])).toEqual([DEFAULT_CAPACITY_BYTES_PER_SECOND]);
});

test("each is the lesser of its word and twice the upper median of the others", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 3, maxLength: 9 }), (announced) => {
      const expected = announced.map((own, index) => {
        const others = announced.toSpliced(index, 1).toSorted((a, b) => a - b);
        return Math.min(own, 2 * others[others.length >> 1]!);
      });
      expect(believedCapacities(announced)).toEqual(expected);
    }),
  );
});
