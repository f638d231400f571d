import fc from "fast-check";
import { expect, test } from "vitest";
import { borderPlanFor } from "../../../src/tracker/border-plan.ts";
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

test("of each site exactly one volunteer brings the pieces of each other site, and one those of the origin", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 2, max: 12 }), { minLength: 2, maxLength: 12 }), (members) => {
      const swarm = swarmOf(members);
      const tasks = swarm.flatMap((one) =>
        borderPlanFor(one, swarm, RULES).gateways.map((to) => `${one.site} ← ${to}`),
      );
      const sites = members.map((_, site) => `site ${site}`);
      const all = sites.flatMap((site) => ["", ...sites].filter((to) => to !== site).map((to) => `${site} ← ${to}`));
      expect(tasks.toSorted()).toEqual(all.toSorted());
    }),
    { numRuns: 50 },
  );
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
  ["hardly any neighbours", swarmOf([2, 1, 1, 1])],
  ["more sites than an answer should name", swarmOf(Array.from({ length: 201 }, () => 2))],
])("nobody has a part: %s", (_name, swarm) => {
  expect(borderPlanFor(swarm[0]!, swarm, RULES)).toEqual({ homes: [], gateways: [] });
});

test("who has everything brings nothing, and its neighbours share its part", () => {
  const swarm = swarmOf([4, 4]).map((one, index) => (index === 0 ? { ...one, isSyncing: false } : one));
  expect(borderPlanFor(swarm[0]!, swarm, RULES).gateways).toEqual([]);
  const others = swarm.slice(1, 4).flatMap((one) => borderPlanFor(one, swarm, RULES).gateways);
  expect(others.toSorted()).toEqual(["", "site 1"]);
});

test("a peer of each site whose pieces the volunteer brings is named", () => {
  const swarm = swarmOf([200, ...Array.from({ length: 30 }, () => 40)]);
  const gateways = Array.from({ length: 30 }, (_, site) => `site ${site + 1}`);
  const named = choosePeers(swarm[0]!, swarm, { ...RULES, random: seededRandom(1), gateways });
  expect(new Set(named.map(({ site }) => site))).toEqual(new Set(["site 0", ...gateways]));
});
