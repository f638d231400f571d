import fc from "fast-check";
import { expect, test } from "vitest";
import { borderHomes, borderPlanFor, NO_BORDER_PLAN } from "../../../src/tracker/border-plan.ts";
import { choosePeers } from "../../../src/tracker/choose-peers.ts";
import type { LiveVolunteer } from "../../../src/tracker/live-volunteer.ts";
import { seededRandom } from "../../../src/core/clock.ts";
import { sampleVolunteer } from "./sample-volunteer.ts";

const RULES = { isSilent: () => false, isAdmitted: () => true };

/** Sites 0 … n − 1 with so many members each. */
function swarmOf(members: readonly number[], isSyncing = true): LiveVolunteer[] {
  const random = seededRandom(7);
  const id = (): string => Array.from({ length: 40 }, () => Math.floor(random() * 16).toString(16)).join("");
  return members.flatMap((count, site) =>
    Array.from({ length: count }, () => ({ ...sampleVolunteer(id(), `site ${site}`), isSyncing })),
  );
}

test("of each site exactly one volunteer brings each slice of each other site, and of the origin", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 2, max: 12 }), { minLength: 2, maxLength: 12 }), (members) => {
      const swarm = swarmOf(members);
      const sites = members.map((_, site) => `site ${site}`);
      for (const site of sites) {
        const plans = swarm.filter((one) => one.site === site).map((one) => borderPlanFor(one, swarm, RULES));
        const { slices } = plans[0]!;
        const all = ["", ...sites].filter((from) => from !== site).length * slices;
        const told = plans.flatMap(({ tasks }) => tasks.map(({ site: from, slice }) => `${slice} ${from}`));
        expect(told).toHaveLength(all);
        expect(new Set(told).size).toBe(all);
        expect(plans.every((plan) => plan.slices === slices)).toBe(true);
      }
    }),
    { numRuns: 50 },
  );
});

test("in a large site each volunteer has a few tasks, and hardly any has many", () => {
  const swarm = swarmOf([64, 4, 4, 4]);
  const counts = swarm.slice(0, 64).map((one) => borderPlanFor(one, swarm, RULES).tasks.length);
  expect(counts.reduce((sum, count) => sum + count)).toBe(4 * 32);
  expect(Math.max(...counts)).toBeLessThanOrEqual(8);
});

test("all volunteers see the same homes in the same order", () => {
  const swarm = swarmOf([3, 5, 2]);
  const homes = swarm.map((one) => borderPlanFor(one, swarm.toReversed(), RULES).homes);
  expect(new Set(homes.map((list) => list.join())).size).toBe(1);
  expect(homes[0]).toEqual(["site 0", "site 1", "site 2"]);
});

test.each([
  ["a volunteer at no site", [{ ...sampleVolunteer("aa", "x"), site: undefined }, ...swarmOf([4, 4])]],
  ["one site alone", swarmOf([9])],
  ["hardly any neighbours", swarmOf([9, 1, 1, 1])],
  ["more sites than an answer should name", swarmOf(Array.from({ length: 201 }, () => 2))],
])("nobody has a part: %s", (_name, swarm) => {
  expect(borderPlanFor(swarm[0]!, swarm, RULES)).toEqual(NO_BORDER_PLAN);
});

test("the origin hears of the same homes whoever asks", () => {
  const swarm = swarmOf([3, 5, 2]);
  const { homes } = borderPlanFor(swarm[0]!, swarm, RULES);
  const others = [
    { ...sampleVolunteer("aa", "x"), site: undefined },
    { ...sampleVolunteer("bb", "y"), isSyncing: false },
  ];
  expect(borderHomes([...swarm, ...others], swarm[0]!.lastSeenMs, RULES)).toEqual(homes);
  expect(borderHomes(swarmOf([9]), swarm[0]!.lastSeenMs, RULES)).toEqual([]);
});

test("who has everything brings nothing, and its neighbours share its part", () => {
  const swarm = swarmOf([4, 4]).map((one, index) => (index === 0 ? { ...one, isSyncing: false } : one));
  expect(borderPlanFor(swarm[0]!, swarm, RULES).tasks).toEqual([]);
  const others = swarm.slice(1, 4).map((one) => borderPlanFor(one, swarm, RULES));
  expect(others.flatMap(({ tasks }) => tasks)).toHaveLength(2 * others[0]!.slices);
});

test("who synchronises but has nothing to fetch brings nothing", () => {
  const swarm = swarmOf([4, 4]).map((one, index) => (index === 0 ? { ...one, bytesLeft: 0 } : one));
  expect(borderPlanFor(swarm[0]!, swarm, RULES).tasks).toEqual([]);
});

test("sites where nobody fetches, or nobody who can be called, are no homes", () => {
  const unreachable = (one: LiveVolunteer): LiveVolunteer =>
    one.site === "site 1" ? { ...one, portState: "unreachable" } : one;
  const complete = (one: LiveVolunteer): LiveVolunteer => (one.site === "site 2" ? { ...one, isSyncing: false } : one);
  const swarm = swarmOf([4, 4, 4, 4]).map(unreachable).map(complete);
  const plans = swarm.map((one) => ({ site: one.site, ...borderPlanFor(one, swarm, RULES) }));
  expect(new Set(plans.map(({ homes }) => homes.join()))).toEqual(new Set(["site 0,site 3"]));
  // Who can't be called calls: it brings pieces like others.
  const tasks = plans.filter(({ site }) => site === "site 1").flatMap((plan) => plan.tasks);
  expect(new Set(tasks.map(({ site }) => site))).toEqual(new Set(["", "site 0", "site 3"]));
});

test("one site that fetches while the others are complete has no part to share", () => {
  const swarm = swarmOf([4, 4, 4]).map((one) => (one.site === "site 0" ? one : { ...one, isSyncing: false }));
  expect(borderPlanFor(swarm[0]!, swarm, RULES)).toEqual(NO_BORDER_PLAN);
});

test("a peer of each site from which the volunteer brings pieces is named", () => {
  const swarm = swarmOf([200, ...Array.from({ length: 30 }, () => 40)]);
  const sitesOfTasks = Array.from({ length: 30 }, (_, site) => `site ${site + 1}`);
  const named = choosePeers(swarm[0]!, swarm, { ...RULES, random: seededRandom(1), sitesOfTasks });
  expect(new Set(named.map(({ site }) => site))).toEqual(new Set(["site 0", ...sitesOfTasks]));
});
