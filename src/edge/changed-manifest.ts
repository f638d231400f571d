import { lowerBound } from "../core/lower-bound.ts";
import type { RepoPath } from "../core/repo-path.ts";
import type { Entry } from "../manifest/entry.ts";
import { isSameEntry } from "../manifest/entry-line.ts";
import { applyToEntry, type PathChange } from "../manifest/path-change.ts";
import type { EntryPair } from "../store/entry-pairs.ts";
import type { ManifestLookup } from "./manifest-check.ts";

/** Look-ups in the manifest that a mirror holds. */
export interface HeldEntries {
  entry(path: RepoPath): Entry | undefined;
  /** Those below a directory, in path order, read one by one. */
  entriesBelow(path: RepoPath): Iterable<Entry>;
}

/**
 * What changes make of the entries of the held manifest, in path order; a path that ends as it began is left out.
 * @param changes in path order; several of one path from old to new
 * @throws ManifestError `change-mismatch`, `bad-entry`
 */
export function changedPairs(held: HeldEntries, changes: readonly PathChange[]): EntryPair[] {
  const pairs: EntryPair[] = [];
  for (let i = 0; i < changes.length;) {
    const { path } = changes[i]!;
    const before = held.entry(path);
    let after = before;
    while (changes[i]?.path === path) after = applyToEntry(after, changes[i++]!);
    if (!isSame(before, after)) pairs.push({ path, before, after });
  }
  return pairs;
}

function isSame(before: Entry | undefined, after: Entry | undefined): boolean {
  if (before === undefined || after === undefined) return before === after;
  return isSameEntry(before, after);
}

/** The held manifest with changes: what no change speaks of is looked up where it is, not in chunks that had to be parsed. */
export class ChangedManifest implements ManifestLookup {
  readonly #held: HeldEntries;
  readonly #pairs: readonly EntryPair[];
  readonly #byPath: ReadonlyMap<RepoPath, EntryPair>;

  /** @param pairs in path order */
  constructor(held: HeldEntries, pairs: readonly EntryPair[]) {
    this.#held = held;
    this.#pairs = pairs;
    this.#byPath = new Map(pairs.map((pair) => [pair.path, pair]));
  }

  find(path: RepoPath): Entry | undefined {
    const pair = this.#byPath.get(path);
    return pair === undefined ? this.#held.entry(path) : pair.after;
  }

  someBelow(path: RepoPath): Entry | undefined {
    for (const entry of this.#held.entriesBelow(path)) if (!this.#byPath.has(entry.path)) return entry;
    const prefix = `${path}/`;
    for (let i = lowerBound(this.#pairs, (pair) => pair.path >= prefix); ; i++) {
      const pair = this.#pairs[i];
      if (pair?.path.startsWith(prefix) !== true) return undefined;
      if (pair.after !== undefined) return pair.after;
    }
  }
}
