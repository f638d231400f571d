import { expect, test } from "vitest";
import { Bitfield } from "../../../src/core/bitfield.ts";
import { Selection } from "../../../src/filter/selection.ts";
import { HoldingsReporter, isWholeReleaseVerified } from "../../../src/edge/holdings-report.ts";
import { applyHoldings, NO_HOLDINGS, type Holdings, type HoldingsReport } from "../../../src/tracker/holdings.ts";
import { parseVolunteerAnnounce } from "../../../src/tracker/volunteer-announce.ts";
import { bundleRow, contentOf, fileEntry, MirrorDisk, pathOf } from "./mirror-disk.ts";

const NAMES = ["a", "b", "c"];

/** A mirror of release 1 with one bundle of three files, of which `held` are there. */
async function mirrorWith(held: readonly string[]): Promise<{ disk: MirrorDisk; reporter: HoldingsReporter }> {
  const disk = new MirrorDisk();
  const contents = NAMES.map((name) => ({ content: contentOf(name), lengthBytes: 1 }));
  disk.index.bundles.put(bundleRow(1, contents));
  disk.index.bundles.putContents(1, contents);
  await disk.holdRelease(
    1,
    NAMES.map((name) => fileEntry(name, name)),
  );
  for (const name of held) disk.hold(name, name);
  return { disk, reporter: new HoldingsReporter(disk.index) };
}

/** Central's side: the real parser and the real rules. */
class Central {
  #known: { readonly id: number; readonly holdings: Holdings } | undefined;

  get holdings(): Holdings {
    return this.#known?.holdings ?? NO_HOLDINGS;
  }

  restart(): void {
    this.#known = undefined;
  }

