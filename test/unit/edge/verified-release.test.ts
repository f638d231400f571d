import { expect, test } from "vitest";
import { isWholeReleaseVerified, VerifiedSince } from "../../../src/edge/verified-release.ts";
import { Selection } from "../../../src/filter/selection.ts";
import { contentOf, fileEntry, type MirrorDisk, pathOf } from "./mirror-disk.ts";
import { mirrorWith, NAMES } from "./told-holdings.ts";

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

/** What a sync does to the records between a release that was found whole and the next, which has "b" anew, "d", and no "c". */
type Sync = (disk: MirrorDisk) => void;
const bring: Sync = (disk) => {
  disk.hold("b", "b2");
  disk.hold("d", "d");
};
const remove =
  (name: string): Sync =>
  ({ index }) =>
    index.files.remove(pathOf(name));

test.each<readonly [string, boolean, readonly Sync[]]>([
  ["all that changed is there", true, [bring]],
  ["what the release lacks went", true, [bring, remove("c")]],
  ["what went is back", true, [bring, remove("a"), (disk) => disk.hold("a", "a")]],
  ["a changed file is as it was", false, [(disk) => disk.hold("d", "d")]],
  ["a new file is missing", false, [(disk) => disk.hold("b", "b2")]],
  ["a file that no change speaks of went", false, [bring, remove("a")]],
  ["a file that no change speaks of is believed", false, [bring, (disk) => disk.record("a", contentOf("a"), false)]],
])("of the next release, %s: known to be whole without a count: %s", async (_name, isKnown, steps) => {
  const { disk } = await mirrorWith(NAMES);
  const { facts } = disk.index;
  expect(isWholeReleaseVerified(disk.index, everything)).toBe(true);
  const verified = new VerifiedSince(disk.index);
  disk.announceNext(2, [fileEntry("a", "a"), fileEntry("b", "b2"), fileEntry("d", "d")]);
  expect([...disk.index.manifest.changes()].length).toBe(3);
  for (const step of steps) step(disk);
  verified.beforeCommit();
  await disk.index.commitRelease();
  verified.afterCommit();
  expect(facts.get("verifiedRelease") === 2).toBe(isKnown);
});

test("what was not known to be whole is counted, also after few changes", async () => {
  const { disk } = await mirrorWith(["a", "b"]);
  const verified = new VerifiedSince(disk.index);
  disk.announceNext(
    2,
    [...NAMES, "d"].map((name) => fileEntry(name, name)),
  );
  expect([...disk.index.manifest.changes()].length).toBe(1);
  disk.hold("d", "d");
  verified.beforeCommit();
  await disk.index.commitRelease();
  verified.afterCommit();
  expect(disk.index.facts.get("verifiedRelease")).toBeUndefined();
});
