import { expect, test } from "vitest";
import { isWholeReleaseVerified, VerifiedSince } from "../../../src/edge/verified-release.ts";
import { Selection } from "../../../src/filter/selection.ts";
import type { FileEntry } from "../../../src/manifest/entry.ts";
import { contentOf, fileEntry, type MirrorDisk, pathOf } from "./mirror-disk.ts";
import { mirrorWith, NAMES } from "./told-holdings.ts";

const everything = new Selection();
const NEVER = new AbortController().signal;

test("a release is whole only if each of its files is recorded, hashed and not noted as changed", async () => {
  const { disk } = await mirrorWith(["a", "b"]);
  expect(await isWholeReleaseVerified(disk.index, everything, NEVER)).toBe(false);
  disk.hold("c", "c");
  expect(await isWholeReleaseVerified(disk.index, everything, NEVER)).toBe(true);
  const part = new Selection({ rules: [{ option: "exclude", value: "c" }], ruleFiles: {} });
  expect(await isWholeReleaseVerified(disk.index, part, NEVER)).toBe(false);
  disk.index.files.addPending([pathOf("no path of the release")]);
  expect(await isWholeReleaseVerified(disk.index, everything, NEVER)).toBe(true);
  disk.index.files.addPending([pathOf("c")]);
  expect(await isWholeReleaseVerified(disk.index, everything, NEVER)).toBe(false);
  disk.index.files.clearPending();
  disk.record("c", contentOf("c"), false);
  expect(await isWholeReleaseVerified(disk.index, everything, NEVER)).toBe(false);
});

test("a release that was found whole is not, once a file of it goes, and is again when that came back", async () => {
  const { disk } = await mirrorWith(NAMES);
  expect(await isWholeReleaseVerified(disk.index, everything, NEVER)).toBe(true);
  disk.index.files.remove(pathOf("b"));
  expect(await isWholeReleaseVerified(disk.index, everything, NEVER)).toBe(false);
  disk.hold("b", "b");
  expect(await isWholeReleaseVerified(disk.index, everything, NEVER)).toBe(true);
  await disk.holdRelease(
    2,
    [...NAMES, "d"].map((name) => fileEntry(name, name)),
  );
  expect(await isWholeReleaseVerified(disk.index, everything, NEVER)).toBe(false);
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
  expect(await isWholeReleaseVerified(disk.index, everything, NEVER)).toBe(true);
  const verified = new VerifiedSince(disk.index);
  disk.announceNext(2, [fileEntry("a", "a"), fileEntry("b", "b2"), fileEntry("d", "d")]);
  expect([...disk.index.manifest.changes()].length).toBe(3);
  for (const step of steps) step(disk);
  verified.beforeCommit();
  await disk.index.commitRelease();
  verified.afterCommit();
  expect(facts.get("verifiedRelease") === 2).toBe(isKnown);
});

test("what a run that was cut off placed is not taken for what the next release has there", async () => {
  const { disk } = await mirrorWith(NAMES);
  expect(await isWholeReleaseVerified(disk.index, everything, NEVER)).toBe(true);
  disk.index.files.addPending([pathOf("a")]);
  disk.hold("a", "of a release that never became the held one");
  const verified = new VerifiedSince(disk.index);
  disk.announceNext(
    2,
    [...NAMES, "d"].map((name) => fileEntry(name, name)),
  );
  expect([...disk.index.manifest.changes()].length).toBe(1);
  disk.hold("d", "d");
  verified.beforeCommit();
  await disk.index.commitRelease(() => disk.index.files.clearPending());
  verified.afterCommit();
  expect(disk.index.facts.get("verifiedRelease")).toBe(1);
  expect(await isWholeReleaseVerified(disk.index, everything, NEVER)).toBe(false);
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

test("a record of a file that the release lacks does not stand in for one that is missing", async () => {
  const { disk } = await mirrorWith(["a", "b"]);
  disk.hold("old.iso", "old");
  expect(await isWholeReleaseVerified(disk.index, everything, NEVER)).toBe(false);
  disk.hold("c", "other bytes");
  expect(await isWholeReleaseVerified(disk.index, everything, NEVER)).toBe(false);
  disk.hold("c", "c");
  expect(await isWholeReleaseVerified(disk.index, everything, NEVER)).toBe(true);
});

/** Nine thousand files of one content, which are three turns, and one that the release lacks. */
async function largeMirror(): Promise<{ readonly disk: MirrorDisk; readonly entries: readonly FileEntry[] }> {
  const { disk } = await mirrorWith([]);
  const entries = Array.from({ length: 9_000 }, (_, index) => fileEntry(`file-${10_000 + index}`, "x"));
  await disk.holdRelease(2, entries);
  const paths = [...entries.map(({ path }) => path), pathOf("more")];
  disk.index.transaction(() => paths.forEach((path) => disk.index.files.put(path, RECORD)));
  return { disk, entries };
}

const RECORD = { stat: { size: 1, mtimeNs: 1n, ctimeNs: 1n, ino: 1n }, content: contentOf("x"), isVerified: true };

test("thousands of files are looked up in turns, and anew if a record goes meanwhile", async () => {
  const { disk, entries } = await largeMirror();
  const last = entries.at(-1)!.path;
  setImmediate(() => disk.index.files.remove(last));
  expect(await isWholeReleaseVerified(disk.index, everything, NEVER)).toBe(false);
  setImmediate(() => disk.index.files.put(last, RECORD));
  expect(await isWholeReleaseVerified(disk.index, everything, NEVER)).toBe(true);
});

test("a look at thousands of files says nothing of a release that came meanwhile, and ends when nobody waits", async () => {
  const { disk, entries } = await largeMirror();
  const looking = isWholeReleaseVerified(disk.index, everything, NEVER);
  await disk.holdRelease(3, [fileEntry("a", "new"), ...entries]);
  expect(await looking).toBe(false);
  disk.index.files.put(pathOf("a"), { ...RECORD, content: contentOf("new") });
  const closing = new AbortController();
  const unwanted = isWholeReleaseVerified(disk.index, everything, closing.signal);
  closing.abort(new Error("closed"));
  await expect(unwanted).rejects.toThrow("closed");
  setImmediate(() => disk.index.files.put(entries[0]!.path, RECORD));
  expect(await isWholeReleaseVerified(disk.index, everything, NEVER)).toBe(true);
});
