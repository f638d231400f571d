import { expect, test } from "vitest";
import { seededRandom } from "../../../src/core/clock.ts";
import { jitteredIntervalSeconds, peerAnswerOf } from "../../../src/tracker/announce-answer.ts";
import { choosePeers, type PeerRules } from "../../../src/tracker/choose-peers.ts";
import type { BundleHave } from "../../../src/tracker/holdings.ts";
import type { LiveVolunteer } from "../../../src/tracker/live-volunteer.ts";
import { LiveVolunteers } from "../../../src/tracker/live-volunteers.ts";
import { encodeRegistrySnapshot, parseRegistrySnapshot } from "../../../src/tracker/registry-snapshot.ts";
import type { VolunteerAnnounce } from "../../../src/tracker/volunteer-announce.ts";
import type { AnnounceOutcome } from "../../../src/tracker/volunteer-states.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { announceOf, bundles, complete } from "../../support/sample-announce.ts";

const INTERVAL_MS = 60_000;

class Fixture {
  readonly clock = new ManualClock();
  readonly live: LiveVolunteers = new LiveVolunteers(this.clock, INTERVAL_MS);
  readonly rules: PeerRules = {
    isSilent: (volunteer) => this.live.isSilent(volunteer),
    isAdmitted: (id) => !id.startsWith("revoked"),
    random: seededRandom(1),
  };

  announce(id: string, change: Partial<VolunteerAnnounce> = {}): AnnounceOutcome {
    return this.live.announce(announceOf(id, change), { id, host: "192.0.2.1", site: undefined });
  }

  /** Announced and found reachable. */
  reachable(id: string, change: Partial<VolunteerAnnounce> = {}): void {
    this.announce(id, change);
    this.live.notePort({ id, host: "192.0.2.1", port: change.port ?? 7382 }, true);
  }

  peersFor(id: string): readonly LiveVolunteer[] {
    return choosePeers(this.live.get(id)!, this.live.all(), this.rules);
  }

  peerIds(id: string): string[] {
    return this.peersFor(id)
      .map((peer) => peer.id)
      .sort();
  }
}

test("holdings change by reports that build on the acknowledged ones", () => {
  const fixture = new Fixture();
  const first = fixture.announce("a", { holdings: bundles(0, [1, "all"], [2, new Uint8Array([0x80])]) });
  expect(first.fullHoldingsWanted).toBe(false);
  const second = fixture.announce("a", { holdings: bundles(first.holdingsId, [2, "all"], [1, "none"], [3, "all"]) });
  expect(second.holdingsId).toBeGreaterThan(first.holdingsId);
  expect(peerAnswerOf(second.volunteer)).toEqual({
    id: "a",
    host: "192.0.2.1",
    port: 7382,
    site: "192.0.0.0/16",
    bundles: [2, 3],
  });
});

test("a report that builds on another state is not applied and full holdings are asked for", () => {
  const fixture = new Fixture();
  const first = fixture.announce("a", { holdings: bundles(0, [1, "all"]) });
  const lost = fixture.announce("a", { holdings: bundles(first.holdingsId, [2, "all"]) });
  const stale = fixture.announce("a", { holdings: bundles(first.holdingsId, [3, "all"]) });
  expect(lost.fullHoldingsWanted).toBe(false);
  expect(stale.fullHoldingsWanted).toBe(true);
  expect(peerAnswerOf(stale.volunteer).bundles).toEqual([1, 2]);
  const full = fixture.announce("a", { holdings: bundles(0, [3, "all"]) });
  expect(full.fullHoldingsWanted).toBe(false);
  expect(peerAnswerOf(full.volunteer).bundles).toEqual([3]);
});

test("after a complete release only what differs is told", () => {
  const fixture = new Fixture();
  const { holdingsId } = fixture.announce("a", { holdings: complete(4) });
  const { volunteer } = fixture.announce("a", { holdings: bundles(holdingsId, [9, "all"], [2, "none"]) });
  expect(peerAnswerOf(volunteer)).toMatchObject({ complete: 4, bundles: [9] });
  expect(volunteer.holdings.bundles.get(2)).toBe("none");
});

