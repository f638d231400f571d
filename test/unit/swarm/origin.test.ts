import fc from "fast-check";
import { expect, test } from "vitest";
import { GIVEN_WINDOW_MS, type LedgerSituation, OriginLedger } from "../../../src/swarm/origin-ledger.ts";
import { DEFERRAL_MS, OriginPolicy, PATIENCE_MS } from "../../../src/swarm/origin-policy.ts";
import { SecondCopyBudget } from "../../../src/swarm/second-copy-budget.ts";

const MIB: number = 1024 * 1024;

/** Nothing is under way any more: what was given has arrived. */
function at(nowMs: number): LedgerSituation {
  return { nowMs, isUnderWay: () => false };
}

test("a piece given to one volunteer is deferred for another, and given when it asks again", () => {
  const ledger = new OriginLedger();
  expect(ledger.decide(5, 1, at(0))).toBe("give");
  expect(ledger.decide(5, 1, at(1))).toBe("give");
  expect(ledger.decide(5, 2, at(2))).toBe("defer");
  expect(ledger.decide(5, 2, at(3))).toBe("defer"); // another block of the same burst
  expect(ledger.decide(5, 2, at(2_002))).toBe("give");
  expect(ledger.decide(6, 2, at(2_003))).toBe("give");
});

test("what is still on its way to one volunteer is given to nobody else, however often they ask", () => {
  const ledger = new OriginLedger();
  ledger.decide(5, 1, at(0));
  const isUnderWay = (receiver: number): boolean => receiver === 1;
  for (let nowMs = 0; nowMs < 20_000; nowMs += 500) expect(ledger.decide(5, 2, { nowMs, isUnderWay })).toBe("defer");
  expect(ledger.decide(5, 1, { nowMs: 100, isUnderWay })).toBe("give");
});

test("the window ends, also without a second request", () => {
  const ledger = new OriginLedger();
  ledger.decide(5, 1, at(0));
  expect(ledger.decide(5, 2, at(GIVEN_WINDOW_MS + 1))).toBe("give");
});

test("sending blocks keeps the window open", () => {
  const ledger = new OriginLedger();
  ledger.decide(5, 1, at(0));
  ledger.given(5, 1, 2_500);
  expect(ledger.decide(5, 2, at(4_000))).toBe("defer");
});

test("what a receiver that left or cancelled had got is given to others at once", () => {
  const ledger = new OriginLedger();
  ledger.decide(5, 1, at(0));
  ledger.decide(6, 1, at(0));
  ledger.withdraw(6, 1);
  expect(ledger.decide(6, 2, at(1))).toBe("give");
  ledger.disconnected(1);
  expect(ledger.decide(5, 2, at(1))).toBe("give");
});

test("nobody is deferred for the same piece for longer than a second, whatever the others do", () => {
  const ask = fc.record({ requester: fc.integer({ min: 1, max: 4 }), waitMs: fc.nat(900) });
  fc.assert(
    fc.property(fc.array(ask, { maxLength: 100 }), (asks) => {
      const ledger = new OriginLedger();
      const firstDeferral = new Map<number, number>();
      let nowMs = 0;
      for (const { requester, waitMs } of asks) {
        nowMs += waitMs;
        const isDeferred = ledger.decide(1, requester, at(nowMs)) === "defer";
        if (!isDeferred) continue;
        const first = firstDeferral.get(requester) ?? -Infinity;
        expect(nowMs - first <= 1_000 || nowMs - first > 10_000).toBe(true);
        if (nowMs - first > 10_000) firstDeferral.set(requester, nowMs);
      }
    }),
  );
});

test("the ledger's memory is bounded", () => {
  const ledger = new OriginLedger();
  for (let piece = 0; piece < 100_000; piece++) {
    ledger.decide(piece, 1, at(0));
    ledger.decide(piece, 2, at(0));
  }
  expect(ledger.entryCount).toBeLessThanOrEqual(2 * 65_536);
});

const unoffered = { piece: 1, offerCount: 0, progressMs: undefined, isEndgame: false, isSuspect: false };
const offered = { piece: 2, offerCount: 1, progressMs: undefined, isEndgame: false, isSuspect: false };

test("pieces nobody offers are asked of the origin, offered ones are not", () => {
  const policy = new OriginPolicy(0);
  expect(policy.mayAsk(unoffered, 0)).toBe(true);
  expect(policy.mayAsk(offered, 0)).toBe(false);
});

test("offered pieces are asked of the origin if peers deliver nothing, or the last pieces hang, or one hangs for long", () => {
  const policy = new OriginPolicy(0);
  expect(policy.mayAsk(offered, PATIENCE_MS + 1)).toBe(true);
  policy.noteBlock(false, PATIENCE_MS + 1);
  expect(policy.mayAsk(offered, PATIENCE_MS + 2)).toBe(false);
  expect(policy.mayAsk({ ...offered, progressMs: 1, isEndgame: true }, PATIENCE_MS + 2)).toBe(true);
  expect(policy.mayAsk({ ...offered, progressMs: 1 }, PATIENCE_MS + 2)).toBe(false);
  policy.noteBlock(false, 10_002);
  expect(policy.mayAsk({ ...offered, progressMs: 1 }, 10_002)).toBe(true);
});

test("a deferred piece rests for two seconds, half a one if nothing comes at all", () => {
  const policy = new OriginPolicy(0);
  policy.noteBlock(true, 0);
  policy.noteDeferral(1, 0);
  policy.noteBlock(true, 1_500);
  expect(policy.mayAsk(unoffered, 1_600)).toBe(false);
  expect(policy.mayAsk(unoffered, DEFERRAL_MS)).toBe(true);
  policy.noteDeferral(1, 2_100);
  expect(policy.mayAsk(unoffered, 2_400)).toBe(false);
  expect(policy.mayAsk(unoffered, 2_599)).toBe(false);
  expect(policy.mayAsk(unoffered, 2_600)).toBe(true);
});

test("second copies begin small, double each second, and begin anew after the peers were quick", () => {
  const budget = new SecondCopyBudget();
  expect(budget.hasRoom(0)).toBe(false);
  budget.open(0);
  expect(budget.hasRoom(0)).toBe(true);
  expect(bytesAllowedWithin(budget, 2_000)).toBeLessThan(4 * MIB);
  expect(bytesAllowedWithin(budget, 10_000)).toBeGreaterThan(500 * MIB);
  budget.close();
  budget.open(20_000);
  budget.spend(MIB);
  expect(budget.hasRoom(20_100)).toBe(false);
});

/** Spends MiB by MiB what the budget has room for. */
function bytesAllowedWithin(budget: SecondCopyBudget, nowMs: number): number {
  let bytes = 0;
  for (; budget.hasRoom(nowMs); bytes += MIB) budget.spend(MIB);
  return bytes;
}
