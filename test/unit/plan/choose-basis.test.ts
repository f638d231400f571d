import fc from "fast-check";
import { expect, test } from "vitest";
import { repoPathFromText } from "../../../src/core/repo-path.ts";
import { chooseBases, MAX_BASES, type BasisCandidate, type BasisKinship } from "../../../src/plan/choose-basis.ts";
import { DirectoryNames } from "../../../src/plan/similar-name.ts";

const MB = 1_000_000;
const SKETCH = Array.from({ length: 16 }, (_, i) => i);
const TARGET = { lengthBytes: 2 * MB, sketch: SKETCH };

/** A candidate that has the first `common` handprints of the target, or those from `from` on. */
function candidate(
  path: string,
  kinship: BasisKinship,
  { common, from = 0, lengthBytes = 2 * MB }: { common?: number; from?: number; lengthBytes?: number } = {},
): BasisCandidate {
  const sketch =
    common === undefined ? undefined : SKETCH.map((i) => (i >= from && i < from + common ? i : 1000 + 50 * from + i));
  return { path: repoPathFromText(path), kinship, lengthBytes, sketch };
}

test("without sketches the same path comes before an alike name", () => {
  const { bases } = chooseBases({ lengthBytes: 100_000, sketch: undefined }, [
    candidate("dir/alike.tar", "similar-name", { lengthBytes: 100_000 }),
    candidate("dir/same.tar", "same-path", { lengthBytes: 100_000 }),
  ]);
  expect(bases).toEqual(["dir/same.tar"]);
});

test("a file that shares nothing is not searched, whatever its path: compressed packages of another version", () => {
  const choice = chooseBases(TARGET, [
    candidate("a-1.tgz", "same-path", { common: 0 }),
    candidate("a-2.tgz", "similar-name", { common: 0 }),
  ]);
  expect(choice.bases).toEqual([]);
  expect(choice.rejected.map(({ reason }) => reason)).toEqual(["unlike", "unlike"]);
});

test("a compressed file too small for a sketch is no basis for another version, but for its successor at the same path", () => {
  const small = { lengthBytes: 100_000, sketch: undefined };
  expect(chooseBases(small, [candidate("p_1_all.deb", "similar-name")]).rejected[0]!.reason).toBe("compressed");
  expect(chooseBases(small, [candidate("Packages.gz", "same-path")]).bases).toEqual(["Packages.gz"]);
  expect(chooseBases(small, [candidate("image-1.raw", "similar-name")]).bases).toEqual(["image-1.raw"]);
});

test("a file far longer than the content is not read for it", () => {
  const target = { lengthBytes: 20_000, sketch: undefined };
  const choose = (lengthBytes: number): readonly string[] =>
    chooseBases(target, [candidate("messages", "same-path", { lengthBytes })]).bases;
  expect(choose(1e9)).toEqual(["messages"]);
  expect(choose(1e12)).toEqual([]);
});

test("alike content elsewhere goes before what is known to be less alike at the same path", () => {
  const choice = chooseBases(TARGET, [
    candidate("new.iso", "same-path", { common: 1 }),
    candidate("old/moved.iso", "similar-content", { common: 15 }),
  ]);
  expect(choice.bases).toEqual(["old/moved.iso"]);
});

test("files that complete each other are all searched, the one that gives most first", () => {
  const choice = chooseBases(TARGET, [
    candidate("a", "similar-content", { common: 4 }),
    candidate("b", "similar-content", { common: 8, from: 4 }),
    candidate("c", "similar-content", { common: 2, from: 4 }),
  ]);
  expect(choice.bases).toEqual(["b", "a"]);
  expect(choice.rejected).toEqual([{ path: "c", reason: "adds-nothing" }]);
});

test("of two files that the sketch can't tell apart both are searched, of three not", () => {
  const twins = ["a", "b", "c"].map((path) => candidate(path, "similar-content", { common: 16 }));
  expect(chooseBases(TARGET, twins).bases).toEqual(["a", "b"]);
});

test("what is not signed has no basis, an empty file is none", () => {
  expect(chooseBases({ lengthBytes: 16_383, sketch: undefined }, [candidate("a", "same-path")]).bases).toEqual([]);
  expect(chooseBases(TARGET, [candidate("a", "same-path", { lengthBytes: 0 })]).rejected[0]!.reason).toBe("empty");
});

