import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type ContentId, parseContentId } from "../../../src/core/content-id.ts";
import { repoPathFromText } from "../../../src/core/repo-path.ts";
import type { FileEntry } from "../../../src/manifest/entry.ts";
import {
  type AssignedPlace,
  type Assignment,
  chooseAssignedCut,
  isAssigned,
  sliceOf,
} from "../../../src/plan/assigned-cut.ts";
import type { CountedEntries } from "../../../src/plan/counted-files.ts";

interface Placed {
  readonly entry: FileEntry;
  readonly place: AssignedPlace;
}

const KIB = 1024;
/** Of 1 MiB: a slice is 64 KiB. */
const QUOTA = 1024 * KIB;

test("whole releases come first, the newest before older ones; of the next one slices as far as they fit", () => {
  const tree = [...release(1, 40), ...release(2, 10), ...release(3, 5)];
  const taken = takenOf(tree, QUOTA);
  expect(countsOf(taken)).toEqual({ 3: 5, 2: 10, 1: 1 });
  expect(countsOf(takenOf([...tree, ...release(4, 4)], QUOTA))).toEqual({ 4: 4, 3: 5, 2: 7 });
});

test("what an assignment does not reach back to is left out, however much room there is", () => {
  const tree = [...release(1, 2), ...release(2, 2), ...release(3, 2)];
  expect(countsOf(takenOf(tree, QUOTA, { since: 2 }))).toEqual({ 3: 2, 2: 2 });
});

test("contents of a slice stay together but for the one that fills the rest", () => {
  const tree = release(1, 400, { size: 8 * KIB });
  const taken = new Set(takenOf(tree, QUOTA));
  expect(taken.size).toBe(128);
  const slices = new Set([...taken].map(({ place }) => place.slice));
  const whole = [...slices].filter((slice) => tree.every((file) => file.place.slice !== slice || taken.has(file)));
  expect(slices.size - whole.length).toBeLessThanOrEqual(1);
});

test("index files and empty files are always taken, a file above the quota and one in no bundle never", () => {
  const index = { ...release(1, 1)[0]!, entry: file("dists/stable/Release", 60 * KIB) };
  const empty = { ...release(1, 1)[0]!, entry: file("empty", 0) };
  const [large] = release(3, 1, { size: QUOTA + 1 });
  const tree = [index, empty, large!, ...release(2, 1)];
  expect(takenOf(tree, QUOTA, { since: 2 }).map(({ entry }) => entry.path)).toEqual([
    "dists/stable/Release",
    "empty",
    "r2/0",
  ]);
  const unplaced = file("nowhere", 5);
  expect(isAssigned("nowhere", unplaced, { cut: cutOf(tree, QUOTA), seed: 1, placeOf: () => undefined })).toBe(false);
  expect(choose(tree, 59 * KIB)).toEqual({ problem: "too-small", alwaysBytes: 60 * KIB });
});

test("volunteers that hold a tenth each of a release hold different parts of it", () => {
  const tree = release(1, 1_000, { size: 64 * KIB });
  const quota = 100 * 64 * KIB;
  const holders = Array.from({ length: 10 }, (_, volunteer) => takenOf(tree, quota, { seed: seedOf(volunteer) }));
  for (const held of holders) expect(held).toHaveLength(100);
  const held = new Set(holders.flat());
  // Of independent choices 1 - 0.9^10 = 0.65 are expected.
  expect(held.size / tree.length).toBeGreaterThan(0.55);
});

test("a new release moves the end only: what stays assigned was assigned before or is new", () => {
  const before = [...release(1, 100), ...release(2, 3)];
  const after = [...before, ...release(3, 4)];
  const [earlier, later] = [before, after].map((tree) => takenOf(tree, QUOTA));
  for (const { entry, place } of later!) {
    expect(place.release === 3 || earlier!.some((held) => held.entry.path === entry.path)).toBe(true);
  }
});

