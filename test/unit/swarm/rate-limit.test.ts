import fc from "fast-check";
import { expect, test } from "vitest";
import { FairBudget } from "../../../src/swarm/fair-budget.ts";
import { TokenBucket } from "../../../src/swarm/rate-limit.ts";

const KIB = 1024;

test("over any stretch of time no more passes than rate × time, one burst and one block", () => {
  const steps = fc.array(fc.record({ waitMs: fc.nat(500), bytes: fc.integer({ min: 1, max: 16 * KIB }) }), {
    maxLength: 200,
  });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10_000_000 }), steps, (rate, asks) => {
      const bucket = new TokenBucket(rate, 0);
      let nowMs = 0;
      let passed = 0;
      for (const { waitMs, bytes } of asks) {
        nowMs += waitMs;
        if (!bucket.isOpen(nowMs)) continue;
        bucket.take(bytes, nowMs);
        passed += bytes;
      }
      expect(passed).toBeLessThanOrEqual((rate * nowMs) / 1000 + Math.max(32 * KIB, rate / 4) + 16 * KIB);
    }),
  );
});

test("who waits as long as it is told gets the whole rate", () => {
  const bucket = new TokenBucket(100_000, 0);
  let nowMs = 0;
  let passed = 0;
  while (nowMs < 60_000) {
    nowMs += bucket.waitMs(nowMs);
    expect(bucket.isOpen(nowMs)).toBe(true);
    bucket.take(16 * KIB, nowMs);
    passed += 16 * KIB;
  }
  expect(passed / 60).toBeGreaterThan(100_000);
  expect(passed / 60).toBeLessThan(101_500);
});

test("a new rate counts from now on", () => {
  const bucket = new TokenBucket(Infinity, 0);
  bucket.take(1e9, 0);
  expect(bucket.isOpen(1)).toBe(true);
  bucket.setRate(1_000, 1);
  bucket.take(32 * KIB + 2_000, 1);
  expect(bucket.isOpen(2_000)).toBe(false);
  expect(bucket.isOpen(2_002)).toBe(true);
});

test("a claimant that keeps to steps passes evenly, at a low rate as at a high one", () => {
  for (const rate of [10_000, 409_600, 100_000_000]) {
    const claim = new FairBudget(new TokenBucket(rate, 0)).claim();
    let nowMs = 0;
    for (; claim.tryTake(claim.stepBytes, nowMs); nowMs++); // what the burst lets through
    const startMs = nowMs;
    while (!claim.tryTake(claim.stepBytes, nowMs)) nowMs++;
    expect(nowMs - startMs).toBeLessThan(1_000);
  }
});

/** Bytes that each claimant got in a minute at 100 kB/s, all of them always wanting. */
function shareOut(claimants: readonly { readonly weight?: number; readonly blockBytes: number }[]): number[] {
  const budget = new FairBudget(new TokenBucket(100_000, 0));
  const claims = claimants.map(({ weight }) => budget.claim(weight));
  const got = claimants.map(() => 0);
  for (let nowMs = 0; nowMs < 60_000; nowMs += 10) {
    claims.forEach((claim, index) => {
      const { blockBytes } = claimants[index]!;
      while (claim.tryTake(blockBytes, nowMs)) got[index]! += blockBytes;
    });
  }
  return got;
}

test("bundles share a limit evenly, whatever the size of their blocks", () => {
  const [large, small] = shareOut([{ blockBytes: 128 * KIB }, { blockBytes: 4 * KIB }]);
  expect(large! / small!).toBeGreaterThan(0.9);
  expect(large! / small!).toBeLessThan(1.1);
});

test("weights are kept: fourteen parts for customers, one for the swarm", () => {
  const [customers, swarm] = shareOut([
    { weight: 14, blockBytes: 16 * KIB },
    { weight: 1, blockBytes: 16 * KIB },
  ]);
  expect(customers! / swarm!).toBeGreaterThan(13);
  expect(customers! / swarm!).toBeLessThan(15);
});

/** Customers are sent some 60 ms worth at a time and come back for more when that is on its way; the swarm looks every few milliseconds. */
function besideSwarm(awayMs: number): { readonly customers: number; readonly swarm: number } {
  const budget = new FairBudget(new TokenBucket(1_000_000, 0));
  const [customers, swarm] = [budget.claim(14), budget.claim(1)];
  const got = { customers: 0, swarm: 0 };
  let readyMs = 0;
  for (let nowMs = 0; nowMs < 60_000; nowMs += 1) {
    if (nowMs >= readyMs && customers.tryTake(62 * KIB, nowMs)) {
      got.customers += 62 * KIB;
      readyMs = nowMs + awayMs;
    }
    if (nowMs % 5 === 0 && swarm.tryTake(16 * KIB, nowMs)) got.swarm += 16 * KIB;
  }
  return got;
}

test.each([0, 20, 60, 68])("weights are kept although customers are away for %i ms after each turn", (awayMs) => {
  const { customers, swarm } = besideSwarm(awayMs);
  expect(customers / swarm).toBeGreaterThan(13);
  expect(customers / swarm).toBeLessThan(15);
});

test.each([100, 200, 1_000])("what customers leave that come back every %i ms only is the swarm's", (awayMs) => {
  const { customers, swarm } = besideSwarm(awayMs);
  expect(customers).toBeGreaterThan(((62 * KIB) / awayMs) * 55_000);
  expect(customers + swarm).toBeGreaterThan(58_000_000);
});

test("who was served holds nobody up, and what did not pass is given back", () => {
  const budget = new FairBudget(new TokenBucket(1_000, 0));
  const [modest, greedy] = [budget.claim(), budget.claim()];
  expect([modest.tryTake(1_024, 0), greedy.tryTake(20 * KIB, 0), greedy.tryTake(20 * KIB, 10)]).toEqual([
    true,
    true,
    true,
  ]);
  expect(greedy.tryTake(1, 20)).toBe(false);
  greedy.giveBack(20 * KIB, 20);
  expect(greedy.tryTake(1, 20)).toBe(true);
});

test("who wants nothing leaves the whole rate to the others", () => {
  const budget = new FairBudget(new TokenBucket(100_000, 0));
  const idle = budget.claim();
  const busy = budget.claim();
  expect(idle.tryTake(64 * KIB, 0)).toBe(true);
  expect(idle.tryTake(64 * KIB, 0)).toBe(false);
  let got = 0;
  for (let nowMs = 10; nowMs < 60_000; nowMs += 10) while (busy.tryTake(16 * KIB, nowMs)) got += 16 * KIB;
  expect(got).toBeGreaterThan(5_900_000);
});
