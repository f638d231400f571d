import fc from "fast-check";
import { expect, test } from "vitest";
import { type CustomerVolunteer, CustomerVolunteers } from "../../../src/central/customer-volunteers.ts";
import { seededRandom } from "../../../src/core/clock.ts";
import { LiveVolunteers } from "../../../src/tracker/live-volunteers.ts";
import type { VolunteerAnnounce } from "../../../src/tracker/volunteer-announce.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { announceOf, bundles, complete } from "../../support/sample-announce.ts";

/** Longer than {@link GROWN_UP_MS}: who announced in the last round is not silent. */
const INTERVAL_MS = 610_000;
/** Old enough for the list to be brought up to date, whatever happened. */
const LIST_MS = 1_001;
/** Longer than a volunteer is new. */
const GROWN_UP_MS = 601_000;
const IDS = ["a", "b", "c", "d"] as const;
const CUSTOMERS = [
  { address: "198.51.100.7", site: undefined, protocol: "http" as const },
  { address: "198.51.100.7", site: "north", protocol: "http" as const },
  { address: "198.51.100.7", site: "north", protocol: "https" as const },
];

/** Central's state, with a list that is kept and others made of nothing. */
class Fixture {
  readonly clock = new ManualClock();
  readonly live: LiveVolunteers = new LiveVolunteers(this.clock, INTERVAL_MS);
  readonly admitted = new Map<string, { id: string; name: string; state: "enrolled" | "draining" }>(
    IDS.map((id) => [id, { id, name: `mirror-${id}`, state: "enrolled" }]),
  );
  readonly failed = new Set<string>();
  readonly kept: CustomerVolunteers = this.made();
  /** What each announced last that is not gone. */
  readonly last = new Map<string, Partial<VolunteerAnnounce>>();

  announce(id: string, change: Partial<VolunteerAnnounce>): void {
    this.last.set(id, change);
    this.live.announce(announceOf(id, change), { id, host: "192.0.2.1", site: undefined });
  }

  made(): CustomerVolunteers {
    const audits = { reasonAgainst: (id: string) => (this.failed.has(id) ? ("wrong bytes" as const) : undefined) };
    const { clock } = this;
    return new CustomerVolunteers({ byId: this.admitted }, this.live, { audits, clock, random: seededRandom(1) });
  }
}

const standing = fc.record({
  url: fc.constantFrom("http://m.example.org", "https://m.example.org", undefined),
  site: fc.constantFrom("north", "south"),
  customersFrom: fc.constantFrom("any" as const, "site" as const),
  isOnlyRedirected: fc.boolean(),
  isByName: fc.boolean(),
  expectedMs: fc.constantFrom(undefined, 3_600_000),
  release: fc.constantFrom(1, 2),
  customerBytesLeft: fc.constantFrom(0, 1e9),
  uploadCapacityBytesPerSecond: fc.constantFrom(0, 1e6, 1e7, 1e9),
  holdings: fc.constantFrom(complete(1), complete(2), bundles(0, [1, "all"]), bundles(0, [2, new Uint8Array([0x40])])),
});
const id = fc.constantFrom(...IDS);
const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("announce" as const), id, standing }) },
    fc.record({ kind: fc.constantFrom("drain" as const, "fail" as const, "shut-out" as const, "leave" as const), id }),
    fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(50, 101, LIST_MS, 2 * INTERVAL_MS) }),
  ),
  { maxLength: 30 },
);
type Step = typeof steps extends fc.Arbitrary<readonly (infer S)[]> ? S : never;

function take(fixture: Fixture, step: Step): void {
  const { clock, live, admitted, failed, last } = fixture;
  switch (step.kind) {
    case "announce":
      fixture.announce(step.id, step.standing);
      return;
    case "drain":
      admitted.set(step.id, { id: step.id, name: `mirror-${step.id}`, state: "draining" });
      return;
    case "fail":
      failed.add(step.id);
      return;
    case "shut-out":
      admitted.delete(step.id);
      return;
    case "leave":
      live.remove(step.id);
      last.delete(step.id);
      return;
    case "wait":
      clock.advance(step.ms);
  }
}

/** All that a choice sees of one. */
function seen(one: CustomerVolunteer): object {
  const { name, site, url, consent, isDraining, isSilent, auditFailure, isByName, release, isOnlyRedirected, load } =
    one;
  const places = [1, 2].flatMap((bundle) => [0, 1].map((ordinal) => ({ bundle, ordinal, sinceRelease: 2 })));
  const holds = places.flatMap((place) => [one.holds(place, false), one.holds(place, true)]);
  const facts = { name, site, url, consent, isDraining, isSilent, auditFailure, isByName, release, isOnlyRedirected };
  // To the byte: time that passes in two steps is not rounded as in one.
  const bytes = [load.customerBytes, load.syncBytes].map(Math.round);
  return { id: one.id, ...facts, holds, bytes, customers: load.customers, line: load.capacityBytesPerSecond };
}

function givenTo(volunteers: CustomerVolunteers): readonly object[] {
  const pools = volunteers.pools();
  return CUSTOMERS.map((customer) =>
    pools
      .candidates(customer, () => true, true)
      .map(seen)
      .sort((one, other) => JSON.stringify(one).localeCompare(JSON.stringify(other))),
  );
}

test("whatever happens to volunteers, the list that is kept shows them as one made anew does, and so do its pools", () => {
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 4 }), (rounds) => {
      const fixture = new Fixture();
      for (const round of rounds) {
        for (const step of round) {
          take(fixture, step);
          // Looked at all the while, as customers do.
          fixture.kept.pools();
        }
        // All that were heard of are listed now, and new no longer after that.
        fixture.clock.advance(LIST_MS);
        fixture.kept.pools();
        fixture.clock.advance(GROWN_UP_MS);
        // What is believed of a line counts from the next announce on.
        for (const [id, change] of fixture.last) fixture.announce(id, change);
        fixture.clock.advance(LIST_MS);
        const anew = fixture.made();
        expect(fixture.kept.all().map(seen)).toEqual(anew.all().map(seen));
        expect(givenTo(fixture.kept)).toEqual(givenTo(anew));
      }
    }),
  );
});

test("an announce that says nothing of where a volunteer stands keeps pools; what it says counts at once after a tenth of a second", () => {
  const fixture = new Fixture();
  const { kept, clock } = fixture;
  const place = { bundle: 1, ordinal: 0, sinceRelease: 2 };
  const announce = (change: Partial<VolunteerAnnounce>): void =>
    fixture.announce("a", { url: "http://m.example.org", site: "north", ...change });
  announce({ holdings: complete(1), uploadCapacityBytesPerSecond: 1e6 });
  const pools = kept.pools();
  const [before] = kept.all();
  expect([before!.holds(place, false), before!.load.customerBytes, before!.release]).toEqual([false, 0, 1]);
  clock.advance(101);
  announce({ holdings: complete(2), release: 2, customers: 1, customerBytesLeft: 5e8 });
  expect(kept.pools()).toBe(pools);
  expect([before!.holds(place, false), before!.load.customerBytes, before!.release]).toEqual([true, 5e8, 2]);
  clock.advance(101);
  announce({ url: "http://other.example.org" });
  expect(kept.pools()).not.toBe(pools);
  expect(kept.all().map(({ url }) => url)).toEqual(["http://other.example.org"]);
});
