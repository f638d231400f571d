import fc from "fast-check";
import { expect, test } from "vitest";
import { seededRandom } from "../../../src/core/clock.ts";
import { chooseVolunteer } from "../../../src/delivery/choose-volunteer.ts";
import type { DeliveryVolunteer } from "../../../src/delivery/delivery-volunteer.ts";
import { type DeliveryDemand, rejectReason } from "../../../src/delivery/eligibility.ts";
import { randomOrder } from "../../../src/delivery/policies/random-order.ts";
import { CUSTOMER, demand, volunteer } from "./delivery-volunteers.ts";

const from = (address: string, protocol: "http" | "https" = "http"): Partial<DeliveryDemand> => ({
  customer: { address, protocol, site: "north" },
});

const CASES: readonly (readonly [string | undefined, Partial<DeliveryVolunteer>, Partial<DeliveryDemand>])[] = [
  [undefined, {}, {}],
  ["no-customers", { url: undefined }, {}],
  ["draining", { isDraining: true }, {}],
  ["silent", { isSilent: true }, {}],
  [undefined, { consent: "site" }, {}],
  ["other-site", { consent: "site", site: "south" }, {}],
  ["other-site", { consent: "site", site: undefined }, { customer: { ...CUSTOMER, site: undefined } }],
  ["other-protocol", {}, from("198.51.100.7", "https")],
  ["other-protocol", { url: "https://a.example.org" }, {}],
  [undefined, { url: "https://a.example.org/mirror" }, from("198.51.100.7", "https")],
  ["other-address-family", { url: "http://[2001:db8::1]:7381" }, {}],
  ["other-address-family", { url: "http://203.0.113.9:7381" }, from("2001:db8::7")],
  [undefined, { url: "http://203.0.113.9:7381" }, from("::ffff:198.51.100.7")],
  ["other-network", { url: "http://127.0.0.1:7381" }, {}],
  ["other-network", { url: "http://localhost:7381" }, {}],
  [undefined, { url: "http://127.0.0.1:7381" }, from("127.0.0.1")],
  ["other-network", { url: "http://192.168.1.5" }, {}],
  [undefined, { url: "http://192.168.1.5" }, from("10.1.2.3")],
  ["other-network", { url: "http://[fd00::5]" }, from("2001:db8::7")],
  ["older-release", { release: 6 }, { neededRelease: 7 }],
  [undefined, { release: 6 }, {}],
  [undefined, { release: 6 }, { newestRelease: 7 }],
  ["older-release", { release: 6, isByName: true }, { newestRelease: 7 }],
  ["older-release", { release: 8, isByName: true }, { newestRelease: 7 }],
  [undefined, { release: 7, isByName: true }, { newestRelease: 7 }],
  ["synchronising", { release: 7, isByName: true, isSyncing: true }, { newestRelease: 7 }],
  [undefined, { release: 7, isSyncing: true }, { newestRelease: 7 }],
  ["not-held", {}, { isHeldBy: () => false }],
  ["missed-lately", {}, { hasMissed: () => true }],
];

test.each(CASES)("eligibility: %s for volunteer %j", (reason, change, wanted) => {
  expect(rejectReason(volunteer("a", change), demand(wanted))).toBe(reason);
});

test("each volunteer is ranked or rejected with a reason, doubtful ones only after all others", () => {
  const kinds = fc.array(fc.constantFrom("fine", "silent", "doubtful"), { maxLength: 30 });
  fc.assert(
    fc.property(kinds, fc.integer(), (all, seed) => {
      const volunteers = all.map((kind, index) => volunteer(String(index), { isSilent: kind === "silent" }));
      const isDoubtful = ({ id }: DeliveryVolunteer): boolean => all[Number(id)] === "doubtful";
      const rules = { policy: randomOrder(seededRandom(seed)), count: 100, isDoubtful };
      const { ranked, rejected } = chooseVolunteer(volunteers, demand(), rules);
      const ids = [...ranked, ...rejected.map((rejection) => rejection.volunteer)].map(({ id }) => Number(id));
      expect(ids.sort((a, b) => a - b)).toEqual(all.map((_, index) => index));
      expect(rejected.every(({ reason }) => reason === "silent")).toBe(true);
      const firstDoubtful = ranked.findIndex(isDoubtful);
      expect(firstDoubtful < 0 || ranked.slice(firstDoubtful).every(isDoubtful)).toBe(true);
    }),
  );
});
