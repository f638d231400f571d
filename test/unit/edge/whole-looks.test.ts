import { mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { runSync } from "../../../src/edge/sync-job.ts";
import { SILENT_PROGRESS } from "../../../src/edge/sync-progress.ts";
import type { SelectionSettings } from "../../../src/filter/selection.ts";
import { CentralFixture } from "../../support/central-fixture.ts";
import { MirrorFixture, sync, SYNC_OPTIONS } from "./mirror-fixture.ts";

const DELETING = { plan: { removal: "all" } } as const;

async function served(files: Readonly<Record<string, string>>): Promise<CentralFixture> {
  const central = new CentralFixture();
  for (const [path, text] of Object.entries(files)) central.write(path, text);
  await central.publish();
  await central.serve();
  return central;
}

async function release(central: CentralFixture): Promise<void> {
  await central.publish();
  await central.program.refreshNow();
}

/** A sync of a selection that ends before anything was fetched. */
async function breakOff(fixture: MirrorFixture, selection: SelectionSettings): Promise<void> {
  const abort = new AbortController();
  await using mirror = await fixture.open({ selection, signal: abort.signal });
  const onStage = (stage: string): void => (stage === "reuse" ? abort.abort(new Error("broken off")) : undefined);
  await expect(runSync(mirror, SYNC_OPTIONS, { ...SILENT_PROGRESS, onStage })).rejects.toThrow("broken off");
}

/** When the next run goes by, 0: it looks at every path. */
async function lastWholeLook(fixture: MirrorFixture, selection: SelectionSettings): Promise<number | undefined> {
  await using mirror = await fixture.open({ selection });
  return mirror.index.facts.get("lastWholeWalkMs");
}

test("a run that moved the cut of a quota and was broken off leaves a whole look to the next", async () => {
  const selection = { rules: [], ruleFiles: {}, quotaBytes: 10 };
  const central = await served({ a: "aaaaa", b: "bbbbb" });
  const fixture = new MirrorFixture(central);
  await synchronise(fixture, selection);
  expect(await lastWholeLook(fixture, selection)).toBeGreaterThan(0);
  central.write("c", "ccccc");
  utimesSync(`${central.treePath}/c`, 1_700_000_000, 1_700_000_000);
  await release(central);
  await breakOff(fixture, selection);
  expect(await lastWholeLook(fixture, selection)).toBe(0);
});

test("so does one whose release changed a file of rules", async () => {
  const selection = { rules: [{ option: "filter", value: ": .rules" }], ruleFiles: {} } as const;
  const central = await served({ "d/.rules": "- *.iso\n", "d/a.iso": "a", "d/b": "b" });
  const fixture = new MirrorFixture(central);
  await synchronise(fixture, selection);
  central.write("d/c", "c");
  await release(central);
  await breakOff(fixture, selection);
  expect(await lastWholeLook(fixture, selection)).toBeGreaterThan(0);
  central.write("d/.rules", "- b\n");
  await release(central);
  await breakOff(fixture, selection);
  expect(await lastWholeLook(fixture, selection)).toBe(0);
});

test("what a run with --delete had to leave makes the next one look again", async () => {
  const central = await served({ a: "a", "d/b": "b" });
  const fixture = new MirrorFixture(central);
  const mirror = await fixture.open();
  await sync(mirror, DELETING);
  expect(mirror.index.facts.get("lastCleanWalkMs")).toBeGreaterThan(0);
  mkdirSync(fixture.at("own"));
  writeFileSync(fixture.at("own/file"), "own");
  const spared = await sync(mirror, { ...DELETING, maxDelete: 0, rescanMs: 0 });
  expect(spared.hasTooManyRemovals).toBe(true);
  expect(mirror.index.facts.get("lastCleanWalkMs")).toBe(0);
  await sync(mirror, DELETING);
  expect(mirror.index.facts.get("lastCleanWalkMs")).toBeGreaterThan(0);
});

/** One undisturbed sync. */
async function synchronise(fixture: MirrorFixture, selection: SelectionSettings): Promise<void> {
  await using mirror = await fixture.open({ selection });
  await sync(mirror);
}
