import fc from "fast-check";
import { expect, test } from "vitest";
import { expectedSeconds } from "../../../src/delivery/delivery-volunteer.ts";
import { LoadEstimates, type LoadReport } from "../../../src/delivery/load-estimates.ts";

const IDLE: LoadReport = {
  atMs: 1_000,
  customers: 0,
  customerBytes: 0,
  syncBytes: 0,
  capacityBytesPerSecond: 1_000,
};

test("between announces a load grows by what is sent there and shrinks by what the line carries", () => {
  const estimates = new LoadEstimates();
  const report = { ...IDLE, customers: 1, customerBytes: 2_000 };
  estimates.noteRedirect("a", report, { lengthBytes: 3_000, nowMs: 1_000 });
  expect(estimates.estimate("a", report, 1_000)).toMatchObject({ customers: 2, customerBytes: 5_000 });
  // Both get half of the line: 2,000 bytes are through after 4 s, the other after 5 s.
  expect(estimates.estimate("a", report, 3_000)).toMatchObject({ customers: 2, customerBytes: 3_000 });
  expect(estimates.estimate("a", report, 5_000)).toMatchObject({ customers: 1, customerBytes: 1_000 });
  expect(estimates.estimate("a", report, 9_000)).toMatchObject({ customers: 0, customerBytes: 0 });
  expect(estimates.estimate("b", IDLE, 9_000)).toMatchObject({ customers: 0, customerBytes: 0 });
});

test("an idle time before a redirect carries nothing of it", () => {
  const estimates = new LoadEstimates();
  estimates.noteRedirect("a", IDLE, { lengthBytes: 3_000, nowMs: 50_000 });
  expect(estimates.estimate("a", IDLE, 51_000)).toMatchObject({ customers: 1, customerBytes: 2_000 });
});

test("synchronisation shares the line and ends", () => {
  const estimates = new LoadEstimates();
  const report = { ...IDLE, customers: 1, customerBytes: 1_000, syncBytes: 16_000 };
  // One part of 17 for the customer, 16 for the synchronisation.
  expect(estimates.estimate("a", report, 9_500)).toMatchObject({ customers: 1, customerBytes: 500, syncBytes: 8_000 });
  expect(estimates.estimate("a", report, 18_001)).toMatchObject({ customers: 0, customerBytes: 0, syncBytes: 0 });
});

test("the next announce tells of those customers itself", () => {
  const estimates = new LoadEstimates();
  estimates.noteRedirect("a", IDLE, { lengthBytes: 3_000, nowMs: 1_000 });
  const next = { ...IDLE, atMs: 2_000, customers: 1, customerBytes: 2_500 };
  expect(estimates.estimate("a", next, 2_000)).toMatchObject({ customers: 1, customerBytes: 2_500 });
});

test("an announce keeps what is known of sizes: of an image and a package the package ended", () => {
  const estimates = new LoadEstimates();
  estimates.noteRedirect("a", IDLE, { lengthBytes: 1_000_000, nowMs: 1_000 });
  estimates.noteRedirect("a", IDLE, { lengthBytes: 10_000, nowMs: 1_000 });
  const both = { ...IDLE, atMs: 2_000, customers: 2, customerBytes: 1_009_000 };
  const load = estimates.estimate("a", both, 2_000);
  expect(expectedSeconds(load, 1_000)).toBe(3);
  // 19 s later the package is through, and the image goes on alone.
  expect(estimates.estimate("a", both, 22_000)).toMatchObject({ customers: 1 });
});

test("the word idle takes off what the line could carry since, not more, until that is through", () => {
  const estimates = new LoadEstimates();
  estimates.noteRedirect("a", IDLE, { lengthBytes: 8_000, nowMs: 1_000 });
  estimates.noteRedirect("a", IDLE, { lengthBytes: 2_000, nowMs: 1_000 });
  const idle = (atMs: number): LoadReport => ({ ...IDLE, atMs });
  expect(estimates.estimate("a", idle(2_000), 2_000)).toMatchObject({ customers: 2, customerBytes: 9_000 });
  expect(estimates.estimate("a", idle(3_000), 3_000)).toMatchObject({ customers: 2, customerBytes: 8_000 });
  expect(estimates.estimate("a", idle(11_000), 11_000)).toMatchObject({ customers: 0, customerBytes: 0 });
});

