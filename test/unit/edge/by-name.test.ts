import { rmSync } from "node:fs";
import { expect, test } from "vitest";
import { HoldingsReporter } from "../../../src/edge/holdings-report.ts";
import { servesByName } from "../../../src/edge/mirror-situation.ts";
import { runSync } from "../../../src/edge/sync-job.ts";
import { SILENT_PROGRESS } from "../../../src/edge/sync-progress.ts";
import { CentralFixture } from "../../support/central-fixture.ts";
import { bundleRow, contentOf, fileEntry, MirrorDisk, pathOf } from "./mirror-disk.ts";
import { MirrorFixture, sync, SYNC_OPTIONS } from "./mirror-fixture.ts";

const NOTHING_ARRIVES = { isUnderWay: false, ordinals: () => new Map() };

/** Of release 1: two names of one content, and one of another. */
async function reporting(): Promise<{ readonly disk: MirrorDisk; readonly reporter: HoldingsReporter }> {
  const disk = new MirrorDisk();
  const contents = ["twin", "single"].map((bytes) => ({ content: contentOf(bytes), lengthBytes: bytes.length }));
  disk.index.bundles.put(bundleRow(1, contents));
  disk.index.bundles.putContents(1, contents);
  await disk.holdRelease(1, [fileEntry("a", "twin"), fileEntry("b", "twin"), fileEntry("c", "single")]);
  const reporter = new HoldingsReporter(disk.index, { arrived: NOTHING_ARRIVES, isByName: () => true });
  return { disk, reporter };
}

/** Bits over [twin, single]. */
async function told(reporter: HoldingsReporter): Promise<unknown> {
  const { report } = await reporter.next();
  if (!("bundles" in report)) return report;
  const have = report.bundles[0]?.have ?? "none";
  return have === "all" || have === "none" ? have : Buffer.from(have, "base64")[0]!.toString(2).padStart(8, "0");
}

test("by name a content is told that stands at each of its names, verified and with these bytes", async () => {
  const { disk, reporter } = await reporting();
  disk.hold("a", "twin");
  disk.hold("c", "single");
  expect(await told(reporter)).toBe("01000000");
  disk.hold("b", "old bytes");
  expect(await told(reporter)).toBe("01000000");
  disk.hold("b", "twin");
  expect(await told(reporter)).toBe("all");
  disk.record("b", contentOf("twin"), false);
  expect(await told(reporter)).toBe("01000000");
});

test("a release that gives a content another name takes it away, though no file changed", async () => {
  const { disk, reporter } = await reporting();
  for (const [name, bytes] of [
    ["a", "twin"],
    ["b", "twin"],
    ["c", "single"],
  ] as const)
    disk.hold(name, bytes);
  expect(await told(reporter)).toBe("all");
  const entries = [fileEntry("a", "twin"), fileEntry("b", "twin"), fileEntry("c", "single"), fileEntry("d", "single")];
  await disk.holdRelease(2, entries);
  expect(await told(reporter)).toBe("10000000");
});

test("a path that is not in place, be it a symlink, makes the release no whole one by name", async () => {
  const { disk, reporter } = await reporting();
  reporter.isComplete = true;
  expect((await reporter.next()).report).toEqual({ base: 0, complete: 1 });
  disk.index.files.addPending([pathOf("link")]);
  expect((await reporter.next()).report).toMatchObject({ base: 0, bundles: [] });
});

test("a web server may be where central sends customers and the program does not answer itself", () => {
  const url = "http://mirror.example.org";
  expect(servesByName({ customerUrl: undefined, isAskedByContent: false })).toBe(false);
  expect(servesByName({ customerUrl: url, isAskedByContent: true })).toBe(false);
  expect(servesByName({ customerUrl: url, isAskedByContent: false })).toBe(true);
});

interface Seen {
  readonly isSyncing: boolean;
  readonly isByName: boolean;
}

/** What central shows of the only mirror. */
async function shown(central: CentralFixture): Promise<Seen | undefined> {
  const rows = (await (await central.get("/.prsync/api/v1/volunteers")).json()) as
    readonly { readonly live?: Seen }[] | { readonly volunteers: readonly { readonly live?: Seen }[] };
  return ("volunteers" in rows ? rows.volunteers : (rows as readonly { readonly live?: Seen }[]))[0]?.live;
}

test("central hears of a sync that only removes before anything is removed below a web server", async () => {
  const central = new CentralFixture();
  central.write("a", "a");
  central.write("b", "b");
  await central.publish();
  await central.serve();
  const mirror = await new MirrorFixture(central).open();
  Object.assign(mirror.situation, { customerUrl: "http://127.0.0.1:1", isAskedByContent: false });
  await sync(mirror);
  await mirror.announcer.announceNow("completed");
  expect(await shown(central)).toMatchObject({ isSyncing: false, isByName: true });
  rmSync(`${central.treePath}/b`);
  await central.publish();
  await central.program.refreshNow();
  const activating: number[] = [];
  const onStage = (stage: string): void =>
    void (stage === "activate" && activating.push(central.program.status().volunteers.syncing));
  const outcome = await runSync(mirror, SYNC_OPTIONS, { ...SILENT_PROGRESS, onStage });
  expect(outcome.summary.files.removed).toBe(1);
  expect(activating).toEqual([1]);
});
