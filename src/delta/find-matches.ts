import type { MatchResult, MatchSearch } from "./match-search.ts";

/** A file that may hold parts of the target. */
export interface BasisFile {
  readonly length: number;
  /**
   * Fills `into` with the bytes from `offset` on. Fewer only where the file ended early: the search of this basis ends
   * there.
   * @returns how many came
   */
  read(into: Uint8Array, offset: number): number;
}

export interface FindOptions {
  /** Called before each window (under a millisecond of work); ends the search by throwing. */
  readonly beforeWindow?: () => void;
  /** A basis whose reading threw: what was found in it until then stays. Thrown on if left out. */
  readonly onUnreadable?: (basis: number, error: unknown) => void;
}

/**
 * Finds the parts of a signature's content in basis files, in the order given; stops early once all is found. Each byte of
 * a basis is read once.
 */
export function findMatches(search: MatchSearch, bases: readonly BasisFile[], options: FindOptions = {}): MatchResult {
  for (const [number, basis] of bases.entries()) {
    if (search.isComplete) break;
    search.beginBasis();
    const guarded = guard(basis, (error) => {
      if (options.onUnreadable === undefined) throw error;
      options.onUnreadable(number, error);
    });
    searchBasis(search, guarded, options);
  }
  return search.result();
}

/** A read that fails becomes an early end, told once. */
function guard(basis: BasisFile, onError: (error: unknown) => void): BasisFile {
  let hasFailed = false;
  return {
    length: basis.length,
    read(into, offset) {
      if (hasFailed) return 0;
      try {
        return basis.read(into, offset);
      } catch (error) {
        hasFailed = true;
        onError(error);
        return 0;
      }
    },
  };
}

function searchBasis(search: MatchSearch, basis: BasisFile, { beforeWindow }: FindOptions): void {
  const { window } = search;
  let start = 0; // offset in the basis of the window's first byte
  let filled = 0;
  while (!search.isComplete) {
    beforeWindow?.();
    const end = Math.min(window.length, basis.length - start);
    const wanted = end - filled;
    const got = wanted === 0 ? 0 : basis.read(window.subarray(filled, end), start + filled);
    filled += got;
    const done = search.searchWindow(filled, start);
    if (got < wanted || start + filled === basis.length) break;
    window.copyWithin(0, done, filled);
    start += done;
    filled -= done;
  }
  tryTail(search, basis);
}

/** The trailing short block is most likely where it was: at the end of the file. */
function tryTail(search: MatchSearch, basis: BasisFile): void {
  const { shortLength } = search;
  if (search.isShortBlockMatched || basis.length < shortLength) return;
  const offset = basis.length - shortLength;
  if (basis.read(search.window.subarray(0, shortLength), offset) === shortLength) search.tryShortBlock(offset);
}
