import { expect, test } from "vitest";
import type { BundleHave } from "../../../src/tracker/holdings.ts";
import type { LiveVolunteer } from "../../../src/tracker/live-volunteer.ts";
import { openVolunteers, peersForStock, type StockQuestion, stockPeersFor } from "../../../src/tracker/open-swarm.ts";
import { parseStockAnnounce } from "../../../src/tracker/stock-announce.ts";
import { StockSwarms } from "../../../src/tracker/stock-swarms.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const random = (): number => 0;
const rules = { isSilent: () => false, isAdmitted: (id: string) => id !== "revoked", release: 7 };
const hashOf = (letter: string): string => Buffer.from(letter.repeat(20)).toString("hex");

function volunteer(
  id: string,
  holdings: LiveVolunteer["holdings"],
  change: Partial<LiveVolunteer> = {},
): LiveVolunteer {
  return {
    id,
    host: id,
    port: 7382,
    portState: "reachable",
    portCheckedMs: 0,
    site: undefined,
    url: undefined,
    customersFrom: "any",
    isOnlyRedirected: false,
    volatileQuotaBytes: undefined,
    isByName: false,
    expectedMs: undefined,
    isAway: false,
    release: 0,
    isSyncing: false,
    bytesLeft: 0,
    customers: 0,
    customerBytesLeft: 0,
    uploadBytesPerSecond: 0,
    uploadCapacityBytesPerSecond: 0,
    givenBytes: 0,
    holdings,
    holdingsId: 1,
    lastSeenMs: 0,
    lastSeenWallMs: 0,
    ...change,
  };
}

const holding = (completeRelease: number, ...bundles: readonly [number, BundleHave][]): LiveVolunteer["holdings"] => ({
  completeRelease,
  bundles: new Map(bundles),
});

function swarmsWith(counts: Readonly<Record<string, number>>): StockSwarms {
  const swarms = new StockSwarms(new ManualClock());
  for (const [letter, count] of Object.entries(counts)) {
    for (let port = 1; port <= count; port++) {
      const query = `info_hash=${letter.repeat(20)}&peer_id=${"p".repeat(20)}&port=${port}&left=0`;
      swarms.announce(parseStockAnnounce(query), "192.0.2.9");
    }
  }
  return swarms;
}

test("a volunteer that fetches hears of stock clients of the bundles that it lacks, some of each", () => {
  const bundles = new Map([..."abcdefgh"].map((letter, index) => [index + 1, hashOf(letter)]));
  const swarms = swarmsWith({ a: 30, b: 3, d: 30, e: 30, f: 30, g: 30, h: 30 });
  const fetching = volunteer("v", holding(0, [1, "all"], [4, new Uint8Array([0x80])]), { isSyncing: true });
  const named = stockPeersFor(fetching, bundles, { swarms, random });
  const perBundle = [1, 2, 3, 4, 5, 6, 7, 8].map((number) => named.filter(({ bundle }) => bundle === number).length);
  expect(perBundle).toEqual([0, 3, 0, 10, 10, 10, 10, 7]);
  expect(stockPeersFor({ ...fetching, isSyncing: false }, bundles, { swarms, random })).toEqual([]);
});

test("who has the whole bundle is known by release or by bundle; only those whom any answer may name count", () => {
  const candidates = [
    volunteer("complete", holding(7)),
    volunteer("bundle", holding(0, [3, "all"])),
    volunteer("older", holding(6)),
    volunteer("part", holding(0, [3, new Uint8Array([0x80])])),
    volunteer("withdrawn", holding(7, [3, "none"], [4, "all"])),
    volunteer("revoked", holding(7)),
    volunteer("hidden", holding(7), { portState: "unreachable" }),
  ];
  const { whole, partial } = openVolunteers(3, candidates, rules);
  expect(whole.map(({ id }) => id)).toEqual(["complete", "bundle"]);
  expect(partial.map(({ id }) => id)).toEqual(["older", "part", "withdrawn"]);
});

test("a stock client is sent to the origin only if no volunteer has everything, or if the others did not help", () => {
  const origin = { host: "origin", port: 1 };
  const others = [{ host: "other", port: 2 }];
  const whole = [volunteer("whole", holding(7))];
  const partial = [volunteer("partial", holding(6))];
  const ask = (change: Partial<StockQuestion>): string[] => {
    const question = { origin, volunteers: { whole, partial }, others, isAskingAgain: false, wanted: 50, random };
    return peersForStock({ ...question, ...change }).map(({ host }) => host);
  };
  expect(ask({})).toEqual(["whole", "other"]);
  expect(ask({ isAskingAgain: true })).toEqual(["origin", "whole", "other"]);
  expect(ask({ volunteers: { whole: [], partial } })).toEqual(["origin", "partial", "other"]);
  expect(ask({ isAskingAgain: true, wanted: 1 })).toEqual(["origin"]);
  expect(ask({ wanted: 0 })).toEqual([]);
});