const arbitraryTree = fc
  .array(fc.record({ release: fc.integer({ min: 1, max: 4 }), size: fc.nat(200 * KIB) }), { maxLength: 40 })
  .map((list) => {
    const offsets = new Map<number, number>();
    return list.map(({ release: number, size }, index) => {
      const offset = offsets.get(number) ?? 0;
      offsets.set(number, offset + size);
      return placed(`f${index}`, { release: number, size, offset, ordinal: index });
    });
  });

test("never more than the quota, no release before a newer one is whole, and always the same", () => {
  const run = fc.property(arbitraryTree, fc.nat(4 * QUOTA), fc.nat(0xffff_ffff), (tree, quota, seed) => {
    const taken = takenOf(tree, quota, { seed });
    expect(bytesOf(taken)).toBeLessThanOrEqual(quota);
    expect(choose(tree, quota, { seed })).toMatchObject({ takenBytes: bytesOf(taken) });
    const isLeft = (item: Placed): boolean => !taken.includes(item) && item.entry.size <= quota;
    const newestLeft = Math.max(0, ...tree.filter(isLeft).map(({ place }) => place.release));
    for (const { place, entry } of taken) expect(entry.size === 0 || place.release >= newestLeft).toBe(true);
    expect(takenOf(tree.toReversed(), quota, { seed }).toReversed()).toEqual(taken);
  });
  fc.assert(run);
});

function release(number: number, count: number, { size = 64 * KIB } = {}): Placed[] {
  return Array.from({ length: count }, (_, ordinal) =>
    placed(`r${number}/${ordinal}`, { release: number, size, offset: ordinal * size, ordinal }),
  );
}

function placed(
  path: string,
  at: { readonly release: number; readonly size: number; readonly offset: number; readonly ordinal: number },
): Placed {
  const { release: number, ordinal } = at;
  const slice = sliceOf(number, at.offset, QUOTA);
  return { entry: file(path, at.size), place: { release: number, slice, ordinal } };
}

function file(path: string, size: number): FileEntry {
  const content = parseContentId(createHash("sha256").update(path).digest("hex"));
  return { kind: "file", path: repoPathFromText(path), mode: 0o644, mtimeNs: 0n, size, content };
}

function choose(
  tree: readonly Placed[],
  quotaBytes: number,
  change: Partial<Assignment> = {},
): ReturnType<typeof chooseAssignedCut> {
  const entries: CountedEntries = () => tree.map(({ entry }) => [entry, 1] as const);
  const assignment = { release: 9, since: 1, seed: 1, ...change };
  return chooseAssignedCut(entries, { quotaBytes, isSelected: () => true, assignment, placeOf: placesOf(tree) });
}

function cutOf(tree: readonly Placed[], quotaBytes: number, change: Partial<Assignment> = {}) {
  const choice = choose(tree, quotaBytes, change);
  if ("problem" in choice) throw new Error(choice.problem);
  return choice.cut;
}

function takenOf(tree: readonly Placed[], quotaBytes: number, change: Partial<Assignment> = {}): Placed[] {
  const by = { cut: cutOf(tree, quotaBytes, change), seed: change.seed ?? 1, placeOf: placesOf(tree) };
  return tree.filter(({ entry }) => isAssigned(entry.path, entry, by));
}

function placesOf(tree: readonly Placed[]): (content: ContentId) => AssignedPlace | undefined {
  const places = new Map(tree.map(({ entry, place }) => [entry.content, place]));
  return (content) => places.get(content);
}

function countsOf(taken: readonly Placed[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { place } of taken) counts[place.release] = (counts[place.release] ?? 0) + 1;
  return counts;
}

function bytesOf(taken: readonly Placed[]): number {
  return taken.reduce((sum, { entry }) => sum + entry.size, 0);
}

function seedOf(volunteer: number): number {
  return createHash("sha256").update(`volunteer ${volunteer}`).digest().readUInt32BE();
}
