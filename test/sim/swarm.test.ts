import { expect, test } from "vitest";
import { assertAnyPieceLength, BundleLayout } from "../../src/core/bundle-layout.ts";
import { RangeSet } from "../../src/core/byte-range.ts";
import { plainDownloadSeconds } from "../../src/model/kumar-ross.ts";
import type { LinkSpeed } from "../../src/sim/network.ts";
import { runScenario, type ScenarioVolunteer } from "../../src/sim/scenario.ts";

const KIB = 1024;
const BYTES = 4 * KIB * KIB;
const LAYOUT = new BundleLayout([BYTES], 64 * KIB);
/** 20 Mbit/s both ways. */
const LINE: LinkSpeed = { upBytesPerSecond: 2_500_000, downBytesPerSecond: 2_500_000, delayMs: 5 };

function many(count: number, change: (index: number) => Partial<ScenarioVolunteer> = () => ({})): ScenarioVolunteer[] {
  return Array.from({ length: count }, (_, index) => ({ speed: LINE, ...change(index) }));
}

function unfinished(volunteers: readonly { readonly seconds: number | undefined }[]): number {
  return volunteers.filter(({ seconds }) => seconds === undefined).length;
}

test.each([1, 2])("twenty empty mirrors cost the origin at most 1.1 copies (seed %i)", async (seed) => {
  const outcome = await runScenario({ seed, layout: LAYOUT, origin: LINE, volunteers: many(20) });
  expect(unfinished(outcome.volunteers)).toBe(0);
  expect(outcome.originCopies).toBeLessThanOrEqual(1.1);
});

test("a run follows from its seed", async () => {
  const scenario = { seed: 9, layout: LAYOUT, origin: LINE, volunteers: many(4) };
  expect(await runScenario(scenario)).toEqual(await runScenario(scenario));
});

test("one mirror alone is not slower than plain download", async () => {
  const outcome = await runScenario({ seed: 3, layout: LAYOUT, origin: LINE, volunteers: many(1) });
  const plain = plainDownloadSeconds({ fileBytes: BYTES, originUpBytesPerSecond: 2_500_000, peers: [LINE] });
  // Headers below the payload take 4.6 % of the line from everybody.
  expect(outcome.seconds).toBeLessThan(plain * 1.046 * 1.05 + 0.15);
});

test("a mirror whose only peer is slow ends about when plain download would", async () => {
  const slow = { ...LINE, upBytesPerSecond: 50_000 };
  const volunteers = [{ speed: slow }, { speed: LINE }];
  const outcome = await runScenario({ seed: 4, layout: LAYOUT, origin: LINE, volunteers });
  expect(outcome.seconds).toBeLessThan(20);
});

test("who finds all places taken does not end long after the others", async () => {
  const layout = new BundleLayout([4 * BYTES], 64 * KIB);
  const outcome = await runScenario({ seed: 2, layout, origin: LINE, volunteers: many(20) });
  const seconds = outcome.volunteers.map((volunteer) => volunteer.seconds!).toSorted((a, b) => a - b);
  expect(seconds.at(-1)! / seconds[10]!).toBeLessThan(1.1);
});

test("a frozen peer and a liar delay nobody for long", async () => {
  const behaviours = ["frozen", "liar"] as const;
  const volunteers = many(8, (index) => ({ behaviour: behaviours[index] ?? "honest" }));
  const outcome = await runScenario({ seed: 5, layout: LAYOUT, origin: LINE, volunteers });
  expect(unfinished(outcome.volunteers)).toBe(0);
  expect(outcome.seconds).toBeLessThan(25);
});

test("nine in ten volunteers lie, and all end exact", async () => {
  const volunteers = many(20, (index) => ({ behaviour: index < 18 ? "liar" : "honest" }));
  const outcome = await runScenario({ seed: 11, layout: LAYOUT, origin: LINE, volunteers });
  expect(unfinished(outcome.volunteers)).toBe(0);
  // A liar is believed three times by each: whoever kept on believing would never end.
  expect(Math.max(...outcome.volunteers.map(({ mismatchCount }) => mismatchCount))).toBeLessThan(18 * 8);
});

test("half of the mirrors lose power and the others end, without the origin sending it all again", async () => {
  const volunteers = many(12, (index) => (index % 2 === 0 ? { vanishSeconds: 0.8 + index / 20 } : {}));
  const outcome = await runScenario({ seed: 6, layout: LAYOUT, origin: LINE, volunteers });
  expect(unfinished(outcome.volunteers)).toBe(6);
  expect(outcome.originCopies).toBeLessThan(2.5);
});

const SLOW_UP: LinkSpeed = { ...LINE, upBytesPerSecond: 625_000 };

