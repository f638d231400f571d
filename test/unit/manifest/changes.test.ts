import fc from "fast-check";
import { expect, test } from "vitest";
import { applyChanges, combineChanges, diffEntries } from "../../../src/manifest/apply-changes.ts";
import { encodeChangeList, parseChangeList, type ChangeList } from "../../../src/manifest/change-list.ts";
import { encodeEntry } from "../../../src/manifest/entry-line.ts";
import type { Entry } from "../../../src/manifest/entry.ts";
import { encodePathChange, parsePathChange } from "../../../src/manifest/path-change.ts";
import { anyEntries, anyEntry, codeOf, contentOf, file, sortedByPath } from "./arbitrary-entry.ts";

function listOf(from: number, previous: readonly Entry[], next: readonly Entry[]): ChangeList {
  const changes = [...diffEntries(previous, next)];
  return { from, to: from + 1, requires: [], bundlesAdded: [], bundlesRetired: [], changes };
}

/** Keeps, changes, removes and adds entries, often at the same paths. */
const anyRelease = (previous: readonly Entry[]): fc.Arbitrary<Entry[]> =>
  fc
    .tuple(
      fc.array(fc.tuple(fc.nat(2), anyEntry), { minLength: previous.length, maxLength: previous.length }),
      anyEntries,
    )
    .map(([fates, added]) => {
      const next = new Map(added.map((entry) => [entry.path, entry]));
      previous.forEach((entry, i) => {
        const [fate, other] = fates[i]!;
        if (fate === 0) next.set(entry.path, entry);
        // A hard link must point to a path before it.
        if (fate === 1) next.set(entry.path, { ...withoutLink(other), path: entry.path });
      });
      return sortedByPath([...next.values()]);
    });

function withoutLink(entry: Entry): Entry {
  if (entry.kind !== "file") return entry;
  const { link: _, ...rest } = entry;
  return rest;
}

const threeReleases = anyEntries.chain((a) => anyRelease(a).chain((b) => anyRelease(b).map((c) => [a, b, c] as const)));

test("applying what differs gives the next manifest, unknown keys included", () => {
  fc.assert(
    fc.property(threeReleases, ([previous, next]) => {
      const list = listOf(1, previous, next);
      const bytes = encodeChangeList(list);
      const parsed = parseChangeList(bytes);
      expect(parsed).toEqual(list);
      expect(Buffer.from(encodeChangeList(parsed))).toEqual(Buffer.from(bytes));
      expect([...applyChanges(previous, parsed.changes)].map(encodeEntry)).toEqual(next.map(encodeEntry));
    }),
    { numRuns: 500 },
  );
});

test("several lists at once give the same as one after the other", () => {
  fc.assert(
    fc.property(threeReleases, ([a, b, c]) => {
      const lists = [listOf(1, a, b), listOf(2, b, c)];
      expect([...applyChanges(a, combineChanges(lists))]).toEqual(c);
      expect([...applyChanges(applyChanges(a, lists[0]!.changes), lists[1]!.changes)]).toEqual(c);
    }),
    { numRuns: 300 },
  );
});

test("lists with a release missing between them are refused", () => {
  const lists = [listOf(1, [], [file("a")]), listOf(3, [file("a")], [])];
  expect(codeOf(() => combineChanges(lists))).toBe("change-mismatch");
  expect(combineChanges([])).toEqual([]);
});

test("a change of one attribute is one key", () => {
  const [change] = diffEntries([file("a", 1)], [{ ...file("a", 1), mtimeNs: 5n }]);
  expect(encodePathChange(change!)).toBe('{"path":"a","mtime":"0.000000005"}');
});

test("unknown keys that do not change stay", () => {
  const before: Entry = {
    ...file("a"),
    unknown: [
      ["__proto__", { a: 1 }],
      ["future", [1]],
    ],
  };
  const [after] = applyChanges([before], [parsePathChange('{"path":"a","mode":"600"}')]);
  expect(encodeEntry(after!)).toBe(encodeEntry({ ...before, mode: 0o600 } as Entry));
});

