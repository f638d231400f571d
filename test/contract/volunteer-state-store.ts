import { describe, expect, test } from "vitest";
import type { Clock } from "../../src/core/clock.ts";
import type { BundleHave } from "../../src/tracker/holdings.ts";
import { encodeRegistrySnapshot, parseRegistrySnapshot } from "../../src/tracker/registry-snapshot.ts";
import type { VolunteerAnnounce } from "../../src/tracker/volunteer-announce.ts";
import type { AnnounceOutcome, VolunteerStateStore } from "../../src/tracker/volunteer-states.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { announceOf, bundles, complete } from "../support/sample-announce.ts";

const INTERVAL_MS = 60_000;
const HOST = "192.0.2.1";
const [A, B, C, D] = ["a", "b", "c", "d"].map((id) => id.repeat(40)) as [string, string, string, string];
const URL = "http://mirror.example.org";
const TRANSFERS = { swarmBytes: 5, customerBytes: 7, reusedBytes: 11, deltaBytes: 3, peerBytes: 13, originBytes: 17 };

/** An empty store of its own. */
export type OpenStore = (clock: Clock, intervalMs: number) => VolunteerStateStore | Promise<VolunteerStateStore>;

/** What central relies on, whatever keeps the volunteers' state. */
export function describeVolunteerStateStore(name: string, open: OpenStore): void {
  const opened: Open = async (clock = new ManualClock()) => use(await open(clock, INTERVAL_MS), clock);
  describe(`volunteers' state ${name}`, () => {
    describeReading(opened);
    describeHoldings(opened);
    describeSilence(opened);
    describeRestart(opened);
  });
}

interface Opened {
  readonly store: VolunteerStateStore;
  readonly clock: ManualClock;
  announce(id: string, change?: Partial<VolunteerAnnounce>, host?: string): Promise<AnnounceOutcome>;
  ids(): readonly string[];
  /** Bundles of which something is known to be held or not. */
  held(id: string): readonly [number, BundleHave][];
}

function use(store: VolunteerStateStore, clock: ManualClock): Opened {
  return {
    store,
    clock,
    announce: async (id, change = {}, host = HOST) =>
      await store.announce(announceOf(id, change), { id, host, site: undefined }),
    ids: () => store.all().map(({ id }) => id),
    held: (id) => [...store.get(id)!.holdings.bundles],
  };
}

type Open = (clock?: ManualClock) => Promise<Opened>;

function describeReading(opened: Open): void {
  test("what was announced can be read once the outcome is there, with the socket's address, by id and in the list", async () => {
    const { store, ...fixture } = await opened();
    expect([store.get(A), store.all()]).toEqual([undefined, []]);
    const { volunteer } = await fixture.announce(A, {
      url: URL,
      release: 3,
      customers: 2,
      bytesLeft: 9,
      isSyncing: true,
    });
    await fixture.announce(B, {}, "192.0.2.9");
    expect(store.get(A)).toEqual(volunteer);
    expect(volunteer).toMatchObject({ id: A, host: HOST, url: URL, release: 3, customers: 2, isSyncing: true });
    expect(store.get(B)!.host).toBe("192.0.2.9");
    expect(fixture.ids().toSorted()).toEqual([A, B]);
    expect(volunteer.lastSeenMs).toBe(fixture.clock.monotonicMs());
  });

  test("what was read stays as it was: a list made of it is of one moment", async () => {
    const { store, ...fixture } = await opened();
    await fixture.announce(A, { holdings: bundles(0, [1, "all"]) });
    const read = store.get(A)!;
    const copy = structuredClone(read);
    await fixture.announce(A, { customers: 5, holdings: bundles(read.holdingsId!, [1, "none"], [2, "all"]) });
    store.notePort({ id: A, host: HOST, port: 7382 }, true);
    expect(read).toEqual(copy);
  });

  test("the revision is another after an announce, a farewell, a removal and a restart's volunteers", async () => {
    const { store, ...fixture } = await opened();
    const seen = [store.revision];
    await fixture.announce(A);
    seen.push(store.revision);
    await fixture.announce(A);
    seen.push(store.revision);
    const rows = store.saved();
    await fixture.announce(A, { event: "stopped" });
    seen.push(store.revision);
    store.restore(rows);
    seen.push(store.revision);
    store.remove(A);
    seen.push(store.revision);
    expect(new Set(seen).size).toBe(seen.length);
    expect(store.get(A)).toBeUndefined();
  });

  test("a port counts for the address it was tried at", async () => {
    const { store, ...fixture } = await opened();
    expect((await fixture.announce(A)).isPortCheckDue).toBe(true);
    store.notePort({ id: A, host: HOST, port: 7382 }, true);
    expect(store.get(A)!.portState).toBe("reachable");
    expect((await fixture.announce(A)).isPortCheckDue).toBe(false);
    expect((await fixture.announce(A, {}, "192.0.2.2")).volunteer.portState).toBe("unchecked");
    store.notePort({ id: A, host: HOST, port: 7382 }, false);
    store.notePort({ id: B, host: HOST, port: 7382 }, true);
    expect([store.get(A)!.portState, store.get(B)]).toEqual(["unchecked", undefined]);
  });

  test("borders and transfers are summed, and stay when a volunteer is gone", async () => {
    const { store, ...fixture } = await opened();
    const told = (uploadedBytes: number): Partial<VolunteerAnnounce> => ({
      site: "north",
      border: { uploadedBytes, downloadedBytes: 2 * uploadedBytes },
      transfers: TRANSFERS,
      event: uploadedBytes === 10 ? "started" : undefined,
    });
    await fixture.announce(A, told(10));
    await fixture.announce(A, told(25));
    await fixture.announce(B, told(10));
    store.remove(A);
    expect(store.balance.totals.get("north")).toEqual({ uploadedBytes: 35, downloadedBytes: 70 });
    expect(store.balance.debtOf("north")).toBeGreaterThan(1);
    expect(store.transfers.total).toMatchObject({ swarmBytes: 10, customerBytes: 14, originBytes: 34 });
  });
}

