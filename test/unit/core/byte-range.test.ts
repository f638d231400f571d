import fc from "fast-check";
import { expect, test } from "vitest";
import { RangeSet } from "../../../src/core/byte-range.ts";

const operation = fc.record({
  add: fc.boolean(),
  start: fc.integer({ min: 0, max: 60 }),
  length: fc.integer({ min: 0, max: 20 }),
});

test("a RangeSet behaves like a set of offsets under any adds and removes", () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
      const ranges = new RangeSet();
      const model = new Set<number>();
      for (const { add, start, length } of operations) {
        if (add) ranges.add(start, start + length);
        else ranges.remove(start, start + length);
        for (let offset = start; offset < start + length; offset++) {
          if (add) model.add(offset);
          else model.delete(offset);
        }
      }
      const offsets = [...ranges].flatMap((range) => offsetsOf(range.start, range.end));
      expect(offsets).toEqual([...model].sort((a, b) => a - b));
      expect(ranges.totalBytes).toBe(model.size);
      const missing = [...ranges.missingIn(5, 50)].flatMap((range) => offsetsOf(range.start, range.end));
      expect(missing).toEqual(offsetsOf(5, 50).filter((offset) => !model.has(offset)));
      expect(ranges.covers(10, 20)).toBe(offsetsOf(10, 20).every((offset) => model.has(offset)));
    }),
  );
});

test("ranges are kept sorted, disjoint and merged when they touch", () => {
  const ranges = RangeSet.of({ start: 10, end: 20 }, { start: 30, end: 40 }, { start: 20, end: 30 });
  expect([...ranges]).toEqual([{ start: 10, end: 40 }]);
});

test("a reversed or negative range is refused", () => {
  expect(() => new RangeSet().add(5, 4)).toThrow(/0 ≤ start ≤ end/);
  expect(() => new RangeSet().add(-1, 4)).toThrow(/0 ≤ start ≤ end/);
});

function offsetsOf(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, index) => start + index);
}