test("a volunteer that tells another line is not idle by that", () => {
  const estimates = new LoadEstimates();
  estimates.noteRedirect("a", IDLE, { lengthBytes: 9_000, nowMs: 1_000 });
  const other = { ...IDLE, atMs: 2_000, capacityBytesPerSecond: 1_001 };
  expect(estimates.estimate("a", other, 2_000)).toMatchObject({ customers: 1, customerBytes: 8_000 });
});

test("customers that never came are held against a volunteer for ten minutes at most", () => {
  const estimates = new LoadEstimates();
  for (let turn = 0; turn < 1_000; turn++) estimates.noteRedirect("a", IDLE, { lengthBytes: 4e9, nowMs: 1_000 });
  const after = (seconds: number): LoadReport => ({ ...IDLE, atMs: 1_000 + seconds * 1_000 });
  expect(estimates.estimate("a", after(1), 2_000)).toMatchObject({ customerBytes: 599_000 });
  expect(estimates.estimate("a", after(600), 601_000)).toMatchObject({ customers: 0, customerBytes: 0 });
});

test("what a volunteer that lowers its line was sent before is held against it for ten minutes at most", () => {
  const estimates = new LoadEstimates();
  const fast = { ...IDLE, capacityBytesPerSecond: 1_000_000 };
  estimates.noteRedirect("a", fast, { lengthBytes: 4e9, nowMs: 1_000 });
  const slowAfter = (seconds: number): LoadReport => ({ ...IDLE, atMs: 1_000 + seconds * 1_000 });
  expect(estimates.estimate("a", slowAfter(1), 2_000)).toMatchObject({ customerBytes: 599e6 });
  expect(estimates.estimate("a", slowAfter(602), 603_000)).toMatchObject({ customers: 0, customerBytes: 0 });
});

test("a volunteer that tells a slow line for a moment is not idle on the old one", () => {
  const estimates = new LoadEstimates();
  const fast = { ...IDLE, capacityBytesPerSecond: 1_000_000 };
  estimates.noteRedirect("a", fast, { lengthBytes: 300e6, nowMs: 1_000 });
  estimates.estimate("a", { ...IDLE, atMs: 2_000, capacityBytesPerSecond: 1 }, 2_000);
  const { customerBytes } = estimates.estimate("a", { ...fast, atMs: 3_000 }, 3_000);
  expect(customerBytes).toBeGreaterThan(298e6);
});

const report = fc.record({
  atMs: fc.nat(100_000),
  customers: fc.nat(20),
  customerBytes: fc.nat(1_000_000),
  syncBytes: fc.nat(1_000_000),
  capacityBytesPerSecond: fc.nat(100_000),
});

test("whatever is told and sent, loads are never negative, keep to the last announce, and end at last", () => {
  const step = fc.oneof(report, fc.record({ lengthBytes: fc.nat(1_000_000), atMs: fc.nat(100_000) }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const estimates = new LoadEstimates();
      let last = IDLE;
      for (const one of steps.toSorted((a, b) => a.atMs - b.atMs)) {
        if ("lengthBytes" in one) estimates.noteRedirect("a", last, { ...one, nowMs: Math.max(one.atMs, last.atMs) });
        else {
          last = one.atMs === last.atMs ? last : one;
          const told = estimates.estimate("a", last, last.atMs);
          expect(told.customerBytes).toBeGreaterThanOrEqual(0);
        }
        const now = estimates.estimate("a", last, one.atMs);
        expect(Math.min(now.customers, now.customerBytes, now.syncBytes)).toBeGreaterThanOrEqual(0);
        expect(now.customers > 0 || now.customerBytes === 0).toBe(true);
      }
      expect(estimates.estimate("a", last, 1e15)).toMatchObject({ customers: 0, customerBytes: 0, syncBytes: 0 });
    }),
  );
});