test("sites of ten fetch little more than a copy each across their borders", async () => {
  const volunteers = many(20, (index) => ({ speed: SLOW_UP, site: `site ${index % 2}` }));
  const scenario = { seed: 7, layout: LAYOUT, origin: SLOW_UP, volunteers };
  const near = await runScenario(scenario);
  const anywhere = await runScenario({ ...scenario, locality: "none" });
  expect(unfinished(near.volunteers)).toBe(0);
  expect(near.acrossBytes + near.fromOriginBytes).toBeLessThan(BYTES * 2 * 1.6);
  expect(anywhere.acrossBytes).toBeGreaterThan(near.acrossBytes * 4);
});

test("however large a site is, it gives others about what it takes, and hardly anything crosses a border twice", async () => {
  const layout = new BundleLayout([2 * KIB * KIB], 16 * KIB);
  const speed: LinkSpeed = { upBytesPerSecond: 156_250, downBytesPerSecond: 625_000, delayMs: 5 };
  const sites = [14, 6, 6, 3, 3, 3].flatMap((members, index) => Array.from({ length: members }, () => `site ${index}`));
  const volunteers = sites.map((site) => ({ speed, site }));
  const outcome = await runScenario({ seed: 1, layout, origin: speed, volunteers, locality: "fair" });
  expect(unfinished(outcome.volunteers)).toBe(0);
  expect(outcome.acrossBytes).toBeLessThan(2 * KIB * KIB * 5 * 1.15);
  const ratios = [...outcome.sites.values()].map((one) => one.uploadedBytes / one.downloadedBytes);
  expect(Math.min(...ratios)).toBeGreaterThan(0.75);
  expect(Math.max(...ratios)).toBeLessThan(1.35);
});

test("a site of two beside one of thirty is not starved", async () => {
  const volunteers = many(32, (index) => ({ speed: SLOW_UP, site: index < 2 ? "two" : "thirty" }));
  const { volunteers: outcomes } = await runScenario({ seed: 8, layout: LAYOUT, origin: SLOW_UP, volunteers });
  expect(unfinished(outcomes)).toBe(0);
  const slowest = (site: string): number =>
    Math.max(...outcomes.filter((one) => one.site === site).map((one) => one.seconds!));
  expect(slowest("two")).toBeLessThan(slowest("thirty") * 1.5);
});

test("the last of a site whose other members all left still ends", async () => {
  const volunteers = many(12, (index) => ({
    speed: SLOW_UP,
    site: index < 6 ? "left" : "stays",
    ...(index > 0 && index < 6 ? { vanishSeconds: 3 } : {}),
  }));
  const { volunteers: outcomes } = await runScenario({ seed: 10, layout: LAYOUT, origin: SLOW_UP, volunteers });
  expect(outcomes[0]!.seconds).toBeLessThan(60);
});

test("mirrors that found most of it in files of their own move the missing ranges, not the pieces around them", async () => {
  const held = RangeSet.of({ start: 0, end: BYTES });
  for (let start = 1000; start < BYTES; start += BYTES / 8) held.remove(start, start + 700);
  const scenario = { seed: 11, layout: LAYOUT, origin: LINE, volunteers: many(6, () => ({ held })) };
  const { volunteers, originCopies } = await runScenario(scenario);
  expect(unfinished(volunteers)).toBe(0);
  expect(Math.min(...volunteers.map(({ receivedBytes }) => receivedBytes))).toBeGreaterThan(8 * 700);
  expect(Math.max(...volunteers.map(({ receivedBytes }) => receivedBytes))).toBeLessThan(2 * 8 * 700);
  expect(originCopies * BYTES).toBeLessThan(2 * 8 * 700 + 6 * 500);
});

test("what one mirror found at the start the others take from it, not from the origin", async () => {
  const held = [RangeSet.of({ start: 0, end: BYTES / 2 }), RangeSet.of({ start: BYTES / 2, end: BYTES })];
  const volunteers = many(4, (index) => ({ held: held[index % 2]! }));
  const outcome = await runScenario({ seed: 12, layout: LAYOUT, origin: LINE, volunteers });
  expect(unfinished(outcome.volunteers)).toBe(0);
  expect(outcome.originCopies).toBeLessThan(0.5);
});

test("pieces that no bundle may have can be tried: 1,000 bytes each", async () => {
  const layout = new BundleLayout([100_500], 1000, assertAnyPieceLength);
  const { volunteers } = await runScenario({ seed: 13, layout, origin: LINE, volunteers: many(5) });
  expect(unfinished(volunteers)).toBe(0);
  // Each piece has a request's and an answer's head, and is announced by the others.
  expect(volunteers[0]!.receivedBytes).toBeGreaterThan(100_500 + 101 * 13);
});

test("a mirror with a slow line up gets what it asks for: requests do not wait behind what it gives", async () => {
  const slow = { ...LINE, upBytesPerSecond: 16_000 };
  const volunteers = many(20, (index) => (index === 0 ? { speed: slow } : {}));
  const outcome = await runScenario({ seed: 1, layout: LAYOUT, origin: LINE, volunteers });
  expect(unfinished(outcome.volunteers)).toBe(0);
  expect(outcome.volunteers[0]!.seconds).toBeLessThan(35);
});
