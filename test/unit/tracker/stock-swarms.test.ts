import { expect, test } from "vitest";
import { parseStockAnnounce } from "../../../src/tracker/stock-announce.ts";
import { StockSwarms } from "../../../src/tracker/stock-swarms.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const HASH = "61".repeat(20);
const announceOf = (port: number, more = ""): ReturnType<typeof parseStockAnnounce> =>
  parseStockAnnounce(`info_hash=${"a".repeat(20)}&peer_id=${"b".repeat(20)}&port=${port}&left=1${more}`);
const choice = { wanted: 50, random: () => 0 };
const nobody = { host: "", port: 0 };

test("members find each other, not themselves, and leave when they stop", () => {
  const swarms = new StockSwarms(new ManualClock());
  swarms.announce(announceOf(1), "192.0.2.1");
  swarms.announce(announceOf(2, "&left=0"), "192.0.2.2");
  expect(swarms.peersOf(HASH, { host: "192.0.2.1", port: 1 }, choice)).toEqual([{ host: "192.0.2.2", port: 2 }]);
  swarms.announce(announceOf(2, "&event=stopped"), "192.0.2.2");
  expect(swarms.peersOf(HASH, { host: "192.0.2.1", port: 1 }, choice)).toEqual([]);
  expect(swarms.peerCount).toBe(1);
});

test("seeds are those with nothing left", () => {
  const swarms = new StockSwarms(new ManualClock());
  swarms.announce(announceOf(1), "192.0.2.1");
  swarms.announce(
    parseStockAnnounce(`info_hash=${"a".repeat(20)}&peer_id=${"b".repeat(20)}&port=2&left=0`),
    "192.0.2.2",
  );
  expect(swarms.countsOf(HASH)).toEqual({ seeds: 1, leechers: 1 });
});

test("members that miss two intervals are forgotten", () => {
  const clock = new ManualClock();
  const swarms = new StockSwarms(clock, { intervalMs: 1000, maxPeersPerSwarm: 10, maxPeers: 10 });
  swarms.announce(announceOf(1), "192.0.2.1");
  clock.advance(1500);
  swarms.announce(announceOf(2), "192.0.2.2");
  clock.advance(1000);
  expect(swarms.peersOf(HASH, nobody, choice)).toEqual([{ host: "192.0.2.2", port: 2 }]);
  expect(swarms.peerCount).toBe(1);
});

test("a million announces stay within the caps, the oldest go first", () => {
  const swarms = new StockSwarms(new ManualClock(), { intervalMs: 1000, maxPeersPerSwarm: 30, maxPeers: 50 });
  const announce = announceOf(1);
  for (let index = 0; index < 1_000_000; index++) {
    swarms.announce({ ...announce, infoHash: index % 2 === 0 ? HASH : "b", port: (index % 65_535) + 1 }, "192.0.2.1");
  }
  expect(swarms.peerCount).toBe(50);
  expect(swarms.peersOf(HASH, nobody, choice).length).toBeLessThanOrEqual(30);
  expect(swarms.peersOf(HASH, nobody, choice)).toContainEqual({ host: "192.0.2.1", port: (999_998 % 65_535) + 1 });
});
