import fc from "fast-check";
import { expect, test } from "vitest";
import { parseContentId } from "../../../src/core/content-id.ts";
import { repoPathFromText } from "../../../src/core/repo-path.ts";
import type { FileEntry } from "../../../src/manifest/entry.ts";
import type { CountedEntries } from "../../../src/plan/counted-files.ts";
import { chooseCut, isTaken, type NewestCut } from "../../../src/plan/newest-cut.ts";

const CONTENT = parseContentId("a".repeat(64));

test("the youngest files come first; within a second, path order; what does not fit ends it", () => {
  const files = [file("old", 1, 40), file("b", 5, 30), file("a", 5, 30), file("new", 9, 30)];
  expect(takenOf(files, cutOf(files, 100))).toEqual(["a", "b", "new"]);
  expect(takenOf(files, cutOf(files, 80))).toEqual(["a", "new"]);
  expect(takenOf(files, cutOf(files, 130))).toEqual(["a", "b", "new", "old"]);
});

test("index files of package managers are always taken and counted; a quota below them is refused", () => {
  const files = [file("dists/stable/Release", 1, 60), file("pool/old.deb", 2, 30), file("pool/new.deb", 3, 30)];
  expect(takenOf(files, cutOf(files, 90))).toEqual(["dists/stable/Release", "pool/new.deb"]);
  expect(choose(files, 59)).toEqual({ problem: "too-small", alwaysBytes: 60 });
});

test("further names of an inode cost nothing and come with the first", () => {
  const files = [file("first", 5, 60), linked("second", "first", 5, 60), file("other", 4, 40), file("older", 3, 1)];
  expect(takenOf(files, cutOf(files, 100))).toEqual(["first", "other", "second"]);
});

test("a file larger than the quota is passed over", () => {
  const files = [file("image.iso", 9, 1_000), file("small", 5, 10)];
  expect(takenOf(files, cutOf(files, 100))).toEqual(["small"]);
});

test("a path that the release on its way drops or changes counts as that has it", () => {
  const entries: CountedEntries = () => [
    [file("dropped", 9, 90), 1],
    [file("changed", 8, 90), 1],
    [file("old", 1, 50), 1],
    [file("dropped", 9, 90), -1],
    [file("changed", 8, 90), -1],
    [file("changed", 8, 50), 1],
  ];
  const choice = chooseCut(entries, { quotaBytes: 100, isSelected: () => true, before: undefined });
  expect(choice).toMatchObject({ takenBytes: 100 });
});

test("a little room does not bring old files back, a tenth of the quota does", () => {
  const files = [file("old", 1, 5), file("mid", 2, 45), file("new", 3, 50)];
  const before = cutOf([...files, file("newer", 4, 6)], 100);
  expect(takenOf(files, before)).toEqual(["new"]);
  const close: NewestCut = { seconds: 2, upTo: "mid", maxBytes: 100 };
  expect(takenOf(files, cutOf(files, 100, close))).toEqual(["mid", "new"]);
  expect(takenOf(files, cutOf(files, 100, before))).toEqual(["mid", "new", "old"]);
});

const arbitraryFiles = fc
  .uniqueArray(fc.record({ name: fc.stringMatching(/^[a-f]{1,3}$/), second: fc.nat(6), size: fc.nat(60) }), {
    selector: ({ name }) => name,
    maxLength: 25,
  })
  .map((list) => list.map(({ name, second, size }) => file(name, second, size)));

test("never more than the quota, nothing younger left out for something older, and the same again for the same release", () => {
  fc.assert(
    fc.property(arbitraryFiles, arbitraryFiles, fc.nat(300), (earlier, files, quota) => {
      const cut = cutOf(files, quota, cutOf(earlier, quota));
      const taken = files.filter((entry) => isTaken(entry.path, entry, cut));
      expect(taken.reduce((sum, { size }) => sum + size, 0)).toBeLessThanOrEqual(quota);
      const oldest = taken.reduce((least, { mtimeNs }) => (mtimeNs < least ? mtimeNs : least), 2n ** 62n);
      const left = files.filter((entry) => !taken.includes(entry) && entry.size <= quota);
      for (const { mtimeNs } of left) expect(mtimeNs <= oldest).toBe(true);
      expect(cutOf(files, quota, cut)).toEqual(cut);
    }),
  );
});

function choose(files: readonly FileEntry[], quotaBytes: number, before?: NewestCut): ReturnType<typeof chooseCut> {
  const entries: CountedEntries = () => files.map((entry) => [entry, 1] as const);
  return chooseCut(entries, { quotaBytes, isSelected: () => true, before });
}

function cutOf(files: readonly FileEntry[], quotaBytes: number, before?: NewestCut): NewestCut {
  const choice = choose(files, quotaBytes, before);
  if ("problem" in choice) throw new Error(choice.problem);
  return choice.cut;
}

function takenOf(files: readonly FileEntry[], cut: NewestCut): string[] {
  return files
    .filter((entry) => isTaken(entry.path, entry, cut))
    .map(({ path }): string => path)
    .toSorted();
}

function file(path: string, second: number, size: number): FileEntry {
  const mtimeNs = BigInt(second) * 1_000_000_000n;
  return { kind: "file", path: repoPathFromText(path), mode: 0o644, mtimeNs, size, content: CONTENT };
}

function linked(path: string, first: string, second: number, size: number): FileEntry {
  return { ...file(path, second, size), link: repoPathFromText(first) };
}
