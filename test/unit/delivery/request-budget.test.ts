import fc from "fast-check";
import { expect, test } from "vitest";
import { RequestBudget } from "../../../src/delivery/request-budget.ts";

const SEED = 20_261_122;

/** Whether a request may come now; counted if so. */
function asks(budget: RequestBudget, group: string, nowMs: number): boolean {
  const places = budget.placesOf(group);
  const isAllowed = budget.waitMs(places, nowMs) === 0;
  if (isAllowed) budget.spend(places, nowMs);
  return isAllowed;
}

test("a burst is let in, then one request per interval; who waits as told may go on", () => {
  const budget = new RequestBudget({ perSecond: 10, burst: 5 }, SEED);
  const allowed = Array.from({ length: 8 }, () => asks(budget, "192.0.2.1", 1_000));
  expect(allowed).toEqual([true, true, true, true, true, false, false, false]);
  const waitMs = budget.waitMs(budget.placesOf("192.0.2.1"), 1_000);
  expect(waitMs).toBeCloseTo(100);
  expect(asks(budget, "192.0.2.1", 1_000 + waitMs + 0.001)).toBe(true);
  expect(asks(budget, "192.0.2.1", 1_000 + waitMs + 0.002)).toBe(false);
  // Ten seconds later all of the burst is back, and no more.
  expect(Array.from({ length: 6 }, () => asks(budget, "192.0.2.1", 11_500)).filter(Boolean)).toHaveLength(5);
});

test("in any stretch of time no more are let in than burst and rate allow, and as many as they allow", () => {
  const pauses = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(pauses, fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 20 }), (gaps, perSecond, burst) => {
      const budget = new RequestBudget({ perSecond, burst }, SEED);
      let [nowMs, tokens] = [0, burst];
      for (const gap of gaps) {
        nowMs += gap;
        // The bucket that this stands for, counted in tokens.
        tokens = Math.min(burst, tokens + (gap * perSecond) / 1000);
        // Where both are a rounding apart either answer is right.
        const isClear = Math.abs(tokens - 1) > 1e-6;
        const isAllowed = asks(budget, "198.51.100.9", nowMs);
        if (isClear) expect(isAllowed).toBe(tokens >= 1);
        if (isAllowed) tokens -= 1;
      }
    }),
  );
});

test("a request that counts as many takes as much of the burst as these, and what it lacks is waited for", () => {
  const budget = new RequestBudget({ perSecond: 10, burst: 20 }, SEED);
  const places = budget.placesOf("192.0.2.1");
  budget.spend(places, 0, 15);
  expect(Array.from({ length: 6 }, () => asks(budget, "192.0.2.1", 0))).toEqual([
    ...Array<boolean>(5).fill(true),
    false,
  ]);
  budget.spend(places, 1_000, 30);
  expect(budget.waitMs(places, 1_000)).toBeCloseTo(2_100);
});

test("whatever requests count as, they come to no more than the burst, the rate and one request", () => {
  const request = fc.record({ gapMs: fc.integer({ min: 0, max: 400 }), weight: fc.integer({ min: 1, max: 200 }) });
  fc.assert(
    fc.property(fc.array(request, { maxLength: 300 }), fc.integer({ min: 1, max: 50 }), (requests, burst) => {
      const budget = new RequestBudget({ perSecond: 100, burst }, SEED);
      const places = budget.placesOf("192.0.2.1");
      let [nowMs, letIn] = [0, 0];
      for (const { gapMs, weight } of requests) {
        nowMs += gapMs;
        if (budget.waitMs(places, nowMs) > 0) continue;
        budget.spend(places, nowMs, weight);
        letIn += weight;
        expect(letIn).toBeLessThanOrEqual(burst + nowMs / 10 + weight + 1e-6);
      }
    }),
  );
});

test("a million other addresses neither hold up who asks seldom nor let go who is at the limit", () => {
  const budget = new RequestBudget({ perSecond: 100, burst: 1_000 }, SEED);
  for (let request = 0; request < 1_000; request++) expect(asks(budget, "192.0.2.66", 0)).toBe(true);
  expect(asks(budget, "192.0.2.66", 0)).toBe(false);
  let refused = 0;
  for (let other = 0; other < 1_000_000; other++) {
    const group = `2001:db8:${(other >>> 16).toString(16)}:${(other & 0xffff).toString(16)}::/64`;
    if (!asks(budget, group, 1)) refused++;
  }
  expect(refused).toBe(0);
  expect(asks(budget, "192.0.2.66", 1)).toBe(false);
});

test("who shares a place with an address at its limit has another one of its own", () => {
  const budget = new RequestBudget({ perSecond: 1, burst: 50 }, SEED);
  for (let flooder = 0; flooder < 100; flooder++) {
    for (let request = 0; request < 50; request++) asks(budget, `198.51.100.${flooder}`, 0);
  }
  let refused = 0;
  for (let other = 0; other < 65_536; other++) if (!asks(budget, `10.0.${other >>> 8}.${other & 255}`, 0)) refused++;
  expect(refused).toBeLessThan(5);
});
