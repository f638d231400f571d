import { expect, test } from "vitest";
import { NO_TRANSFERS, type TransferReport, TransferTotals } from "../../../src/tracker/transfer-totals.ts";

const STARTED = { hasStarted: true };
const GOES_ON = { hasStarted: false };
const report = (change: Partial<TransferReport>): TransferReport => ({ ...NO_TRANSFERS, ...change });

test("counters of programs add up once, however often they are told", () => {
  const totals = new TransferTotals();
  totals.note("a", report({ swarmBytes: 10, reusedBytes: 5 }), STARTED);
  totals.note("b", report({ swarmBytes: 1 }), STARTED);
  totals.note("a", report({ swarmBytes: 15, reusedBytes: 5 }), STARTED);
  totals.note("a", report({ swarmBytes: 15, reusedBytes: 5 }), STARTED);
  expect(totals.total).toEqual(report({ swarmBytes: 16, reusedBytes: 5 }));
});

test("a program that begins anew counts from nothing", () => {
  const totals = new TransferTotals();
  totals.note("a", report({ peerBytes: 10, originBytes: 10 }), STARTED);
  // One counter fell, so both began anew.
  totals.note("a", report({ peerBytes: 3, originBytes: 20 }), STARTED);
  expect(totals.total).toEqual(report({ peerBytes: 13, originBytes: 30 }));
});

test("who said farewell counts from nothing even if it does more the next time", () => {
  const totals = new TransferTotals();
  totals.note("a", report({ customerBytes: 10 }), STARTED);
  totals.forget("a");
  totals.note("a", report({ customerBytes: 12 }), STARTED);
  expect(totals.total).toEqual(report({ customerBytes: 22 }));
});

test("a program that began before central counts from its first report on", () => {
  const totals = new TransferTotals();
  totals.note("a", report({ customerBytes: 1_000 }), GOES_ON);
  totals.note("a", report({ customerBytes: 1_005 }), GOES_ON);
  // It began anew and its first announce was lost.
  totals.note("a", report({ customerBytes: 3 }), GOES_ON);
  expect(totals.total).toEqual(report({ customerBytes: 8 }));
});

test("an absurd number spoils no sum for good", () => {
  const totals = new TransferTotals();
  totals.note("liar", report({ swarmBytes: Number.MAX_SAFE_INTEGER }), STARTED);
  totals.note("a", report({ swarmBytes: 1 }), STARTED);
  expect(totals.total.swarmBytes).toBe(2 ** 50 + 1);
});
