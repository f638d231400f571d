import { expect, test } from "vitest";
import { AnnounceBudget } from "../../../src/tracker/announce-budget.ts";

const admitted = (count: number, may: () => boolean): number =>
  Array.from({ length: count }, may).filter(Boolean).length;

test("one volunteer gets its burst and then one a second, others are not touched", () => {
  const budget = new AnnounceBudget();
  expect(admitted(100, () => budget.mayVolunteer("a", 0))).toBe(30);
  expect(admitted(100, () => budget.mayVolunteer("a", 10_000))).toBe(10);
  expect(admitted(100, () => budget.mayVolunteer("b", 10_000))).toBe(30);
});

test("one address gets more, for the mirrors behind it", () => {
  const budget = new AnnounceBudget();
  expect(admitted(10_000, () => budget.mayAddress("192.0.2.1", 0))).toBe(600);
  expect(admitted(10_000, () => budget.mayAddress("192.0.2.1", 2_000))).toBe(100);
});

test("a million addresses leave a bounded number of rows", () => {
  const budget = new AnnounceBudget();
  for (let index = 0; index < 1_000_000; index++) budget.mayAddress(String(index), index);
  expect(budget.size).toBeLessThanOrEqual(20_000);
});
