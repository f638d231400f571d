import fc from "fast-check";
import { expect, test } from "vitest";
import { RangeSet } from "../../../src/core/byte-range.ts";
import { MAX_REQUEST_BYTES, planBlockRequests, REQUEST_OVERHEAD_BYTES } from "../../../src/swarm/block-requests.ts";

const ranges = fc
  .array(fc.tuple(fc.nat(200_000), fc.integer({ min: 1, max: 40_000 })), { minLength: 1, maxLength: 12 })
  .map((pairs) => RangeSet.of(...pairs.map(([start, length]) => ({ start, end: start + length }))));

function asked(piece: number, missing: RangeSet): [number, number][] {
  return planBlockRequests(piece, missing).map(({ offset, lengthBytes }) => [offset, lengthBytes]);
}

test("a whole piece of 64 KiB is four requests of 16 KiB", () => {
  expect(planBlockRequests(7, RangeSet.of({ start: 0, end: 65_536 }))).toEqual(
    [0, 16_384, 32_768, 49_152].map((offset) => ({ piece: 7, offset, lengthBytes: 16_384 })),
  );
});

test("several ranges are asked for exactly", () => {
  const missing = RangeSet.of({ start: 10, end: 20 }, { start: 500, end: 17_000 });
  expect(asked(0, missing)).toEqual([
    [10, 10],
    [500, 16_384],
    [16_884, 116],
  ]);
});

test("a gap is bridged if that is cheaper than a request of 30 bytes, and only then", () => {
  expect(asked(0, RangeSet.of({ start: 0, end: 10 }, { start: 39, end: 50 }))).toEqual([[0, 50]]);
  expect(asked(0, RangeSet.of({ start: 0, end: 10 }, { start: 40, end: 50 })).length).toBe(2);
});

test("a gap between full requests is not bridged, for it would cost a third request", () => {
  const missing = RangeSet.of({ start: 0, end: 16_384 }, { start: 16_389, end: 32_773 });
  expect(asked(0, missing)).toEqual([
    [0, 16_384],
    [16_389, 16_384],
  ]);
});

test("requests cover what is missing, are short enough, do not overlap, and cost no more than asking range by range", () => {
  fc.assert(
    fc.property(ranges, (missing) => {
      const requests = planBlockRequests(3, missing);
      const covered = new RangeSet();
      for (const { offset, lengthBytes } of requests) covered.add(offset, offset + lengthBytes);
      for (const range of missing) expect(covered.covers(range.start, range.end)).toBe(true);
      const total = requests.reduce((sum, request) => sum + request.lengthBytes, 0);
      expect(covered.totalBytes).toBe(total);
      expect(Math.max(...requests.map((request) => request.lengthBytes))).toBeLessThanOrEqual(MAX_REQUEST_BYTES);
      const apart = [...missing].reduce((sum, { start, end }) => sum + Math.ceil((end - start) / MAX_REQUEST_BYTES), 0);
      const cost = total + requests.length * REQUEST_OVERHEAD_BYTES;
      expect(cost).toBeLessThanOrEqual(missing.totalBytes + apart * REQUEST_OVERHEAD_BYTES);
    }),
  );
});

/** Ranges of all lengths with small gaps, where joining is worth a thought. */
const nearRanges = fc
  .array(
    fc.record({
      gap: fc.integer({ min: 1, max: 60 }),
      length: fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 20_000 })),
    }),
    { minLength: 1, maxLength: 7 },
  )
  .map((steps) => {
    let end = 0;
    return steps.map(({ gap, length }) => {
      const start = end + gap;
      end = start + length;
      return { start, end };
    });
  });

function costOf(runs: readonly { readonly start: number; readonly end: number }[]): number {
  const costs = runs.map(({ start, end }) => end - start + Math.ceil((end - start) / MAX_REQUEST_BYTES) * 30);
  return costs.reduce((sum, cost) => sum + cost, 0);
}

test("no other way to join neighbours costs fewer bytes", () => {
  fc.assert(
    fc.property(nearRanges, (near) => {
      const ways = Array.from({ length: 2 ** (near.length - 1) }, (_, cuts) => {
        const ends = near.flatMap((_range, i) => (i === near.length - 1 || (cuts >> i) % 2 === 1 ? [i] : []));
        return ends.map((end, i) => ({ start: near[i === 0 ? 0 : ends[i - 1]! + 1]!.start, end: near[end]!.end }));
      });
      const cost = planBlockRequests(0, RangeSet.of(...near)).reduce(
        (sum, { lengthBytes }) => sum + lengthBytes + 30,
        0,
      );
      expect(cost).toBe(Math.min(...ways.map(costOf)));
    }),
    { numRuns: 300 },
  );
});

test("a piece made of a hundred thousand tiny holes is planned in linear time", () => {
  const holes = (count: number): RangeSet => {
    const set = new RangeSet();
    for (let i = 0; i < count; i++) set.add(20 * i, 20 * i + 10);
    return set;
  };
  const few = cpuMsOf(() => planBlockRequests(0, holes(10_000)));
  const many = cpuMsOf(() => planBlockRequests(0, holes(100_000)));
  expect(many / Math.max(few, 1)).toBeLessThan(50);
});

function cpuMsOf(act: () => unknown): number {
  const start = process.cpuUsage();
  act();
  return process.cpuUsage(start).user / 1_000;
}
