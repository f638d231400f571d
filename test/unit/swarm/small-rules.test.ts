import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { seededRandom } from "../../../src/core/clock.ts";
import { DialPlan } from "../../../src/swarm/dial-plan.ts";
import { HAVE_BATCH_MS, HaveBatch } from "../../../src/swarm/have-batch.ts";
import { MetadataFetch } from "../../../src/swarm/metadata-fetch.ts";
import { FIRST_BAN_MS, FORGET_MS, LONGEST_BAN_MS, PeerOffences } from "../../../src/swarm/peer-offences.ts";
import type { KnownPeer } from "../../../src/swarm/ports.ts";
import { RateMeter } from "../../../src/swarm/rate-meter.ts";
import { NO_SITES, TrackedSites } from "../../../src/swarm/site-view.ts";
import { ManualClock } from "../../support/manual-clock.ts";

test("haves wait for each other for 200 ms and are announced once", () => {
  const batch = new HaveBatch();
  batch.add(3, 1_000);
  batch.add(4, 1_150);
  batch.add(3, 1_160);
  expect(batch.takeDue(1_000 + HAVE_BATCH_MS - 1)).toEqual([]);
  expect(batch.takeDue(1_000 + HAVE_BATCH_MS)).toEqual([3, 4]);
  expect(batch.takeDue(5_000)).toEqual([]);
});

test("a withdrawn piece is not announced", () => {
  const batch = new HaveBatch();
  batch.add(3, 0);
  batch.remove(3);
  expect(batch.takeDue(1_000)).toEqual([]);
});

test("the third offence bans, and only that peer", () => {
  const offences = new PeerOffences(new ManualClock());
  expect([offences.record("a"), offences.record("a")]).toEqual([false, false]);
  expect(offences.isBanned("a")).toBe(false);
  expect(offences.record("a")).toBe(true);
  expect([offences.isBanned("a"), offences.isBanned("b")]).toEqual([true, false]);
});

test("a ban ends by itself, and each further one takes one offence and is four times as long, up to a day", () => {
  const clock = new ManualClock();
  const offences = new PeerOffences(clock);
  offences.record("a");
  offences.record("a");
  const bansMs: number[] = [];
  for (let ban = 0; ban < 6; ban++) {
    expect(offences.record("a")).toBe(true);
    // What was under way when the ban began does not make it longer.
    expect(offences.record("a")).toBe(true);
    const startMs = clock.monotonicMs();
    while (offences.isBanned("a")) clock.advance(60_000);
    bansMs.push(clock.monotonicMs() - startMs);
  }
  expect(bansMs).toEqual([1, 4, 16, 64, 96, 96].map((times) => times * FIRST_BAN_MS));
  expect(bansMs.at(-1)).toBe(LONGEST_BAN_MS);
});

test("offences are forgotten a day after the last one, bans a day after they ended", () => {
  const clock = new ManualClock();
  const offences = new PeerOffences(clock);
  for (let count = 0; count < 2; count++) offences.record("a");
  clock.advance(FORGET_MS);
  expect([offences.record("a"), offences.record("a"), offences.record("a")]).toEqual([false, false, true]);
  clock.advance(FIRST_BAN_MS + FORGET_MS - 1);
  expect(offences.record("a")).toBe(true);
  clock.advance(4 * FIRST_BAN_MS + FORGET_MS);
  expect(offences.record("a")).toBe(false);
});

test("ten thousand offenders are remembered, the oldest goes first", () => {
  const offences = new PeerOffences(new ManualClock());
  for (let count = 0; count < 2; count++) for (const id of ["old", "young"]) offences.record(id);
  for (let peer = 0; peer < 9_999; peer++) offences.record(`peer ${peer}`);
  expect([offences.record("young"), offences.record("old")]).toEqual([true, false]);
});

test("a steady rate is measured within 5 %, from the first tenth of a second on", () => {
  const meter = new RateMeter(0);
  const rates: number[] = [];
  for (let nowMs = 10; nowMs <= 5_000; nowMs += 10) {
    meter.add(1_000, nowMs);
    if (nowMs >= 100) rates.push(meter.bytesPerSecond(nowMs));
  }
  expect(Math.min(...rates)).toBeGreaterThan(95_000);
  expect(Math.max(...rates)).toBeLessThan(110_000);
  expect(meter.bytesPerSecond(15_000)).toBeLessThan(10);
});