test("bitmaps that pile up beyond the cap are refused and change nothing", () => {
  const fixture = new Fixture();
  let { holdingsId } = fixture.announce("a", { holdings: bundles(0) });
  const pile = (start: number): [number, BundleHave][] =>
    Array.from({ length: 500 }, (_, index) => [start + index, new Uint8Array(4096).fill(1)]);
  ({ holdingsId } = fixture.announce("a", { holdings: bundles(holdingsId, ...pile(0)) }));
  ({ holdingsId } = fixture.announce("a", { holdings: bundles(holdingsId, ...pile(500)) }));
  expect(() => fixture.announce("a", { holdings: bundles(holdingsId, ...pile(1000)) })).toThrow(/bitmaps in all/);
  expect(fixture.live.get("a")?.holdings.bundles.size).toBe(1000);
});

test("who comes and goes is no peer between its syncs, but keeps its customers until one is twice overdue", () => {
  const fixture = new Fixture();
  const url = "http://mirror.example";
  fixture.announce("asking");
  fixture.reachable("cron", { url, expectedMs: 3_600_000, isSyncing: true, bytesLeft: 9, customers: 3 });
  expect(fixture.peerIds("asking")).toEqual(["cron"]);
  fixture.announce("cron", { url, expectedMs: 3_600_000, event: "stopped", customers: 3 });
  fixture.announce("plain", { url, event: "stopped" });
  fixture.announce("urlless", { expectedMs: 3_600_000, event: "stopped" });
  const cron = fixture.live.get("cron")!;
  expect(cron).toMatchObject({ isAway: true, isSyncing: false, bytesLeft: 0, customers: 0 });
  expect(fixture.live.all().map(({ id }) => id)).toEqual(["asking", "cron"]);
  expect([fixture.peerIds("asking"), fixture.live.isSilent(cron)]).toEqual([[], true]);
  fixture.clock.advance(7_200_000);
  expect(fixture.live.isOutOfReach(cron)).toBe(false);
  const restarted = new LiveVolunteers(fixture.clock, INTERVAL_MS);
  restarted.restore(
    parseRegistrySnapshot(encodeRegistrySnapshot([{ ...cron, id: "c".repeat(40), unheardIntervals: 0 }]))!,
  );
  const restored = restarted.get("c".repeat(40))!;
  expect([restored.isAway, restarted.isOutOfReach(restored)]).toEqual([true, false]);
  fixture.clock.advance(1);
  expect([fixture.live.isOutOfReach(cron), restarted.isOutOfReach(restored)]).toEqual([true, true]);
  fixture.announce("cron", { url });
  expect(fixture.live.isOutOfReach(fixture.live.get("cron")!)).toBe(false);
  fixture.clock.advance(2 * INTERVAL_MS + 1);
  expect(fixture.live.isOutOfReach(fixture.live.get("cron")!)).toBe(true);
});

test("peers are the reachable ones that have something or are about to", () => {
  const fixture = new Fixture();
  fixture.announce("asking");
  fixture.reachable("full");
  fixture.reachable("syncing", { isSyncing: true, holdings: bundles(0) });
  fixture.reachable("empty", { holdings: bundles(0) });
  fixture.reachable("nothing-set", { holdings: bundles(0, [1, new Uint8Array(4)]) });
  fixture.reachable("revoked");
  fixture.announce("unchecked");
  fixture.announce("unreachable");
  fixture.live.notePort({ id: "unreachable", host: "192.0.2.1", port: 7382 }, false);
  expect(fixture.peerIds("asking")).toEqual(["full", "syncing"]);
});

test("after two silent intervals a volunteer is handed out no more", () => {
  const fixture = new Fixture();
  fixture.reachable("peer");
  fixture.clock.advance(2 * INTERVAL_MS);
  fixture.announce("asking");
  expect(fixture.peerIds("asking")).toEqual(["peer"]);
  fixture.clock.advance(1);
  expect(fixture.peerIds("asking")).toEqual([]);
});

test("a volunteer that stopped is gone at once", () => {
  const fixture = new Fixture();
  fixture.reachable("peer");
  fixture.announce("asking");
  fixture.announce("peer", { event: "stopped" });
  expect(fixture.peerIds("asking")).toEqual([]);
});

test("a port is checked when it is new, moved, or was checked long ago", () => {
  const fixture = new Fixture();
  expect(fixture.announce("a").isPortCheckDue).toBe(true);
  fixture.live.notePort({ id: "a", host: "192.0.2.1", port: 7382 }, true);
  expect(fixture.announce("a").isPortCheckDue).toBe(false);
  expect(fixture.announce("a", { port: 1 }).isPortCheckDue).toBe(true);
  fixture.live.notePort({ id: "a", host: "192.0.2.1", port: 7382 }, true);
  expect(fixture.live.get("a")?.portState).toBe("unchecked");
  fixture.live.notePort({ id: "a", host: "192.0.2.1", port: 1 }, false);
  fixture.clock.advance(300_001);
  expect(fixture.announce("a", { port: 1 }).isPortCheckDue).toBe(true);
});