const content = contentOf("x");
test.each([
  ['{"path":"b","removed":true}', "change-mismatch", "removed, not there"],
  ['{"path":"b","mode":"600"}', "change-mismatch", "changed, not there"],
  [
    `{"path":"a","added":true,"mode":"644","mtime":"1.000000000","size":1,"content":"${content}"}`,
    "change-mismatch",
    "added, there",
  ],
  ['{"path":"a","absent":["uid"]}', "change-mismatch", "no such key"],
  ['{"path":"a","absent":["mode"]}', "bad-entry", "nothing valid left"],
  ['{"path":"a","mode":"999"}', "bad-entry", "bad value"],
  ['{"path":"a","kind":"directory"}', "bad-entry", "directory with size"],
  ['{"path":"a","absent":["content","size"],"kind":"directory"}', "none", "file becomes directory"],
])("%s: %s (%s)", (line, code) => {
  expect(codeOf(() => [...applyChanges([file("a")], [parsePathChange(line)])])).toBe(code);
});

test.each([
  '{"path":"a"}',
  '{"path":"a","removed":false}',
  '{"path":"a","removed":true,"mode":"644"}x',
  '{"removed":true,"path":"a"}',
  '{"path":"a","removed":true,"removed":true}',
  '{"path":"a","added":true}',
  '{"path":"a","added":1}',
  `{"path":"a","mode":"644","added":true,"mtime":"1.000000000","size":1,"content":"${content}"}`,
  '{"path":"a","absent":[]}',
  '{"path":"a","absent":"uid"}',
  '{"path":"a","absent":[1]}',
  '{"path":"a","absent":["path"]}',
  '{"path":"a","absent":["uid","gid"]}',
  '{"path":"a","absent":["uid","uid"]}',
  '{"path":"a","absent":["uid"],"uid":1}',
  '{"path":"a","mode":"644","absent":["uid"]}',
  '{"path":"a","mtime":"1.000000000","mode":"644"}',
  '{"path":"../a","removed":true}',
  '{"path":".prsync/x","removed":true}',
  '{"mode":"644"}',
])("%s is no change", (line) => {
  expect(["bad-change-list", "bad-entry"]).toContain(codeOf(() => parsePathChange(line)));
});

test("keys of a newer version on a removed path are kept", () => {
  const line = '{"path":"a","removed":true,"movedTo":"b"}';
  expect(encodePathChange(parsePathChange(line))).toBe(line);
});

const head = '{"format":1,"from":1,"to":2';
test.each([
  ["", "bad-change-list"],
  [`${head}}`, "bad-change-list"],
  [`${head}}\n`, "none"],
  [`${head},"later":1}\n`, "none"],
  [`${head},"requires":[]}\n`, "bad-change-list"],
  [`${head},"requires":["delta-of-deltas"]}\n`, "unknown-requirement"],
  ['{"format":2,"from":1,"to":2}\n', "unknown-requirement"],
  ['{"format":1,"from":2,"to":2}\n', "bad-change-list"],
  ['{"format":1,"from":-1,"to":2}\n', "bad-change-list"],
  [`${head},"bundlesRetired":[2,1]}\n`, "bad-order"],
  [`${head},"bundlesRetired":[1,1]}\n`, "bad-order"],
  [`${head},"bundlesRetired":[-1]}\n`, "bad-change-list"],
  [`${head},"bundlesRetired":["1"]}\n`, "bad-change-list"],
  [`${head},"bundlesAdded":[{}]}\n`, "bad-change-list"],
  [`${head},"bundlesAdded":{}}\n`, "bad-change-list"],
  [`${head}}\n{"path":"b","removed":true}\n{"path":"a","removed":true}\n`, "bad-order"],
  [`${head}}\n{"path":"a","removed":true}\n{"path":"a","mode":"644"}\n`, "bad-order"],
])("the change list %j: %s", (text, code) => {
  expect(codeOf(() => parseChangeList(Buffer.from(text)))).toBe(code);
});

test("2.2 million entries with a few changes pass through without being held", () => {
  let alive = 0;
  function* many(count: number): Generator<Entry> {
    for (let i = 0; i < count; i++) {
      alive++;
      yield { kind: "directory", path: String(i).padStart(8, "0") as Entry["path"], mode: 0o755, mtimeNs: 0n };
    }
  }
  const changes = [
    parsePathChange('{"path":"00000100","mode":"700"}'),
    parsePathChange('{"path":"00099999","removed":true}'),
  ];
  const out = applyChanges(many(2_200_000), changes);
  out.next();
  // One entry given, one looked ahead.
  expect(alive).toBe(2);
  let count = 1;
  for (const _ of out) count++;
  expect(count).toBe(2_199_999);
});
