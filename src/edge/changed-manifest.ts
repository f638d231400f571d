import { lowerBound } from "../core/lower-bound.ts";
import type { RepoPath } from "../core/repo-path.ts";
import type { Entry, EntryPair } from "../manifest/entry.ts";
import type { ManifestLookup } from "./manifest-check.ts";

/** Look-ups in the manifest that a mirror holds. */
export interface HeldEntries {
  entry(path: RepoPath): Entry | undefined;
  /** The first entry from a place in path order on and before another, both any byte strings. */
  firstBetween(from: string, end: string): Entry | undefined;
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
    return this.#stayingBelow(path) ?? this.#changedBelow(path);
  }

  #stayingBelow(path: RepoPath): Entry | undefined {
    // "0" follows "/" in the order of bytes.
    const end = `${path}0`;
    let entry = this.#held.firstBetween(`${path}/`, end);
    while (entry !== undefined && this.#byPath.has(entry.path)) entry = this.#held.firstBetween(`${entry.path}\0`, end);
    return entry;
  }

  #changedBelow(path: RepoPath): Entry | undefined {
    const prefix = `${path}/`;
    for (let i = lowerBound(this.#pairs, (pair) => pair.path >= prefix); i < this.#pairs.length; i++) {
      const pair = this.#pairs[i]!;
      if (!pair.path.startsWith(prefix)) return undefined;
      if (pair.after !== undefined) return pair.after;
    }
    return undefined;
  }
}
