import { lstatSync, writeFileSync } from "node:fs";
import { expect, test, vi } from "vitest";
import type { Mirror } from "../../../src/edge/mirror.ts";
import { runSync } from "../../../src/edge/sync-job.ts";
import { SILENT_PROGRESS } from "../../../src/edge/sync-progress.ts";
import { fileStatOf } from "../../../src/store/file-stat.ts";
import { CentralFixture } from "../../support/central-fixture.ts";
import { fileEntry, pathOf } from "./mirror-disk.ts";
import { MirrorFixture, sync, SYNC_OPTIONS } from "./mirror-fixture.ts";
import { bitmap, type Reporting, wholeMirror } from "./told-holdings.ts";

const NOTHING_NEW = { base: 101, bundles: [] };
const WITHOUT_FIRST = {
  base: 0,
  bundles: [
    {
      number: 1,
      have: bitmap(
        Array.from({ length: 19 }, (_, index) => index + 1),
        20,
      ),
    },
    { number: 2, have: "all" },
  ],
};

test("while a sync changes a few files of a whole release, what central knows is told on for as long as 19 looks would take", async () => {
  const { disk, reporter, clock } = await wholeMirror();
  reporter.beginPlacing(2);
  disk.index.files.remove(pathOf("file-10"));
  // Forty contents at 2.5 µs.
  clock.nowMs += 19 * 0.1 - 0.01;
  const tell = async (): Promise<unknown> => (await reporter.next({ isChanging: true })).report;
  expect(await tell()).toEqual(NOTHING_NEW);
  reporter.beginPlacing(2);
  clock.nowMs += 0.02;
  expect(await tell()).toEqual(WITHOUT_FIRST);
  reporter.isComplete = true;
  expect(await tell()).toEqual({ base: 0, complete: 1 });
});

test("what was told on is the base of what comes next, arrivals of before included", async () => {
  const { disk, reporter, arrived, central } = await wholeMirror();
  disk.index.files.remove(pathOf("file-10"));
  arrived.set(1, [0]);
  await central.take(reporter);
  reporter.beginPlacing(1);
  const before = central.holdings;
  for (const id of [103, 104]) {
    expect(await central.take(reporter, { isChanging: true })).toMatchObject({ base: id - 1 });
    expect(central.holdings).toEqual(before);
  }
  reporter.isComplete = true;
  expect(await central.take(reporter)).toEqual({ base: 104, bundles: new Map() });
  arrived.clear();
  await central.take(reporter);
  expect(central.holdings).toEqual({ completeRelease: 1, bundles: new Map() });
});

test("a central that knows nothing, many changes, a wrong file and the end of a sync that failed are told what there is", async () => {
  const whole = async (): Promise<Reporting> => {
    const mirror = await wholeMirror();
    mirror.disk.index.files.remove(pathOf("file-10"));
    return mirror;
  };
  const tell = async ({ reporter }: Reporting): Promise<unknown> => (await reporter.next({ isChanging: true })).report;
  const unknown = await whole();
  unknown.reporter.beginPlacing(1);
  (await unknown.reporter.next()).acknowledge(undefined, true);
  expect(await tell(unknown)).toEqual(WITHOUT_FIRST);
  const many = await whole();
  many.reporter.beginPlacing(3);
  expect(await tell(many)).toEqual(WITHOUT_FIRST);
  const wrong = await whole();
  wrong.reporter.beginPlacing(1);
  wrong.reporter.isComplete = false;
  expect(await tell(wrong)).toEqual(WITHOUT_FIRST);
  const failed = await whole();
  failed.reporter.beginPlacing(1);
  expect(await tell(failed)).toEqual(NOTHING_NEW);
  failed.reporter.endPlacing();
  expect(await tell(failed)).toEqual(WITHOUT_FIRST);
  const placed = await whole();
  placed.reporter.beginPlacing(1);
  await placed.disk.holdRelease(2, [fileEntry("file-10", "new")]);
  expect(await tell(placed)).toEqual(NOTHING_NEW);
  placed.reporter.isComplete = true;
  expect(await tell(placed)).toEqual({ base: 0, complete: 2 });
  const incomplete = await whole();
  incomplete.reporter.isComplete = false;
  incomplete.reporter.beginPlacing(1);
  expect(await tell(incomplete)).toEqual(WITHOUT_FIRST);
  const still = await whole();
  still.reporter.beginPlacing(1);
  expect((await still.reporter.next()).report).toEqual(WITHOUT_FIRST);
});

