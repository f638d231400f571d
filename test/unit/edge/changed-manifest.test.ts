import fc from "fast-check";
import { expect, test } from "vitest";
import { ChangedManifest } from "../../../src/edge/changed-manifest.ts";
import { ManifestView } from "../../../src/edge/manifest-check.ts";
import { applyChanges, combineChanges, diffEntries } from "../../../src/manifest/apply-changes.ts";
import type { Entry, EntryPair } from "../../../src/manifest/entry.ts";
import { diffEntryPairs } from "../../../src/store/entry-pairs.ts";
import { directoryEntry, fileEntry, pathOf } from "./mirror-disk.ts";

const NAMES = ["a", "a-b", "a.", "b", "b0"];
const PATHS = NAMES.flatMap((top) => [top, ...NAMES.flatMap((name) => [`${top}/${name}`, `${top}/${name}/b`])]);

/** Any of the paths, each a file of one of two texts or a directory: in a tree or not, as change lists may claim. */
const manifests = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...PATHS), fc.constantFrom("one", "two", undefined)), {
    selector: ([path]) => path,
  })
  .map((chosen) => chosen.map(([path, text]) => (text === undefined ? directoryEntry(path) : fileEntry(path, text))))
  .map((entries): Entry[] => entries.toSorted((a, b) => (a.path < b.path ? -1 : 1)));

test("changes of one or several releases give what the chunks of both manifests give", () => {
  fc.assert(
    fc.property(manifests, manifests, manifests, (first, second, third) => {
      const noBundles = { requires: [], bundlesAdded: [], bundlesRetired: [] };
      const changes = combineChanges([
        { from: 1, to: 2, ...noBundles, changes: [...diffEntries(first, second)] },
        { from: 2, to: 3, ...noBundles, changes: [...diffEntries(second, third)] },
      ]);
      const pairs: EntryPair[] = [];
      expect([...applyChanges(first, changes, (pair) => pairs.push(pair))]).toEqual(third);
      expect(pairs).toEqual(pairsOf(first, third));
      const changed = new ChangedManifest(heldOf(first), pairs);
      const view = viewOf(third);
      for (const path of PATHS.map((name) => pathOf(name))) {
        expect(changed.find(path)).toEqual(view.find(path));
        expect(changed.someBelow(path) === undefined).toBe(view.someBelow(path) === undefined);
        expect(changed.someBelow(path)?.path.startsWith(`${path}/`) ?? true).toBe(true);
      }
    }),
  );
});

function heldOf(entries: readonly Entry[]): ConstructorParameters<typeof ChangedManifest>[0] {
  return {
    entry: (path) => entries.find((entry) => entry.path === path),
    firstBetween: (from, end) => entries.find((entry) => entry.path >= from && entry.path < end),
  };
}

/** Of one entry a chunk, so that look-ups cross chunks. */
function viewOf(entries: readonly Entry[]): ManifestView {
  const refs = entries.map(({ path }, i) => ({ sha256: String(i), lengthBytes: 0, firstPath: path, entryCount: 1 }));
  return new ManifestView(refs, (index) => [entries[Number(index)]!]);
}

/** Of one chunk each. */
function pairsOf(before: readonly Entry[], after: readonly Entry[]): readonly EntryPair[] {
  const refs = [before, after].map((entries, i) => {
    const firstPath = entries[0]?.path ?? pathOf("a");
    return [{ sha256: String(i), lengthBytes: 0, firstPath, entryCount: entries.length }];
  });
  return [...diffEntryPairs(refs[0]!, refs[1]!, ({ sha256 }) => [before, after][Number(sha256)]!)];
}
