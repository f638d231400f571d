import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeFileGroups, parseFileGroups } from "../../../src/manifest/file-groups.ts";
import { inGroupOrder } from "../../../src/manifest/group-order.ts";

test("what is written is read again, as bytes; the report of analyze is taken, too", () => {
  const groups = [{ files: ["/pool/a%2Bb_1.deb", "//pool//caf%C3%A9"] }, { files: ["x/y"] }];
  const expected = [["pool/a+b_1.deb", "pool/caf\u00c3\u00a9"], ["x/y"]];
  expect(parseFileGroups(encodeFileGroups(groups))).toEqual(expected);
  const report = {
    lines: {},
    groups: { threshold: 0.9, groups: groups.map((group) => ({ ...group, leastCosine: 1 })) },
  };
  expect(parseFileGroups(JSON.stringify(report))).toEqual(expected);
});

test("names that can't be of a file are neither written nor refused", () => {
  const files = ["/", "/pool/", "a%zz", "x/100%.deb", "/../etc", "\u20ac", "/a%00", "", "/pool/c"];
  expect(JSON.parse(encodeFileGroups([{ files }, { files: ["/"] }]))).toMatchObject({
    groups: [{ files: ["/pool/c"] }],
  });
  expect(parseFileGroups(JSON.stringify({ groups: [{ files }] }))).toEqual([["pool/c"]]);
});

test.each([
  ["no JSON", "as JSON"],
  ["[]", `a list "groups"`],
  [`{"groups":{}}`, `a list "groups"`],
  [`{"format":2,"groups":[]}`, "format 1, got 2"],
  [`{"groups":[{"files":[]},[]]}`, "in group 2"],
  [`{"groups":[{"files":[7]}]}`, "got 7"],
])("%s is refused in words", (text, words) => {
  expect(() => parseFileGroups(text)).toThrow(words);
  expect(() => parseFileGroups(text)).toThrow(expect.objectContaining({ code: "bad-groups" }) as Error);
});

test("the order is a permutation, groups are contiguous and stand at their first member, all else keeps its order", () => {
  const groups = fc.array(fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined }), { maxLength: 30 });
  fc.assert(
    fc.property(groups, (groupOf) => {
      const items = groupOf.map((_, item) => item);
      const ordered = [...inGroupOrder(items, (item) => groupOf[item])];
      expect(ordered.toSorted((a, b) => a - b)).toEqual(items);
      const single = (item: number): boolean => groupOf[item] === undefined;
      expect(ordered.filter(single)).toEqual(items.filter(single));
      for (const group of new Set(groupOf.filter((of) => of !== undefined))) {
        const places = ordered.flatMap((item, place) => (groupOf[item] === group ? [place] : []));
        expect(places.at(-1)! - places[0]! + 1).toBe(places.length);
        const first = groupOf.indexOf(group);
        expect(ordered[places[0]!]).toBe(first);
        expect(ordered.slice(0, places[0]).filter(single)).toEqual(items.slice(0, first).filter(single));
      }
    }),
  );
});
