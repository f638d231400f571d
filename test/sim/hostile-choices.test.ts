import { expect, test } from "vitest";
import { seededRandom } from "../../src/core/clock.ts";
import { FleetCentral } from "../../src/sim/fleet-central.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { announceOf, complete } from "../support/sample-announce.ts";

const INTERVAL_MS = 60_000;
const VOLUNTEERS = 40;
const FILES = 100;
const LINE_BYTES_PER_SECOND = 12_500_000;
/** Packages: together half of what the lines carry at the pace below. */
const FILE_BYTES = 250_000;
const REQUESTS_PER_SECOND = 1_000;

interface Scene {
  readonly clock: ManualClock;
  readonly central: FleetCentral;
  readonly announce: (volunteer: number) => void;
}

/** Full mirrors with lines alike, heard of just now. */
function scene(): Scene {
  const clock = new ManualClock();
  const central = new FleetCentral(clock, {
    random: seededRandom(5),
    intervalMs: INTERVAL_MS,
    policy: "near",
    files: Array.from({ length: FILES }, () => ({ bytes: FILE_BYTES, kind: "package", release: 0 })),
    places: Array.from({ length: FILES }, (_, ordinal) => ({ bundle: 1, ordinal, sinceRelease: 1 })),
  });
  const announce = (volunteer: number): void => {
    const id = `v${volunteer}`;
    const url = `http://${id}.example.org`;
    const told = { url, holdings: complete(1), uploadCapacityBytesPerSecond: LINE_BYTES_PER_SECOND };
    central.announce(id, announceOf(id, told));
  };
  for (let volunteer = 0; volunteer < VOLUNTEERS; volunteer++) announce(volunteer);
  return { clock, central, announce };
}

test("with every volunteer dead a customer is served at its third try, and at the first once they are silent", () => {
  const { clock, central } = scene();
  const ask = (customer: number, isOriginWanted = false): string | undefined =>
    central.ask({ file: customer % FILES, customer, site: undefined, fromBytes: 0, isOriginWanted });
  // Each tries again after 0.3 s, while others come all the time.
  const [customers, apart] = [20_000, 150];
  const served = [0, 0, 0];
  for (let step = 0; step < customers + 2 * apart; step++) {
    clock.advance(2);
    for (const [tries, customer] of [step, step - apart, step - 2 * apart].entries())
      if (customer >= 0 && customer < customers && ask(customer) === undefined) served[tries]!++;
  }
  expect(served).toEqual([0, 0, customers]);
  // Alive, but without the file: it says so, and nobody goes round.
  for (let customer = 20_000; customer < 21_000; customer++)
    expect([ask(customer), ask(customer, true)]).toEqual([expect.any(String), undefined]);
  clock.advance(2 * INTERVAL_MS + 1_100);
  for (let customer = 30_000; customer < 31_000; customer++) expect(ask(customer)).toBeUndefined();
});

test("of a million requests no volunteer has more than its lot, in no second, whoever announced last", () => {
  const { clock, central, announce } = scene();
  const random = seededRandom(6);
  const all = new Map<string, number>();
  let most = 0;
  for (let second = 0; second < 1_000; second++) {
    const now = new Map<string, number>();
    for (let request = 0; request < REQUESTS_PER_SECOND; request++) {
      if (request % 10 === 0) clock.advance(10);
      const customer = second * REQUESTS_PER_SECOND + request;
      const file = Math.floor(FILES * random());
      const sent = central.ask({ file, customer, site: undefined, fromBytes: 0, isOriginWanted: false })!;
      now.set(sent, (now.get(sent) ?? 0) + 1);
      // Each once a minute, spread over it: an idle one every 1.5 s.
      if (customer % ((INTERVAL_MS / 1_000) * (REQUESTS_PER_SECOND / VOLUNTEERS)) === 0)
        announce((customer / 1_500) % VOLUNTEERS);
    }
    for (const [id, count] of now) all.set(id, (all.get(id) ?? 0) + count);
    most = Math.max(most, ...now.values());
  }
  const lot = REQUESTS_PER_SECOND / VOLUNTEERS;
  console.log(
    `most in a second: ${most} of ${lot}; in all ${Math.min(...all.values())} to ${Math.max(...all.values())}`,
  );
  expect(all.size).toBe(VOLUNTEERS);
  expect(most).toBeLessThan(2 * lot);
  for (const count of all.values()) expect(Math.abs(count / (1_000 * lot) - 1)).toBeLessThan(0.1);
});
