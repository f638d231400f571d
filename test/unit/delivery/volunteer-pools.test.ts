import fc from "fast-check";
import { expect, test } from "vitest";
import { seededRandom } from "../../../src/core/clock.ts";
import { chooseQuickly, chooseVolunteer } from "../../../src/delivery/choose-volunteer.ts";
import type { DeliveryVolunteer } from "../../../src/delivery/delivery-volunteer.ts";
import { rejectReason } from "../../../src/delivery/eligibility.ts";
import { leastExpectedWait } from "../../../src/delivery/policies/least-expected-wait.ts";
import { roundRobin } from "../../../src/delivery/policies/round-robin.ts";
import { sameSiteFirst } from "../../../src/delivery/policies/same-site-first.ts";
import { MOST_CANDIDATES, VolunteerPools } from "../../../src/delivery/volunteer-pools.ts";
import { CUSTOMER, demand, load, volunteer } from "./delivery-volunteers.ts";

const near = (seed: number) => ({ policy: sameSiteFirst(leastExpectedWait(seededRandom(seed))), count: 4 });

const anyVolunteer = fc.record({
  site: fc.constantFrom("north", "south", undefined),
  url: fc.constantFrom("http://m.example.org", "https://m.example.org", "http://10.0.0.1", "http://[::1]", undefined),
  consent: fc.constantFrom("any" as const, "site" as const),
  isDraining: fc.boolean(),
  isSilent: fc.boolean(),
  release: fc.constantFrom(6, 7),
});
const customers = fc.constantFrom(CUSTOMER, { ...CUSTOMER, site: undefined }, { ...CUSTOMER, address: "10.1.2.3" });

test("pools give exactly the eligible volunteers while these are few, customer after customer", () => {
  fc.assert(
    fc.property(
      fc.array(anyVolunteer, { maxLength: MOST_CANDIDATES }),
      fc.array(customers, { minLength: 1, maxLength: 4 }),
      (changes, asking) => {
        const all = changes.map((change, index) => volunteer(String(index), change));
        const pools = new VolunteerPools(all, seededRandom(1));
        for (const customer of asking) {
          const wanted = demand({ customer, neededRelease: 7 });
          const passes = ({ release }: DeliveryVolunteer): boolean => release === 7;
          const given = pools.candidates(customer, passes, false).map(({ id }) => id);
          const eligible = all.filter((one) => rejectReason(one, wanted) === undefined).map(({ id }) => id);
          expect(given.toSorted()).toEqual(eligible.toSorted());
        }
      },
    ),
  );
});

test("of a thousand volunteers the only holder is found, and the one of the customer's site is preferred", () => {
  const all = Array.from({ length: 1000 }, (_, index) =>
    volunteer(String(index), { site: index === 7 ? "north" : "far" }),
  );
  const pools = new VolunteerPools(all, seededRandom(3));
  const holder = demand({ isHeldBy: ({ id }) => id === "987" });
  expect(chooseQuickly(pools, holder, near(1)).map(({ id }) => id)).toEqual(["987"]);
  for (let seed = 0; seed < 20; seed++) expect(chooseQuickly(pools, demand(), near(seed))[0]!.id).toBe("7");
});

test("of a thousand volunteers, nearly all of which failed the customer lately, it is sent to the others first", () => {
  const all = Array.from({ length: 1000 }, (_, index) => volunteer(String(index), { site: "far" }));
  const pools = new VolunteerPools(all, seededRandom(4));
  const isDoubtful = ({ id }: DeliveryVolunteer): boolean => Number(id) % 250 !== 0;
  const isHeldBy = ({ id }: DeliveryVolunteer): boolean => id !== "250";
  for (let seed = 0; seed < 20; seed++) {
    const named = chooseQuickly(pools, demand({ isHeldBy }), { ...near(seed), isDoubtful }).map(({ id }) => id);
    expect(named.slice(0, 3).toSorted()).toEqual(["0", "500", "750"]);
    expect(named).toHaveLength(4);
  }
});

test("of a thousand volunteers customers go to idle ones, as evenly as by chance", () => {
  const isBusy = (index: number): boolean => index % 2 === 0;
  const all = Array.from({ length: 1000 }, (_, index) =>
    volunteer(String(index), { site: "far", load: load(isBusy(index) ? 1e9 : 0) }),
  );
  const pools = new VolunteerPools(all, seededRandom(5));
  const chosen = Array.from({ length: 2000 }, (_, seed) => Number(chooseQuickly(pools, demand(), near(seed))[0]!.id));
  expect(chosen.filter(isBusy)).toEqual([]);
  // 2,000 throws into 500 boxes leave about 500·e⁻⁴ ≈ 9 empty.
  expect(new Set(chosen).size).toBeGreaterThan(460);
});

test("pools that are made anew for each request prefer nobody: neither who stands first nor any other", () => {
  const all = Array.from({ length: 1000 }, (_, index) => volunteer(String(index), { site: "far" }));
  const chosen = Array.from({ length: 2000 }, (_, seed) =>
    Number(chooseQuickly(new VolunteerPools(all, seededRandom(seed)), demand(), near(seed))[0]!.id),
  );
  // 64 of a thousand are 128 of 2,000, give or take eleven.
  expect(chosen.filter((index) => index < 64).length).toBeLessThan(200);
  // 2,000 throws into 1,000 boxes leave about 1,000·e⁻² ≈ 135 empty.
  expect(new Set(chosen).size).toBeGreaterThan(820);
});

test("round robin sees all and takes turns also among many", () => {
  const all = Array.from({ length: 100 }, (_, index) => volunteer(String(index).padStart(3, "0")));
  const pools = new VolunteerPools(all, seededRandom(9));
  const rules = { policy: roundRobin(), count: 1 };
  const chosen = all.map(() => chooseQuickly(pools, demand(), rules)[0]!.id);
  expect(chosen).toEqual(all.map(({ id }) => id));
});

test("the quick choice ranks the doubtful last, as the explained one does", () => {
  const all = ["a", "b", "c"].map((id) => volunteer(id));
  const rules = { ...near(1), isDoubtful: ({ id }: DeliveryVolunteer) => id === "b" };
  const quick = chooseQuickly(new VolunteerPools(all, seededRandom(1)), demand(), rules);
  expect(quick.map(({ id }) => id).toSorted()).toEqual(["a", "b", "c"]);
  expect(quick.at(-1)!.id).toBe("b");
  expect(chooseVolunteer(all, demand(), rules).ranked.at(-1)!.id).toBe("b");
});