function describeHoldings(opened: Open): void {
  test("holdings are changes to what the last answer named; others are not taken and all is asked for", async () => {
    const fixture = await opened();
    const first = await fixture.announce(A, { holdings: bundles(0, [1, "all"], [2, new Uint8Array([0x80])]) });
    const second = await fixture.announce(A, { holdings: bundles(first.holdingsId, [2, "none"], [3, "all"]) });
    expect([first.fullHoldingsWanted, second.fullHoldingsWanted]).toEqual([false, false]);
    expect(second.holdingsId).toBeGreaterThan(first.holdingsId);
    expect(fixture.held(A).filter(([, have]) => have !== "none")).toEqual([
      [1, "all"],
      [3, "all"],
    ]);
    const lost = await fixture.announce(A, { holdings: bundles(first.holdingsId, [9, "all"]), customers: 4 });
    expect(lost.fullHoldingsWanted).toBe(true);
    expect(fixture.held(A).map(([bundle]) => bundle)).not.toContain(9);
    expect(lost.volunteer.customers).toBe(4);
    const all = await fixture.announce(A, { holdings: complete(2) });
    expect([all.fullHoldingsWanted, all.volunteer.holdings.completeRelease]).toEqual([false, 2]);
  });

  test("bitmaps beyond the cap are refused, and nothing of that announce counts", async () => {
    const { store, ...fixture } = await opened();
    let { holdingsId } = await fixture.announce(A, { holdings: bundles(0) });
    const pile = (start: number): [number, BundleHave][] =>
      Array.from({ length: 500 }, (_, index) => [start + index, new Uint8Array(4096).fill(1)]);
    ({ holdingsId } = await fixture.announce(A, { holdings: bundles(holdingsId, ...pile(0)) }));
    ({ holdingsId } = await fixture.announce(A, { holdings: bundles(holdingsId, ...pile(500)) }));
    const before = store.get(A);
    const tooMuch = async (): Promise<unknown> =>
      await fixture.announce(A, { holdings: bundles(holdingsId, ...pile(1_000)), customers: 9 });
    await expect(tooMuch()).rejects.toMatchObject({ code: "bad-announce" });
    expect(store.get(A)).toEqual(before);
  });
}