const kinships = fc.constantFrom<BasisKinship>("same-path", "similar-name", "similar-content");
const candidates = fc.array(
  fc.record({
    path: fc.constantFrom("a", "b.gz", "c", "d", "e", "f").map(repoPathFromText),
    kinship: kinships,
    lengthBytes: fc.nat(20 * MB),
    sketch: fc.option(fc.uniqueArray(fc.nat(40), { maxLength: 16 }), { nil: undefined }),
  }),
  { maxLength: 12 },
);

test("every candidate is chosen or rejected once, few are chosen, and none that shares nothing", () => {
  fc.assert(
    fc.property(candidates, (all) => {
      const { bases, rejected } = chooseBases(TARGET, all);
      const told = [...bases, ...rejected.map(({ path }) => path)];
      expect(told.toSorted()).toEqual([...new Set(all.map(({ path }) => path))].toSorted());
      expect(bases.length).toBeLessThanOrEqual(MAX_BASES);
      const unlike = all.filter(
        ({ sketch, path }, i) =>
          all.findIndex((other) => other.path === path) === i &&
          sketch !== undefined &&
          sketch.length > 0 &&
          !sketch.some((handprint) => handprint < 16),
      );
      expect(unlike.filter(({ path }) => bases.includes(path))).toEqual([]);
      const further = bases.slice(1).map((path) => all.find((other) => other.path === path)!.lengthBytes);
      expect(further.reduce((sum, length) => sum + length, 0)).toBeLessThanOrEqual(4 * TARGET.lengthBytes);
    }),
  );
});

test("the nearest version of the same thing is the most alike name", () => {
  const names = new DirectoryNames([
    "foo-1.2-1.rpm",
    "foo-1.2-3.rpm",
    "foo-1.10.1-1.rpm",
    "foo-0.9-9.rpm",
    "foo-devel-1.2-4.rpm",
    "bar-1.2-4.rpm",
  ]);
  expect(names.mostAlike("foo-1.2-4.rpm", 2)).toEqual(["foo-1.2-3.rpm", "foo-1.2-1.rpm"]);
  expect(names.mostAlike("foo-1.11-1.rpm", 1)).toEqual(["foo-1.10.1-1.rpm"]);
  expect(names.mostAlike("foo-1.2-3.rpm", 1)).toEqual(["foo-1.2-1.rpm"]);
});

test("without a version of the same stem a name with a common beginning and end is taken, else none", () => {
  const names = new DirectoryNames(["snapshot-abcdef.img", "snapshot-abxyz.tar", "other.img"]);
  expect(names.mostAlike("snapshot-abctuv.img", 1)).toEqual(["snapshot-abcdef.img"]);
  expect(names.mostAlike("unrelated", 1)).toEqual([]);
  expect(new DirectoryNames([]).mostAlike("a", 1)).toEqual([]);
});

test("the nearest version is the one that a search of all of them finds", () => {
  const version = fc.array(fc.nat(4), { minLength: 1, maxLength: 3 }).map((numbers) => `v${numbers.join(".")}.img`);
  fc.assert(
    fc.property(fc.uniqueArray(version, { minLength: 1, maxLength: 30 }), version, (names, wanted) => {
      const others = names.filter((name) => name !== wanted);
      const [found] = new DirectoryNames(names).mostAlike(wanted, 1);
      const best = others.map((name) => farness(name, wanted)).toSorted()[0];
      expect(found === undefined ? undefined : farness(found, wanted)).toEqual(best);
    }),
  );
});

/** Sorts by how few leading numbers agree, then by the distance of the next. */
function farness(name: string, wanted: string): string {
  const [a, b] = [name, wanted].map((text) => text.slice(1, -4).split(".").map(Number)) as [number[], number[]];
  const differs = [0, 1, 2, 3].find((i) => a[i] !== b[i]) ?? 3;
  return `${9 - differs} ${Math.abs((a[differs] ?? 0) - (b[differs] ?? 0))}`;
}

test("a hundred thousand versions in one directory stay cheap to ask, each of them", () => {
  const all = Array.from({ length: 100_000 }, (_, i) => `log-${i}-1.txt`);
  const names = new DirectoryNames(all);
  expect(all.filter((name) => names.mostAlike(name, 1).length === 1)).toHaveLength(100_000);
  expect(names.mostAlike("log-200000-1.txt", 2)).toEqual(["log-99999-1.txt", "log-99998-1.txt"]);
});
