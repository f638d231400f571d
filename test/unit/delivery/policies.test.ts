import fc from "fast-check";
import { expect, test } from "vitest";
import { type Random, seededRandom } from "../../../src/core/clock.ts";
import { addedSeconds, type DeliveryVolunteer } from "../../../src/delivery/delivery-volunteer.ts";
import { leastExpectedWait } from "../../../src/delivery/policies/least-expected-wait.ts";
import { leastSent } from "../../../src/delivery/policies/least-sent.ts";
import type { Policy } from "../../../src/delivery/policies/policy.ts";
import { randomOrder } from "../../../src/delivery/policies/random-order.ts";
import { roundRobin } from "../../../src/delivery/policies/round-robin.ts";
import { sameSiteFirst } from "../../../src/delivery/policies/same-site-first.ts";
import { staticWeights } from "../../../src/delivery/policies/static-weights.ts";
import { twoChoices } from "../../../src/delivery/policies/two-choices.ts";
import { load, volunteer, wanting } from "./delivery-volunteers.ts";

const POLICIES: readonly (readonly [string, (random: Random) => Policy])[] = [
  ["random", randomOrder],
  ["round robin", roundRobin],
  ["static weights", staticWeights],
  ["least expected wait", leastExpectedWait],
  ["two choices", twoChoices],
  ["least sent", leastSent],
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
      const ranked = create(seededRandom(seed)).rank(candidates, wanting(1_000_000), count);
      expect(ranked).toHaveLength(Math.min(count, candidates.length));
      expect(new Set(ranked).size).toBe(ranked.length);
      expect(ranked.every((candidate) => candidates.includes(candidate))).toBe(true);
    }),
  );
});

test("least expected wait: nobody is named before one where the customer adds less", () => {
  fc.assert(
    fc.property(volunteers, fc.nat(1_000_000_000), fc.integer(), (candidates, lengthBytes, seed) => {
      const waits = leastExpectedWait(seededRandom(seed))
        .rank(candidates, wanting(lengthBytes), 40)
        .map(({ load: busy }) => Math.floor(addedSeconds(busy, lengthBytes) * 100));
      expect(waits).toEqual([...waits].sort((a, b) => a - b));
    }),
  );
});

test("round robin: everybody once before anybody twice, also when others come and go", () => {
  const policy = roundRobin();
  const all = ["a", "b", "c", "d"].map((id) => volunteer(id));
  const next = (candidates: readonly DeliveryVolunteer[]): string =>
    policy.rank(candidates, wanting(1_000_000), 1)[0]!.id;
  expect([next(all), next(all), next(all.slice(0, 3)), next(all), next(all)]).toEqual(["a", "b", "c", "d", "a"]);
});

test("round robin: asking a copy what it would choose does not move the turn", () => {
  const policy = roundRobin();
  const all = ["a", "b", "c"].map((id) => volunteer(id));
  const next = (asked: Policy): string => asked.rank(all, wanting(1_000_000), 1)[0]!.id;
  expect([next(policy), next(policy.copy!()), next(policy.copy!()), next(policy)]).toEqual(["a", "b", "b", "b"]);
});

test("by load, synchronisation counts like customers; by weight, only the line does", () => {
  const candidates = [
    volunteer("syncing", { load: load(0, 50_000_000, 10_000_000) }),
    volunteer("busy", { load: load(6_000_000, 0, 10_000_000) }),
    volunteer("slow", { load: load(0, 0, 4_000_000) }),
  ];
  expect(shares(leastExpectedWait, candidates)).toEqual({ slow: 1_000 });
  const weighted = shares(staticWeights, candidates);
  expect(weighted["syncing"]! / weighted["slow"]!).toBeGreaterThan(1.8);
  expect(shares(twoChoices, candidates)["syncing"]).toBeUndefined();
});

test("a package does not wait for the image before it, an image waits for an image", () => {
  const image = { customers: 1, customerBytes: 600_000_000, syncBytes: 0, capacityBytesPerSecond: 10_000_000 };
  const candidates = [
    volunteer("one-image", { load: image }),
    volunteer("packages", { load: { ...image, customers: 5, customerBytes: 5_000_000 } }),
  ];
  expect(shares(leastExpectedWait, candidates, 1_000_000)).toEqual({ "one-image": 1_000 });
  expect(shares(leastExpectedWait, candidates, 600_000_000)).toEqual({ packages: 1_000 });
});