/**
 * What announces would tell while a sync of `changed` of forty files places, for which no time passes, and after it.
 * @param act in the midst of it
 */
async function toldWhilePlacing(changed: number, act: () => void): Promise<readonly unknown[]> {
  const names = Array.from({ length: 40 }, (_, index) => `file-${10 + index}`);
  const central = new CentralFixture();
  for (const name of names) central.write(name, name);
  await central.publish();
  await central.serve();
  const mirror = await new MirrorFixture(central).open();
  await sync(mirror);
  for (const name of names.slice(0, changed)) central.write(name, `new ${name}`);
  await central.publish();
  await central.program.refreshNow();
  const told: unknown[] = [];
  const tell = async (): Promise<number> => told.push((await mirror.holdings.next({ isChanging: true })).report);
  const whilePlacing = mirror.arrived.whilePlacing.bind(mirror.arrived);
  mirror.arrived.whilePlacing = (flush) => {
    // What is there right now is looked at before it waits.
    void tell();
    act();
    return whilePlacing(flush);
  };
  const onStage = (stage: string): void => {
    if (stage === "activate") vi.spyOn(performance, "now").mockReturnValue(performance.now());
  };
  await runSync(mirror, SYNC_OPTIONS, { ...SILENT_PROGRESS, onStage }).catch(() => undefined);
  await tell();
  vi.restoreAllMocks();
  return told;
}

test("central hears nothing new while a few files are placed, and of the next release after it", async () => {
  const [placing, after] = await toldWhilePlacing(2, () => undefined);
  expect(placing).toMatchObject({ bundles: [] });
  expect(placing).not.toMatchObject({ base: 0 });
  expect(after).toEqual({ base: 0, complete: 2 });
});

test("after a sync that failed central hears what there is; while many files are placed, too", async () => {
  const fail = (): never => {
    throw new Error("disk full");
  };
  const all = { base: 0, bundles: [{ number: 1, have: "all" }] };
  const [few, afterFew] = await toldWhilePlacing(2, fail);
  expect([few, afterFew]).toEqual([expect.objectContaining({ bundles: [] }), all]);
  const [many, afterMany] = await toldWhilePlacing(30, fail);
  expect([many, afterMany]).toEqual([all, all]);
});

test("a source of a copy that turns out wrong ends that the mirror is whole, before the sync does", async () => {
  const central = new CentralFixture();
  central.write("a", "right");
  await central.publish();
  await central.serve();
  const fixture = new MirrorFixture(central);
  const mirror = await fixture.open();
  await sync(mirror);
  central.write("b", "right");
  await central.publish();
  await central.program.refreshNow();
  const wasWhole: boolean[] = [];
  const onStage = (stage: string): void => {
    if (stage === "reuse") damageUnseen(mirror, fixture.at("a"));
    if (stage === "reuse" || stage === "download") wasWhole.push(mirror.holdings.isComplete);
  };
  await runSync(mirror, { ...SYNC_OPTIONS, rescanMs: Infinity }, { ...SILENT_PROGRESS, onStage });
  expect(wasWhole).toEqual([true, false]);
});

/** Other bytes, and the index has the stat of the file as it is now: as on a disk that rots. */
function damageUnseen({ index }: Mirror, path: string): void {
  writeFileSync(path, "wrong");
  const record = index.files.get(pathOf("a"))!;
  index.files.put(pathOf("a"), { ...record, stat: fileStatOf(lstatSync(path, { bigint: true })) });
}