test("an info dictionary is put together in any order and checked", () => {
  const dictionary = new Uint8Array(40_000).map((_, index) => index % 251);
  const infoHash = createHash("sha1").update(dictionary).digest("hex");
  const fetch = new MetadataFetch(infoHash, dictionary.length);
  expect([fetch.nextIndex(), fetch.nextIndex(), fetch.nextIndex(), fetch.nextIndex()]).toEqual([0, 1, 2, undefined]);
  expect(fetch.receive(2, dictionary.subarray(32_768))).toBe("more");
  expect(fetch.receive(0, dictionary.subarray(0, 16_384))).toBe("more");
  expect(fetch.receive(1, dictionary.subarray(16_384, 32_768))).toEqual(Buffer.from(dictionary));
});

test.each([
  ["a block of wrong length", 0, 16_383],
  ["a block out of range", 3, 16_384],
])("%s spoils an info dictionary", (_name, index, length) => {
  expect(new MetadataFetch("00".repeat(20), 40_000).receive(index, new Uint8Array(length))).toBe("bad");
});

test("an info dictionary of another hash is bad", () => {
  expect(new MetadataFetch("00".repeat(20), 10).receive(0, new Uint8Array(10))).toBe("bad");
});

function known(id: string, isOrigin = false): KnownPeer {
  return { id, host: "192.0.2.1", port: 7382, isOrigin, mayHold: (bundle) => bundle === 1 };
}

const situation = {
  bundleNumber: 1,
  known: [known("a"), known("b"), known("o", true)],
  busyIds: new Set<string>(),
  pendingCount: 0,
  isAllowed: (id: string): boolean => id !== "banned",
  needsOrigin: true,
  sites: NO_SITES,
  sharesWork: false,
};

function ids(peers: readonly KnownPeer[]): string[] {
  return peers.map((peer) => peer.id).sort();
}

test("peers are called at once, the origin after they had a second", () => {
  const plan = new DialPlan(seededRandom(1), 0);
  expect(ids(plan.choose(situation, 0))).toEqual(["a", "b"]);
  const waiting = { ...situation, busyIds: new Set(["a", "b"]), pendingCount: 2 };
  expect(plan.choose(waiting, 500)).toEqual([]);
  expect(ids(plan.choose(waiting, 1_000))).toEqual(["o"]);
});

test("the origin is called at once if there is nobody else, and never if it is not needed", () => {
  const alone = { ...situation, known: [known("o", true)] };
  expect(ids(new DialPlan(seededRandom(1), 0).choose(alone, 0))).toEqual(["o"]);
  expect(new DialPlan(seededRandom(1), 0).choose({ ...alone, needsOrigin: false }, 5_000)).toEqual([]);
});

test("where the border is shared work, one of each site that is this volunteer's task is called, and neighbours", () => {
  const sites = new TrackedSites();
  const at = (id: string, site: string): KnownPeer => ({ ...known(id), site });
  const near = Array.from({ length: 40 }, (_, index) => at(`near ${index}`, "own"));
  const far = ["x", "y", "z"].flatMap((site) => Array.from({ length: 5 }, (_, index) => at(`${site} ${index}`, site)));
  sites.note([...near, ...far], {
    site: "own",
    neighbourCount: 40,
    border: { homes: ["own", "x", "y", "z"], slices: 1, tasks: ["x", "y"].map((site) => ({ site, slice: 0 })) },
  });
  const called = new DialPlan(seededRandom(1), 0).choose(
    { ...situation, known: [...near, ...far], sites, sharesWork: true },
    0,
  );
  const siteOf = (one: string): number => called.filter(({ site }) => site === one).length;
  expect(["x", "y", "z", "own"].map(siteOf)).toEqual([1, 1, 0, 28]);
  const connected = { ...situation, known: far, sites, busyIds: new Set(["x 0"]), sharesWork: true };
  expect(new DialPlan(seededRandom(1), 0).choose(connected, 0).map(({ site }) => site)).toEqual(["y"]);
});

test("who holds nothing, is banned or already connected is not called", () => {
  const plan = new DialPlan(seededRandom(1), 0);
  const peers = [known("a"), known("banned"), { ...known("c"), mayHold: () => false }];
  expect(plan.choose({ ...situation, known: peers, busyIds: new Set(["a"]) }, 0)).toEqual([]);
});

test("a peer that fails is tried again ever later", () => {
  const plan = new DialPlan(seededRandom(1), 0);
  const one = { ...situation, known: [known("a")] };
  const callTimes: number[] = [];
  for (let nowMs = 0; nowMs < 1_000_000; nowMs += 1_000) {
    if (plan.choose(one, nowMs).length === 0) continue;
    callTimes.push(nowMs);
    plan.ended("a", nowMs);
  }
  expect(callTimes).toEqual([0, 15_000, 45_000, 105_000, 225_000, 465_000, 765_000]);
});
