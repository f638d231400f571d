import fc from "fast-check";
import { expect, test } from "vitest";
import { groupByCosine, leastCosine } from "../../../src/model/cosine-groups.ts";

const customers = fc.uniqueArray(fc.integer({ min: 0, max: 100 }), { maxLength: 30 });

test("files that the same customers want are one group, others are singles, unwanted ones apart", () => {
  const both = [0, 1, 2, 3, 40];
  expect(groupByCosine([both, [7], [], both, [1, 2], [...both, 3]])).toEqual({
    groups: [[0, 3, 5]],
    singles: [1, 4],
    neverRequested: [2],
  });
});

test("a cosine of 0.9 itself is not alike", () => {
  // 9 of 10 in common: 9 / √(10 · 10) = 0.9.
  const ten = Array.from({ length: 10 }, (_, i) => i);
  expect(groupByCosine([ten, ten.map((i) => i + 1)]).groups).toEqual([]);
  expect(groupByCosine([ten, ten.map((i) => i + 1)], 0.89).groups).toEqual([[0, 1]]);
});

test("groups are chains: their ends may be less alike than the threshold", () => {
  const files = [0, 1, 2].map((shift) => Array.from({ length: 20 }, (_, i) => i + shift));
  expect(groupByCosine(files).groups).toEqual([[0, 1, 2]]);
  expect(leastCosine(files)).toBeCloseTo(18 / 20, 12);
});

test("groups are the connected components of the definition, and each file has one place", () => {
  fc.assert(
    fc.property(fc.array(customers, { maxLength: 12 }), fc.constantFrom(0.5, 0.8, 0.9), (files, threshold) => {
      const { groups, singles, neverRequested } = groupByCosine(files, threshold);
      expect([...groups.flat(), ...singles, ...neverRequested].sort((a, b) => a - b)).toEqual([...files.keys()]);
      const placeOf = new Map(groups.flatMap((members, place) => members.map((file) => [file, place] as const)));
      expect(new Set(groups.map(String)).size).toBe(groups.length);
      expect(components(files, threshold)).toEqual(
        [...files.keys()].map((file) => groups[placeOf.get(file) ?? -1]?.[0] ?? file),
      );
    }),
  );
});

/** For each file the least file of its component, by the definition: all pairs, spread until nothing changes. */
function components(files: readonly (readonly number[])[], threshold: number): number[] {
  const least = files.map((_, file) => file);
  const isEdge = (a: number, b: number): boolean => {
    const common = files[a]!.filter((customer) => files[b]!.includes(customer)).length;
    return common / Math.sqrt(files[a]!.length * files[b]!.length) > threshold;
  };
  for (let round = 0; round < files.length; round++) {
    for (const a of files.keys()) {
      for (const b of files.keys()) if (isEdge(a, b)) least[a] = Math.min(least[a]!, least[b]!);
    }
  }
  return least;
}
