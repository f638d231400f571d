import { applyChanges } from "./apply-changes.ts";
import { ChunkCutter, type EncodedChunk } from "./chunk.ts";
import type { Entry, EntryPair } from "./entry.ts";
import type { ChunkRef } from "./manifest-index.ts";
import type { PathChange } from "./path-change.ts";
import { TreeOrderChecker } from "./tree-order.ts";

/** A chunk of the next manifest. */
export interface UpdatedChunk {
  readonly ref: ChunkRef;
  /** Undefined for a chunk of the previous manifest that stays as it is. */
  readonly bytes: Uint8Array | undefined;
}

/**
 * The chunks of the next manifest, made from those of the previous one by reading only chunks that changes touch and
 * those up to the next cut both have in common: exactly what cutting the whole next manifest would give.
 *
 * A chunk is kept unread if the new cutting stands at a cut when it begins and no change falls into it: from there on
 * the rule sees the same entries as it did then. Changes before the first path belong to the first chunk, others to the
 * chunk with the last first path at or before them.
 *
 * Sees a file that became the parent of a path, or the reverse, only among the chunks it reads.
 *
 * @param loadChunk entries of a chunk of the previous manifest
 * @param changes in path order
 * @param onPair as {@link applyChanges} has it
 * @throws ManifestError `change-mismatch`, `bad-order`, `path-conflict`, `bad-entry`, `bad-chunk`; what `loadChunk` throws
 */
export function* updatedChunks(
  refs: readonly ChunkRef[],
  loadChunk: (sha256: string) => Iterable<Entry>,
  changes: readonly PathChange[],
  onPair?: (pair: EntryPair) => void,
): Generator<UpdatedChunk> {
  const cutter = new ChunkCutter();
  const order = new TreeOrderChecker();
  let from = 0;
  for (let i = 0; i < Math.max(1, refs.length); i++) {
    const ref = refs[i];
    const nextFirst = refs[i + 1]?.firstPath;
    let to = from;
    while (to < changes.length && (nextFirst === undefined || changes[to]!.path < nextFirst)) to++;
    if (ref !== undefined && from === to && cutter.isAtCut) {
      yield { ref, bytes: undefined };
      continue;
    }
    const previous = ref === undefined ? [] : loadChunk(ref.sha256);
    for (const entry of applyChanges(previous, changes.slice(from, to), onPair)) {
      order.accept(entry);
      const chunk = cutter.add(entry);
      if (chunk !== undefined) yield chunk;
    }
    from = to;
  }
  const last = cutter.finish();
  if (last !== undefined) yield last;
}

/** {@link updatedChunks} as the lines of the next index, the chunks that the previous manifest lacks, and what differs, in path order. */
export function updateChunks(
  refs: readonly ChunkRef[],
  loadChunk: (sha256: string) => Iterable<Entry>,
  changes: readonly PathChange[],
): {
  readonly refs: readonly ChunkRef[];
  readonly newChunks: readonly EncodedChunk[];
  readonly pairs: readonly EntryPair[];
} {
  const known = new Set(refs.map((ref) => ref.sha256));
  const nextRefs: ChunkRef[] = [];
  const newChunks: EncodedChunk[] = [];
  const pairs: EntryPair[] = [];
  for (const { ref, bytes } of updatedChunks(refs, loadChunk, changes, (pair) => pairs.push(pair))) {
    nextRefs.push(ref);
    if (bytes !== undefined && !known.has(ref.sha256)) newChunks.push({ ref, bytes });
  }
  return { refs: nextRefs, newChunks, pairs };
}
