import { expect, test } from "vitest";
import { Bitfield } from "../../../src/core/bitfield.ts";
import { HoldingsReporter } from "../../../src/edge/holdings-report.ts";
import { holdsContent } from "../../../src/tracker/content-holders.ts";
import { bundleRow, contentOf, MirrorDisk } from "./mirror-disk.ts";
import { arrivalsOf, bitmap, Central, mirrorWith, NAMES, putBundle } from "./told-holdings.ts";

const NOTHING = arrivalsOf(new Map());

test("a complete mirror tells the release alone", async () => {
  const { reporter } = await mirrorWith(NAMES);
  reporter.isComplete = true;
  expect((await reporter.next()).report).toEqual({ base: 0, complete: 1 });
});

test("a partial mirror tells a bitmap over the content table, highest bit first", async () => {
  const { reporter } = await mirrorWith(["a", "c"]);
  const have = Buffer.from([0b1010_0000]).toString("base64");
  expect((await reporter.next()).report).toEqual({ base: 0, bundles: [{ number: 1, have }] });
});

test("once acknowledged, only changes are told", async () => {
  const { disk, reporter } = await mirrorWith(["a"]);
  const central = new Central();
  await central.take(reporter);
  expect(await central.take(reporter)).toMatchObject({ base: 101, bundles: new Map() });
  for (const name of NAMES) disk.hold(name, name);
  expect((await central.take(reporter)).bundles).toEqual(new Map([[1, "all"]]));
  disk.index.bundles.remove(1);
  expect((await central.take(reporter)).bundles).toEqual(new Map([[1, "none"]]));
  expect(central.holdings.bundles).toEqual(new Map());
});

test("central that knows nothing of the base is told everything with the next announce", async () => {
  const { reporter } = await mirrorWith(["a"]);
  const central = new Central();
  await central.take(reporter);
  central.restart();
  await central.take(reporter);
  expect(await central.take(reporter)).toMatchObject({ base: 0 });
  expect(central.holdings.bundles.size).toBe(1);
});

test("a lost announce after complete → incomplete does not leave central believing in a complete release", async () => {
  const { reporter } = await mirrorWith(["a"]);
  const central = new Central();
  reporter.isComplete = true;
  await central.take(reporter);
  reporter.isComplete = false;
  await reporter.next();
  await central.take(reporter);
  expect(central.holdings.completeRelease).toBe(0);
  expect(central.holdings.bundles.size).toBe(1);
});

test("a lost answer is found out by its id", async () => {
  const { disk, reporter } = await mirrorWith(["a"]);
  const central = new Central();
  await central.take(reporter);
  disk.hold("b", "b");
  await central.take(reporter, { isAnswerLost: true });
  disk.hold("c", "c");
  await central.take(reporter);
  await central.take(reporter);
  expect(central.holdings.bundles).toEqual(new Map([[1, "all"]]));
});

test("while files change the next look waits for 19 times as long as the last one took; a still mirror tells all", async () => {
  let nowMs = 0;
  // Each time it is asked, ten milliseconds have passed: so long takes a look.
  const { disk, reporter } = await mirrorWith(["a"], () => (nowMs += 10));
  const central = new Central();
  await central.take(reporter);
  disk.hold("b", "b");
  const tellWhileChanging = async (): Promise<unknown> => (await reporter.next({ isChanging: true })).report;
  expect(await tellWhileChanging()).toMatchObject({ bundles: [] });
  nowMs += 190;
  expect(await tellWhileChanging()).toMatchObject({ bundles: [{ number: 1, have: bitmap([0, 1]) }] });
  disk.hold("c", "c");
  expect(await tellWhileChanging()).toMatchObject({ bundles: [{ have: bitmap([0, 1]) }] });
  expect((await central.take(reporter)).bundles).toEqual(new Map([[1, "all"]]));
});

test("what another bundle or its going away changes is told at once", async () => {
  const { disk, reporter } = await mirrorWith(NAMES);
  const central = new Central();
  await central.take(reporter);
  const contents = [{ content: contentOf("a"), lengthBytes: 1 }];
  disk.index.bundles.put(bundleRow(2, contents));
  disk.index.bundles.putContents(2, contents);
  await central.take(reporter);
  expect(central.holdings.bundles.get(2)).toBe("all");
  disk.index.bundles.remove(1);
  await central.take(reporter);
  expect(central.holdings.bundles.has(1)).toBe(false);
});

test("more than an announce may hold is told in parts until central knows all", async () => {
  const disk = new MirrorDisk();
  const contentCount = 32_000;
  const table = { sha256: "0".repeat(64), lengthBytes: contentCount * 40 };
  const contents = ["held", "not held"].map((text) => ({ content: contentOf(text), lengthBytes: 1 }));
  disk.hold("held", "held");
  disk.index.transaction(() => {
    for (let number = 1; number <= 200; number++) {
      disk.index.bundles.put(bundleRow(number, contents, { contentCount, table, lengthBytes: contentCount * 16_384 }));
      disk.index.bundles.putContents(number, contents);
    }
  });
  const reporter = new HoldingsReporter(disk.index, { arrived: NOTHING });
  const central = new Central();
  expect((await central.take(reporter)).bundles.size).toBeLessThan(200);
  expect((await central.take(reporter)).bundles.size).toBeGreaterThan(0);
  expect(central.holdings.bundles.size).toBe(200);
});

