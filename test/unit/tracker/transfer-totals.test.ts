import { expect, test } from "vitest";
import { NO_TRANSFERS, type TransferReport, TransferTotals } from "../../../src/tracker/transfer-totals.ts";

const report = (change: Partial<TransferReport>): TransferReport => ({ ...NO_TRANSFERS, ...change });

test("counters of programs add up once, however often they are told", () => {
  const totals = new TransferTotals();
  totals.note("a", report({ swarmBytes: 10, reusedBytes: 5 }));
  totals.note("b", report({ swarmBytes: 1 }));
  totals.note("a", report({ swarmBytes: 15, reusedBytes: 5 }));
  totals.note("a", report({ swarmBytes: 15, reusedBytes: 5 }));
  expect(totals.total).toEqual(report({ swarmBytes: 16, reusedBytes: 5 }));
});

test("a program that begins anew counts from nothing", () => {
  const totals = new TransferTotals();
  totals.note("a", report({ peerBytes: 10, originBytes: 10 }));
  // One counter fell, so both began anew.
  totals.note("a", report({ peerBytes: 3, originBytes: 20 }));
  expect(totals.total).toEqual(report({ peerBytes: 13, originBytes: 30 }));
});

test("who said farewell counts from nothing even if it does more the next time", () => {
  const totals = new TransferTotals();
  totals.note("a", report({ customerBytes: 10 }));
  totals.forget("a");
  totals.note("a", report({ customerBytes: 12 }));
  expect(totals.total).toEqual(report({ customerBytes: 22 }));
});