  /** @param isAnswerLost the announce arrives, its answer does not */
  take(reporter: HoldingsReporter, isAnswerLost = false): HoldingsReport {
    const { report, acknowledge } = reporter.next();
    const parsed = parseReport(report);
    const applied = applyHoldings(this.#known, parsed);
    const id = (this.#known?.id ?? 100) + 1;
    if (applied !== undefined) this.#known = { id, holdings: applied };
    if (!isAnswerLost) acknowledge(applied === undefined ? undefined : id, applied === undefined);
    return parsed;
  }
}

function parseReport(holdings: object): HoldingsReport {
  const figures = { bytesLeft: 0, customers: 0, uploadBytesPerSecond: 0, uploadCapacityBytesPerSecond: 0 };
  const body = { repository: "0".repeat(32), release: 1, syncing: false, ...figures, holdings };
  const query = `peer_id=${"%01".repeat(20)}&port=1&uploaded=0&downloaded=0&left=0`;
  return parseVolunteerAnnounce(query, Buffer.from(JSON.stringify(body))).holdings;
}

test("a complete mirror tells the release alone", async () => {
  const { reporter } = await mirrorWith(NAMES);
  reporter.isComplete = true;
  expect(reporter.next().report).toEqual({ base: 0, complete: 1 });
});

test("a partial mirror tells a bitmap over the content table, highest bit first", async () => {
  const { reporter } = await mirrorWith(["a", "c"]);
  const have = Buffer.from([0b1010_0000]).toString("base64");
  expect(reporter.next().report).toEqual({ base: 0, bundles: [{ number: 1, have }] });
});

test("once acknowledged, only changes are told", async () => {
  const { disk, reporter } = await mirrorWith(["a"]);
  const central = new Central();
  central.take(reporter);
  expect(central.take(reporter)).toMatchObject({ base: 101, bundles: new Map() });
  for (const name of NAMES) disk.hold(name, name);
  expect(central.take(reporter).bundles).toEqual(new Map([[1, "all"]]));
  disk.index.bundles.remove(1);
  expect(central.take(reporter).bundles).toEqual(new Map([[1, "none"]]));
  expect(central.holdings.bundles).toEqual(new Map());
});

test("central that knows nothing of the base is told everything with the next announce", async () => {
  const { reporter } = await mirrorWith(["a"]);
  const central = new Central();
  central.take(reporter);
  central.restart();
  central.take(reporter);
  expect(central.take(reporter)).toMatchObject({ base: 0 });
  expect(central.holdings.bundles.size).toBe(1);
});

test("a lost announce after complete → incomplete does not leave central believing in a complete release", async () => {
  const { reporter } = await mirrorWith(["a"]);
  const central = new Central();
  reporter.isComplete = true;
  central.take(reporter);
  reporter.isComplete = false;
  reporter.next();
  central.take(reporter);
  expect(central.holdings.completeRelease).toBe(0);
  expect(central.holdings.bundles.size).toBe(1);
});

test("a lost answer is found out by its id", async () => {
  const { disk, reporter } = await mirrorWith(["a"]);
  const central = new Central();
  central.take(reporter);
  disk.hold("b", "b");
  central.take(reporter, true);
  disk.hold("c", "c");
  central.take(reporter);
  central.take(reporter);
  expect(central.holdings.bundles).toEqual(new Map([[1, "all"]]));
});

test("while files change the next look waits for 19 times as long as the last one took; a still mirror tells all", async () => {
  const { disk } = await mirrorWith(["a"]);
  let nowMs = 0;
  // Each time it is asked, ten milliseconds have passed: so long takes a look.
  const reporter = new HoldingsReporter(disk.index, () => (nowMs += 10));
  const central = new Central();
  central.take(reporter);
  disk.hold("b", "b");
  const tellWhileChanging = (): unknown => reporter.next({ isChanging: true }).report;
  expect(tellWhileChanging()).toMatchObject({ bundles: [] });
  nowMs += 190;
  expect(tellWhileChanging()).toMatchObject({ bundles: [{ number: 1, have: bitmap([0, 1]) }] });
  disk.hold("c", "c");
  expect(tellWhileChanging()).toMatchObject({ bundles: [{ have: bitmap([0, 1]) }] });
  expect(central.take(reporter).bundles).toEqual(new Map([[1, "all"]]));
});

test("what another bundle or its going away changes is told at once", async () => {
  const { disk, reporter } = await mirrorWith(NAMES);
  const central = new Central();
  central.take(reporter);
  const contents = [{ content: contentOf("a"), lengthBytes: 1 }];
  disk.index.bundles.put(bundleRow(2, contents));
  disk.index.bundles.putContents(2, contents);
  central.take(reporter);
  expect(central.holdings.bundles.get(2)).toBe("all");
  disk.index.bundles.remove(1);
  central.take(reporter);
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
  const reporter = new HoldingsReporter(disk.index);
  const central = new Central();
  expect(central.take(reporter).bundles.size).toBeLessThan(200);
  expect(central.take(reporter).bundles.size).toBeGreaterThan(0);
  expect(central.holdings.bundles.size).toBe(200);
});

/** As an announce has it, of three contents. */
function bitmap(ordinals: readonly number[]): string {
  const field = new Bitfield(NAMES.length);
  for (const ordinal of ordinals) field.set(ordinal);
  return Buffer.from(field.toBytes()).toString("base64");
}

const everything = new Selection();

test("a release is whole only if each of its files is recorded, hashed and not noted as changed", async () => {
  const { disk } = await mirrorWith(["a", "b"]);
  expect(isWholeReleaseVerified(disk.index, everything)).toBe(false);
  disk.hold("c", "c");
  expect(isWholeReleaseVerified(disk.index, everything)).toBe(true);
  const part = new Selection({ rules: [{ option: "exclude", value: "c" }], ruleFiles: {} });
  expect(isWholeReleaseVerified(disk.index, part)).toBe(false);
  disk.index.files.addPending([pathOf("no path of the release")]);
  expect(isWholeReleaseVerified(disk.index, everything)).toBe(true);
  disk.index.files.addPending([pathOf("c")]);
  expect(isWholeReleaseVerified(disk.index, everything)).toBe(false);
  disk.index.files.clearPending();
  disk.record("c", contentOf("c"), false);
  expect(isWholeReleaseVerified(disk.index, everything)).toBe(false);
});

test("a release that was found whole is not, once a file of it goes, and is again when that came back", async () => {
  const { disk } = await mirrorWith(NAMES);
  expect(isWholeReleaseVerified(disk.index, everything)).toBe(true);
  disk.index.files.remove(pathOf("b"));
  expect(isWholeReleaseVerified(disk.index, everything)).toBe(false);
  disk.hold("b", "b");
  expect(isWholeReleaseVerified(disk.index, everything)).toBe(true);
  await disk.holdRelease(
    2,
    [...NAMES, "d"].map((name) => fileEntry(name, name)),
  );
  expect(isWholeReleaseVerified(disk.index, everything)).toBe(false);
});