test("of idle volunteers the fastest gets a large file, small ones are spread in proportion to the lines", () => {
  const idle = [
    volunteer("fast", { load: load(0, 0, 30_000_000) }),
    volunteer("slow", { load: load(0, 0, 10_000_000) }),
  ];
  expect(shares(leastExpectedWait, idle, 10_000_000)).toEqual({ fast: 1_000 });
  const counts = shares(leastExpectedWait, idle, 50_000);
  expect(counts["fast"]! / counts["slow"]!).toBeGreaterThan(2.2);
  expect(counts["fast"]! / counts["slow"]!).toBeLessThan(4);
});

test("a near volunteer goes before far ones until it is busy", () => {
  const policy = sameSiteFirst(leastExpectedWait(seededRandom(1)));
  const far = volunteer("far", { site: "south" });
  const near = (waitSeconds: number): DeliveryVolunteer => volunteer("near", { load: load(waitSeconds * 1_000_000) });
  // Each transfer ahead has 1 MB left, and so much passes before this one is done.
  const first = (waitSeconds: number): string => policy.rank([far, near(waitSeconds)], wanting(1_000_000), 2)[0]!.id;
  expect([first(0), first(29), first(31)]).toEqual(["near", "near", "far"]);
});

function shares(
  create: (random: Random) => Policy,
  candidates: readonly DeliveryVolunteer[],
  lengthBytes = 1_000_000,
): Record<string, number> {
  const policy = create(seededRandom(42));
  const counts: Record<string, number> = {};
  for (let turn = 0; turn < 1_000; turn++) {
    const [chosen] = policy.rank(candidates, wanting(lengthBytes), 1);
    counts[chosen!.id] = (counts[chosen!.id] ?? 0) + 1;
  }
  return counts;
}

test("least sent: bytes by capacity, whatever volunteers tell of their loads", () => {
  const policy = leastSent(seededRandom(3));
  const random = seededRandom(4);
  // The idle one and the one with 10 GB to do are alike; the third line takes three times as much.
  const candidates = [
    volunteer("idle", { load: load(0, 0, 1_000_000) }),
    volunteer("busy", { load: load(10_000_000_000, 5_000_000_000, 1_000_000) }),
    volunteer("fast", { load: load(0, 0, 3_000_000) }),
  ];
  const sentBytes = new Map<string, number>();
  for (let turn = 0; turn < 5_000; turn++) {
    const lengthBytes = Math.floor(1e6 * random());
    const [chosen] = policy.rank(candidates, wanting(lengthBytes), 4);
    policy.noteSent!(chosen!, lengthBytes);
    sentBytes.set(chosen!.id, (sentBytes.get(chosen!.id) ?? 0) + lengthBytes);
  }
  const idle = sentBytes.get("idle")!;
  expect(sentBytes.get("busy")! / idle).toBeCloseTo(1, 1);
  expect(sentBytes.get("fast")! / idle).toBeCloseTo(3, 1);
});

test("least sent: who is new or was away for a while gets no more than its lot, and who is only named counts for nothing", () => {
  const policy = leastSent(seededRandom(3));
  const [a, b, late] = ["a", "b", "late"].map((id) => volunteer(id)) as [
    DeliveryVolunteer,
    DeliveryVolunteer,
    DeliveryVolunteer,
  ];
  const send = (candidates: readonly DeliveryVolunteer[]): string => {
    const chosen = policy.rank(candidates, wanting(1_000_000), 1)[0]!;
    policy.noteSent!(chosen, 1_000_000);
    return chosen.id;
  };
  for (let turn = 0; turn < 1_000; turn++) send([a, b]);
  const chosen: string[] = [];
  for (let turn = 0; turn < 300; turn++) {
    // As for a HEAD or a list of mirrors.
    expect(policy.rank([a, late], wanting(1_000_000), 3)).toHaveLength(2);
    chosen.push(send([a, b, late]));
  }
  for (const id of ["a", "b", "late"])
    expect(Math.abs(chosen.filter((one) => one === id).length - 100)).toBeLessThanOrEqual(1);
});
