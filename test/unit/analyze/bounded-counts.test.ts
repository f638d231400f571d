import fc from "fast-check";
import { expect, test } from "vitest";
import { mixBits } from "../../../src/analyze/byte-hash.ts";
import { CappedTable } from "../../../src/analyze/capped-table.ts";
import { ClockGate } from "../../../src/analyze/clock-gate.ts";
import { DistinctCount } from "../../../src/analyze/distinct-count.ts";
import { FrequentNames } from "../../../src/analyze/frequent-names.ts";
import { seededRandom } from "../../../src/core/clock.ts";

test("a table within its cap counts exactly as a map does", () => {
  const keys = fc.array(fc.tuple(fc.nat(50), fc.integer({ min: 0, max: 0xffffffff })), { maxLength: 3000 });
  fc.assert(
    fc.property(keys, (added) => {
      const expected = new Map<string, number>();
      const table = new CappedTable({ columns: 1, maxRows: 5000, sampledBy: "key" });
      for (const [first, second] of added) {
        expected.set(`${first} ${second}`, (expected.get(`${first} ${second}`) ?? 0) + 1);
        table.values[table.slotOf(first, second)]!++;
      }
      const rows = [...table.slots()].map((slot) => [
        `${table.firstOf(slot)} ${table.secondOf(slot)}`,
        table.values[slot],
      ]);
      expect(new Map(rows as [string, number][])).toEqual(expected);
      expect(table.scale).toBe(1);
    }),
    { numRuns: 30 },
  );
});

test("beyond its cap a table keeps a sample: each key wholly or not at all, sums within three standard errors", () => {
  const table = new CappedTable({ columns: 1, maxRows: 2000, sampledBy: "key" });
  const keys = 50_000;
  for (let round = 0; round < 2; round++)
    for (let key = 0; key < keys; key++) {
      const slot = table.slotOf(mixBits(key), 7);
      if (slot >= 0) table.values[slot]!++;
    }
  const counts = [...table.slots()].map((slot) => table.values[slot]!);
  expect(table.rows).toBeLessThanOrEqual(2000);
  expect(new Set(counts)).toEqual(new Set([2]));
  expect(Math.abs((table.rows * table.scale) / keys - 1)).toBeLessThan(3 / Math.sqrt(table.rows));
});

test("sampled by the first half of its keys, a table keeps all rows of a first half or none", () => {
  const table = new CappedTable({ columns: 0, maxRows: 1000, sampledBy: "first" });
  for (let first = 0; first < 500; first++)
    for (let second = 0; second < 10; second++) table.slotOf(mixBits(first), second);
  const byFirst = Map.groupBy(table.slots(), (slot) => table.firstOf(slot));
  expect(byFirst.size).toBeGreaterThan(40);
  expect(new Set([...byFirst.values()].map(({ length }) => length))).toEqual(new Set([10]));
});

test("frequent names: no count is too high, none too low by more than is told, and that is below all / kept", () => {
  const random = seededRandom(5);
  const names = new FrequentNames(50);
  const exact = new Map<number, number>();
  const all = 30_000;
  for (let i = 0; i < all; i++) {
    const key = Math.floor(3000 * random() ** 4);
    exact.set(key, (exact.get(key) ?? 0) + 1);
    names.add(key, 1, () => String(key));
  }
  const kept = new Map(names.sorted());
  const errors = [...exact].map(([key, count]) => count - (kept.get(key)?.count ?? 0));
  expect(Math.min(...errors)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...errors)).toBeLessThanOrEqual(names.undercount);
  expect(names.undercount).toBeLessThan(all / 50);
  expect(names.sorted()[0]![0]).toBe(0);
});

test.each([10, 1000, 100_000])("%d different things are counted within three standard errors", (count) => {
  const distinct = new DistinctCount(10);
  for (let repeat = 0; repeat < 2; repeat++) for (let i = 0; i < count; i++) distinct.add(mixBits(i));
  expect(Math.abs(distinct.estimate() / count - 1)).toBeLessThan((3 * 1.04) / 32);
});

test("one line of another year is skipped, a gap of a year costs two lines", () => {
  const gate = new ClockGate();
  const day = 86_400;
  const year = 365 * day;
  const times = [
    year,
    year + 10,
    30 * year,
    year + 20,
    year - 20 * day,
    3 * year,
    3 * year + day,
    3 * year + 2,
    3 * year + 5,
  ];
  expect(times.map((time) => gate.admits(time))).toEqual([true, true, false, true, true, false, false, true, true]);
  expect(gate.jumps).toBe(3);
});
