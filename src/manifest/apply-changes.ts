import { displayPath } from "../core/repo-path.ts";
import type { ChangeList } from "./change-list.ts";
import type { Entry, EntryPair } from "./entry.ts";
import { isSameEntry } from "./entry-line.ts";
import { ManifestError } from "./errors.ts";
import { applyToEntry, diffEntry, type PathChange } from "./path-change.ts";

/**
 * What turns one manifest into the next, in path order; holds one entry of each.
 *
 * @param previous in path order
 * @param next in path order
 */
export function* diffEntries(previous: Iterable<Entry>, next: Iterable<Entry>): Generator<PathChange> {
  const before = new Lookahead(previous);
  for (const entry of next) {
    while (before.current !== undefined && before.current.path < entry.path) {
      yield diffEntry(before.take(), undefined)!;
    }
    const old = before.current?.path === entry.path ? before.take() : undefined;
    const change = diffEntry(old, entry);
    if (change !== undefined) yield change;
  }
  while (before.current !== undefined) yield diffEntry(before.take(), undefined)!;
}

/**
 * The manifest after changes, in path order; holds one entry and one change. Changes of the same path may follow each
 * other (see {@link combineChanges}) and are applied one after the other.
 *
 * @param previous in path order
 * @param changes in path order
 * @param onPair told what changes make of a path, unless it ends as it began
 * @throws ManifestError `change-mismatch`, `bad-order`, `bad-entry`
 */
export function* applyChanges(
  previous: Iterable<Entry>,
  changes: Iterable<PathChange>,
  onPair: (pair: EntryPair) => void = () => undefined,
): Generator<Entry> {
  const before = new Lookahead(previous);
  const pending = new Lookahead(changes);
  while (pending.current !== undefined) {
    const { path } = pending.current;
    while (before.current !== undefined && before.current.path < path) yield before.take();
    const old = before.current?.path === path ? before.take() : undefined;
    let entry = old;
    while (pending.current?.path === path) entry = applyToEntry(entry, pending.take());
    if (pending.current !== undefined && pending.current.path < path) {
      throw new ManifestError("bad-order", `changes: "${displayPath(pending.current.path)}" is not in path order`);
    }
    if (!isSame(old, entry)) onPair({ path, before: old, after: entry });
    if (entry !== undefined) yield entry;
  }
  while (before.current !== undefined) yield before.take();
}

function isSame(before: Entry | undefined, after: Entry | undefined): boolean {
  if (before === undefined || after === undefined) return before === after;
  return isSameEntry(before, after);
}

/**
 * The changes of several releases in a row as one list for {@link applyChanges} and `updateChunks`: in path order,
 * those of one path from old to new. Entries in between are passed over only once.
 *
 * @param lists from old to new, each beginning at the release where the one before ends
 * @throws ManifestError `change-mismatch` if a release is missing between two of them
 */
export function combineChanges(lists: readonly ChangeList[]): readonly PathChange[] {
  lists.forEach((list, i) => {
    const last = lists[i - 1];
    if (last === undefined || last.to === list.from) return;
    throw new ManifestError("change-mismatch", `expected changes from release ${last.to} on, got from ${list.from} on`);
  });
  if (lists.length === 1) return lists[0]!.changes;
  // Array.prototype.sort is stable, which keeps the releases' order.
  return lists.flatMap((list) => list.changes).sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

/** An iterable whose next item can be looked at. */
class Lookahead<Item> {
  readonly #iterator: Iterator<Item>;
  current: Item | undefined;

  constructor(items: Iterable<Item>) {
    this.#iterator = items[Symbol.iterator]();
    this.current = this.#next();
  }

  /** The current item; there must be one. */
  take(): Item {
    const taken = this.current!;
    this.current = this.#next();
    return taken;
  }

  #next(): Item | undefined {
    const result = this.#iterator.next();
    return result.done === true ? undefined : result.value;
  }
}
