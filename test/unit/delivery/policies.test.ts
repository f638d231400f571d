import fc from "fast-check";
import { expect, test } from "vitest";
import { type Random, seededRandom } from "../../../src/core/clock.ts";
import { expectedWaitSeconds, type DeliveryVolunteer } from "../../../src/delivery/delivery-volunteer.ts";
import { leastExpectedWait } from "../../../src/delivery/policies/least-expected-wait.ts";
import type { Policy } from "../../../src/delivery/policies/policy.ts";
import { randomOrder } from "../../../src/delivery/policies/random-order.ts";
import { roundRobin } from "../../../src/delivery/policies/round-robin.ts";
import { sameSiteFirst } from "../../../src/delivery/policies/same-site-first.ts";
import { staticWeights } from "../../../src/delivery/policies/static-weights.ts";
import { twoChoices } from "../../../src/delivery/policies/two-choices.ts";
import { CUSTOMER, load, volunteer } from "./delivery-volunteers.ts";

const POLICIES: readonly (readonly [string, (random: Random) => Policy])[] = [
  ["random", randomOrder],
  ["round robin", roundRobin],
  ["static weights", staticWeights],
  ["least expected wait", leastExpectedWait],
  ["two choices", twoChoices],
  ["same site first", (random) => sameSiteFirst(leastExpectedWait(random))],
];

const volunteers = fc
  .array(
    fc.record({
      site: fc.constantFrom("north", "south", undefined),
      customerBytes: fc.nat(10_000_000),
      syncBytes: fc.nat(10_000_000),
      capacity: fc.integer({ min: 1, max: 1_000_000_000 }),
    }),
    { maxLength: 40 },
  )
  .map((rows) =>
    rows.map(({ site, customerBytes, syncBytes, capacity }, index) =>
      volunteer(String(index), { site, load: load(customerBytes, syncBytes, capacity) }),
    ),
  );

test.each(POLICIES)("%s: as many as asked for, all different, all candidates", (_name, create) => {
  fc.assert(
    fc.property(volunteers, fc.integer({ min: 1, max: 50 }), fc.integer(), (candidates, count, seed) => {
      const ranked = create(seededRandom(seed)).rank(candidates, CUSTOMER, count);
      expect(ranked).toHaveLength(Math.min(count, candidates.length));
      expect(new Set(ranked).size).toBe(ranked.length);
      expect(ranked.every((candidate) => candidates.includes(candidate))).toBe(true);
    }),
  );
});

test("least expected wait: nobody is named before one who would serve sooner", () => {
  fc.assert(
    fc.property(volunteers, fc.integer(), (candidates, seed) => {
      const waits = leastExpectedWait(seededRandom(seed))
        .rank(candidates, CUSTOMER, 40)
        .map(({ load: busy }) => Math.floor(expectedWaitSeconds(busy) * 100));
      expect(waits).toEqual([...waits].sort((a, b) => a - b));
    }),
  );
});

test("round robin: everybody once before anybody twice, also when others come and go", () => {
  const policy = roundRobin();
  const all = ["a", "b", "c", "d"].map((id) => volunteer(id));
  const next = (candidates: readonly DeliveryVolunteer[]): string => policy.rank(candidates, CUSTOMER, 1)[0]!.id;
  expect([next(all), next(all), next(all.slice(0, 3)), next(all), next(all)]).toEqual(["a", "b", "c", "d", "a"]);
});

test("by load, synchronisation counts like customers; by weight, only the line does", () => {
  const candidates = [
    volunteer("syncing", { load: load(0, 50_000_000, 10_000_000) }),
    volunteer("busy", { load: load(40_000_000, 0, 10_000_000) }),
    volunteer("slow", { load: load(0, 0, 1_000_000) }),
  ];
  expect(shares(leastExpectedWait, candidates)).toEqual({ slow: 1_000 });
  const weighted = shares(staticWeights, candidates);
  expect(weighted["syncing"]! / weighted["slow"]!).toBeGreaterThan(6);
  expect(shares(twoChoices, candidates)["syncing"]).toBeUndefined();
});

test("idle volunteers get customers in proportion to their lines", () => {
  const counts = shares(leastExpectedWait, [
    volunteer("fast", { load: load(0, 0, 30_000_000) }),
    volunteer("slow", { load: load(0, 0, 10_000_000) }),
  ]);
  expect(counts["fast"]! / counts["slow"]!).toBeGreaterThan(2.2);
  expect(counts["fast"]! / counts["slow"]!).toBeLessThan(4);
});

test("a near volunteer goes before far ones until it is busy", () => {
  const policy = sameSiteFirst(leastExpectedWait(seededRandom(1)));
  const far = volunteer("far", { site: "south" });
  const near = (waitSeconds: number): DeliveryVolunteer => volunteer("near", { load: load(waitSeconds * 1_000_000) });
  const first = (waitSeconds: number): string => policy.rank([far, near(waitSeconds)], CUSTOMER, 2)[0]!.id;
  expect([first(0), first(29), first(31)]).toEqual(["near", "near", "far"]);
});

function shares(create: (random: Random) => Policy, candidates: readonly DeliveryVolunteer[]): Record<string, number> {
  const policy = create(seededRandom(42));
  const counts: Record<string, number> = {};
  for (let turn = 0; turn < 1_000; turn++) {
    const [chosen] = policy.rank(candidates, CUSTOMER, 1);
    counts[chosen!.id] = (counts[chosen!.id] ?? 0) + 1;
  }
  return counts;
}
