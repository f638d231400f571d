import { isSameEntry } from "../manifest/entry-line.ts";
import type { Entry, EntryPair } from "../manifest/entry.ts";
import type { ChunkRef } from "../manifest/manifest-index.ts";

/**
 * What differs between two manifests, in path order. A chunk that both have is not read: what it says is the same, and
 * its paths are in no other chunk. Holds one chunk of each.
 */
export function* diffEntryPairs(
  before: readonly ChunkRef[],
  after: readonly ChunkRef[],
  loadChunk: (ref: ChunkRef) => readonly Entry[],
): Generator<EntryPair> {
  const old = entriesOnlyIn(before, after, loadChunk);
  const young = entriesOnlyIn(after, before, loadChunk);
  let [a, b] = [take(old), take(young)];
  while (a !== undefined || b !== undefined) {
    if (b === undefined || (a !== undefined && a.path < b.path)) {
      yield { path: a!.path, before: a, after: undefined };
      a = take(old);
    } else if (a === undefined || b.path < a.path) {
      yield { path: b.path, before: undefined, after: b };
      b = take(young);
    } else {
      if (!isSameEntry(a, b)) yield { path: b.path, before: a, after: b };
      [a, b] = [take(old), take(young)];
    }
  }
}

function* entriesOnlyIn(
  refs: readonly ChunkRef[],
  others: readonly ChunkRef[],
  loadChunk: (ref: ChunkRef) => readonly Entry[],
): Generator<Entry> {
  const known = new Set(others.map((ref) => ref.sha256));
  for (const ref of refs) if (!known.has(ref.sha256)) yield* loadChunk(ref);
}

function take(entries: Generator<Entry>): Entry | undefined {
  const result = entries.next();
  return result.done === true ? undefined : result.value;
}