function describeSilence(opened: Open): void {
  test("two intervals without an announce are silence", async () => {
    const { store, ...fixture } = await opened();
    await fixture.announce(A);
    const quiet = (): boolean[] => [store.isSilent(store.get(A)!), store.isOutOfReach(store.get(A)!)];
    fixture.clock.advance(2 * INTERVAL_MS);
    expect(quiet()).toEqual([false, false]);
    fixture.clock.advance(1);
    expect(quiet()).toEqual([true, true]);
    await fixture.announce(A);
    expect(quiet()).toEqual([false, false]);
  });

  test("who says farewell is gone, unless a web server of its own goes on: that one keeps customers, not peers", async () => {
    const { store, ...fixture } = await opened();
    await fixture.announce(A, { url: URL });
    await fixture.announce(A, { url: URL, event: "stopped" });
    expect(store.get(A)).toBeUndefined();
    await fixture.announce(B, { url: URL, expectedMs: 3_600_000, customers: 3 });
    await fixture.announce(B, { url: URL, expectedMs: 3_600_000, customers: 3, event: "stopped" });
    const away = store.get(B)!;
    expect(away).toMatchObject({ isAway: true, customers: 0 });
    expect([store.isSilent(away), store.isOutOfReach(away)]).toEqual([true, false]);
    fixture.clock.advance(7_200_001);
    expect(store.isOutOfReach(away)).toBe(true);
  });

  test("neighbours are those of the same site that are heard of", async () => {
    const { store, ...fixture } = await opened();
    await fixture.announce(C, { site: "north" });
    fixture.clock.advance(2 * INTERVAL_MS + 1);
    await fixture.announce(B, { site: "north" });
    const { volunteer } = await fixture.announce(A, { site: "north" });
    expect(store.neighbourCount(volunteer)).toBe(1);
  });

  test("the long silent are forgotten after a week", async () => {
    const fixture = await opened();
    await fixture.announce(A);
    fixture.clock.advance(7 * 24 * 3_600_000 + 1);
    await fixture.announce(B);
    expect(fixture.ids()).toEqual([B]);
  });
}

function describeRestart(opened: Open): void {
  test("what another store wrote is believed for one interval, and full holdings are asked for", async () => {
    const before = await opened();
    const { holdingsId } = await before.announce(A, { holdings: bundles(0, [1, "all"], [2, new Uint8Array([1])]) });
    const text = encodeRegistrySnapshot(before.store.saved());
    const { store, ...after } = await opened(before.clock);
    await after.announce(B, { customers: 8 });
    store.restore(parseRegistrySnapshot(text)!);
    expect(after.ids().toSorted()).toEqual([A, B]);
    const restored = store.get(A)!;
    // Bundles are enough to be named as a peer; what of them it holds it must tell again.
    expect([...restored.holdings.bundles.keys()]).toEqual([1, 2]);
    expect(store.isSilent(restored)).toBe(false);
    after.clock.advance(INTERVAL_MS + 1);
    expect(store.isSilent(restored)).toBe(true);
    const outcome = await after.announce(A, { holdings: bundles(holdingsId, [3, "all"]) });
    expect(outcome.fullHoldingsWanted).toBe(true);
    expect(outcome.holdingsId).toBeGreaterThan(holdingsId);
  });

  test("who was not heard of before a restart is silent after it, and each restart counts; who said farewell has done so", async () => {
    const before = await opened();
    for (const id of [A, B, C]) await before.announce(id);
    await before.announce(D, { url: "http://d.example.org", expectedMs: 20 * INTERVAL_MS, event: "stopped" });
    before.clock.advance(INTERVAL_MS);
    await before.announce(B);
    before.clock.advance(INTERVAL_MS + 1);
    await before.announce(C);
    let { store } = before;
    const restart = async (): Promise<readonly string[]> => {
      const rows = parseRegistrySnapshot(encodeRegistrySnapshot(store.saved()))!;
      // Nobody could announce: that does not count.
      before.clock.advance(3 * INTERVAL_MS);
      ({ store } = await opened(before.clock));
      store.restore(rows);
      return store.all().flatMap((one) => (store.isSilent(one) ? [] : [one.id]));
    };
    expect(await restart()).toEqual([B, C]);
    before.clock.advance(INTERVAL_MS / 2);
    expect(await restart()).toEqual([B, C]);
    before.clock.advance(INTERVAL_MS / 2);
    expect(await restart()).toEqual([C]);
    before.clock.advance(INTERVAL_MS / 2);
    expect(await restart()).toEqual([]);
    const cron = store.get(D)!;
    expect([store.isSilent(cron), store.isOutOfReach(cron)]).toEqual([true, false]);
  });

  test("who announced meanwhile is not put back; who was put back builds on nothing that it told before", async () => {
    const before = await opened();
    await before.announce(A, { customers: 1 });
    const { holdingsId } = await before.announce(B, { holdings: bundles(0, [1, "all"]) });
    const rows = before.store.saved();
    const after = await opened(before.clock);
    await after.announce(A, { customers: 2 });
    after.store.restore(rows);
    expect(after.store.get(A)!.customers).toBe(2);
    const outcome = await after.announce(B, { holdings: bundles(holdingsId, [2, "all"]) });
    expect(outcome.fullHoldingsWanted).toBe(true);
  });
}