test("of many peers 50 are named, about a third from elsewhere", () => {
  const fixture = new Fixture();
  for (let index = 0; index < 100; index++) fixture.reachable(`near${index}`, { site: "s" });
  for (let index = 0; index < 100; index++) fixture.reachable(`far${index}`, { site: `t${index % 3}` });
  fixture.announce("asking", { site: "s" });
  const ids = fixture.peerIds("asking");
  expect(new Set(ids).size).toBe(50);
  expect(ids.filter((id) => id.startsWith("near"))).toHaveLength(35);
  expect(fixture.peerIds("asking")).not.toEqual(ids);
  fixture.announce("siteless");
  expect(fixture.peerIds("siteless")).toHaveLength(50);
});

test("places that one side can't fill go to the other", () => {
  const fixture = new Fixture();
  for (let index = 0; index < 10; index++) fixture.reachable(`near${index}`, { site: "s" });
  for (let index = 0; index < 60; index++) fixture.reachable(`far${index}`);
  fixture.announce("asking", { site: "s" });
  expect(fixture.peerIds("asking").filter((id) => id.startsWith("near"))).toHaveLength(10);
  expect(fixture.peersFor("asking")).toHaveLength(50);
});

test("a registry comes back after a restart, believed for one interval, full holdings wanted", () => {
  const PEER = "c".repeat(40);
  const before = new Fixture();
  before.reachable(PEER, { holdings: bundles(0, [1, "all"], [2, new Uint8Array([1])]), url: "http://m" });
  const { holdingsId } = before.announce(PEER, { holdings: bundles(before.live.get(PEER)!.holdingsId!) });
  const after = new Fixture();
  after.live.restore(parseRegistrySnapshot(encodeRegistrySnapshot(before.live.saved()))!);
  after.announce("asking");
  expect(after.peersFor("asking").map(peerAnswerOf)).toEqual([
    { id: PEER, host: "192.0.2.1", port: 7382, site: "192.0.0.0/16", bundles: [1, 2] },
  ]);
  after.clock.advance(INTERVAL_MS + 1);
  expect(after.peerIds("asking")).toEqual([]);
  const outcome = after.announce(PEER, { holdings: bundles(holdingsId, [3, "all"]) });
  expect(outcome.fullHoldingsWanted).toBe(true);
  expect(after.peerIds("asking")).toEqual([PEER]);
});

test("the dead stay dead, and the living have an interval, if the next start has another interval", () => {
  const before = new Fixture();
  before.reachable("c".repeat(40));
  before.clock.advance(2 * INTERVAL_MS + 1);
  before.reachable("d".repeat(40));
  before.clock.advance(INTERVAL_MS / 2);
  const rows = parseRegistrySnapshot(encodeRegistrySnapshot(before.live.saved()))!;
  for (const intervalMs of [INTERVAL_MS / 30, 30 * INTERVAL_MS]) {
    const after = new LiveVolunteers(before.clock, intervalMs);
    after.restore(rows);
    expect(after.all().map((one) => after.isSilent(one))).toEqual([true, false]);
    before.clock.advance(intervalMs);
    expect(after.isSilent(after.get("d".repeat(40))!)).toBe(false);
    before.clock.advance(1);
    expect(after.isSilent(after.get("d".repeat(40))!)).toBe(true);
  }
});

test("a damaged snapshot is left out row by row", () => {
  expect(parseRegistrySnapshot("")).toBeUndefined();
  expect(parseRegistrySnapshot('{"format":2,"volunteers":[]}')).toBeUndefined();
  const fixture = new Fixture();
  fixture.reachable("a".repeat(40));
  const text = encodeRegistrySnapshot(fixture.live.saved());
  expect(parseRegistrySnapshot(text.replace("[{", '[{"id":1},{'))).toHaveLength(1);
});

test("the interval stays within ten per cent", () => {
  expect(jitteredIntervalSeconds(60_000, () => 0)).toBe(54);
  expect(jitteredIntervalSeconds(60_000, () => 1)).toBe(66);
  expect(jitteredIntervalSeconds(100, () => 0.5)).toBe(1);
});