test("what arrives is told beside what DEST has", async () => {
  const { reporter, arrived } = await mirrorWith(["a"]);
  const central = new Central();
  await central.take(reporter);
  arrived.set(1, [2]);
  expect(await central.take(reporter)).toMatchObject({ base: 101, bundles: new Map([[1, bits([0, 2])]]) });
  arrived.set(1, [1, 2]);
  expect((await central.take(reporter)).bundles).toEqual(new Map([[1, "all"]]));
  arrived.clear();
  expect((await central.take(reporter)).bundles).toEqual(new Map([[1, bits([0])]]));
});

test("what arrives at a complete mirror is told as a change to its release, which stays believed", async () => {
  const { disk, reporter, arrived } = await mirrorWith(NAMES);
  putBundle(disk, 2, ["d", "e"]);
  reporter.isComplete = true;
  const central = new Central();
  arrived.set(2, [0]);
  expect(await central.take(reporter)).toMatchObject({ base: 0, completeRelease: 1 });
  expect(await central.take(reporter)).toMatchObject({ base: 101, completeRelease: undefined });
  expect(central.holdings).toEqual({ completeRelease: 1, bundles: new Map([[2, bits([0])]]) });
  expect([0, 1].map((ordinal) => holdsContent(central.holdings, { bundle: 2, ordinal, sinceRelease: 2 }))).toEqual([
    true,
    false,
  ]);
  expect(holdsContent(central.holdings, { bundle: 1, ordinal: 2, sinceRelease: 1 })).toBe(true);
});

test("a sync that is given up takes back what it told, and the release stays", async () => {
  const { disk, reporter, arrived } = await mirrorWith(NAMES);
  putBundle(disk, 2, ["d", "e"]);
  reporter.isComplete = true;
  const central = new Central();
  arrived.set(2, [0, 1]);
  await central.take(reporter);
  await central.take(reporter);
  arrived.clear();
  await central.take(reporter);
  expect(central.holdings).toEqual({ completeRelease: 1, bundles: new Map() });
});

test("of a bundle that came back all is told, also what the release has of it and the next sync does not bring", async () => {
  const { disk, reporter, arrived } = await mirrorWith(NAMES);
  putBundle(disk, 2, ["a", "d"]);
  putBundle(disk, 3, ["e"]);
  reporter.isComplete = true;
  const central = new Central();
  arrived.set(2, [1]);
  await central.take(reporter);
  await central.take(reporter);
  expect(central.holdings.bundles).toEqual(new Map([[2, "all"]]));
  arrived.delete(2);
  arrived.set(3, [0]);
  await central.take(reporter);
  expect(central.holdings.bundles).toEqual(
    new Map<number, Uint8Array | string>([
      [2, bits([0], 2)],
      [3, "all"],
    ]),
  );
});

test("a central that lost what it knew is told the release, and then what arrived", async () => {
  const { disk, reporter, arrived } = await mirrorWith(NAMES);
  putBundle(disk, 2, ["d"]);
  reporter.isComplete = true;
  const central = new Central();
  arrived.set(2, [0]);
  await central.take(reporter);
  central.restart();
  for (let announce = 0; announce < 3; announce++) await central.take(reporter);
  expect(central.holdings).toEqual({ completeRelease: 1, bundles: new Map([[2, "all"]]) });
});

test("arrivals of 100,000 contents are told at two kilobytes a second", async () => {
  const disk = new MirrorDisk();
  const arrived = new Map<number, readonly number[]>();
  const table = { sha256: "0".repeat(64), lengthBytes: 25_000 * 40 };
  for (let number = 1; number <= 4; number++) {
    disk.index.bundles.put(bundleRow(number, [], { contentCount: 25_000, table, lengthBytes: 25_000 * 16_384 }));
    arrived.set(number, [number]);
  }
  let nowMs = 0;
  const reporter = new HoldingsReporter(disk.index, { arrived: arrivalsOf(arrived), nowMs: () => nowMs });
  let bytes = 0;
  for (; nowMs < 600_000; nowMs += 3_000) {
    for (const number of arrived.keys()) arrived.set(number, [...arrived.get(number)!, 10 + nowMs / 3_000]);
    const { report, acknowledge } = await reporter.next({ isChanging: true });
    bytes += JSON.stringify(report).length;
    acknowledge(1 + nowMs, false);
  }
  expect(bytes / 600).toBeLessThan(2_100);
  expect(bytes / 600).toBeGreaterThan(1_000);
});

test("what is under way is looked at when it may be told, and a twentieth of the time at most", async () => {
  let nowMs = 0;
  let looks = 0;
  const disk = new MirrorDisk();
  const reporter = new HoldingsReporter(disk.index, {
    arrived: {
      isUnderWay: true,
      // Nothing is whole yet; each look takes a tenth of a second.
      ordinals: () => (looks++, (nowMs += 100), new Map()),
    },
    nowMs: () => nowMs,
  });
  const look = async (afterMs: number, isChanging = true): Promise<number> => {
    nowMs += afterMs;
    await reporter.next({ isChanging });
    return looks;
  };
  const seen: number[] = [];
  for (const afterMs of [0, 500, 500, 899, 1, 1_899]) seen.push(await look(afterMs));
  expect([...seen, await look(0, false)]).toEqual([1, 1, 1, 1, 2, 2, 3]);
});

/** As central reads it. */
function bits(ordinals: readonly number[], count = NAMES.length): Uint8Array {
  const field = new Bitfield(count);
  for (const ordinal of ordinals) field.set(ordinal);
  return new Uint8Array(field.toBytes());
}
