import { MatchSearch, type MatchResult } from "./match-search.ts";
import type { BlockSignature } from "./signature.ts";
import type { StrongSum } from "./strong-sum.ts";

/**
 * A file that may hold parts of the target. `read` gives fewer bytes than asked for where the file ended early or
 * can't be read any further; the search of this basis ends there. The bytes may be overwritten by the next read.
 */
export interface BasisFile {
  readonly length: number;
  read(offset: number, length: number): Uint8Array;
}

/** The same, reading asynchronously. */
export interface AsyncBasisFile {
  readonly length: number;
  read(offset: number, length: number): Promise<Uint8Array>;
}

export interface AsyncSearchOptions {
  /** Awaited before each window (about 5 ms of work), for instance to let other events run or to stop by throwing. */
  readonly pause: () => Promise<void>;
}

/**
 * Finds the parts of a signature's content in basis files, in the order given; stops early once all is found. Reads
 * windows of 1 MiB (or four blocks) that overlap by less than a block. Errors of `read` are passed on.
 */
export function findMatches(signature: BlockSignature, bases: readonly BasisFile[], strongSum: StrongSum): MatchResult {
  const search = new MatchSearch(signature, strongSum);
  for (const basis of bases) {
    const steps = searchBasis(search, basis.length);
    for (let step = steps.next(); step.done !== true;) {
      step = steps.next(basis.read(step.value.offset, step.value.length));
    }
  }
  return search.result();
}

/** {@link findMatches} over asynchronous files: the event loop runs between windows if reads or `pause` let it. */
export async function findMatchesAsync(
  signature: BlockSignature,
  bases: readonly AsyncBasisFile[],
  options: AsyncSearchOptions & { readonly strongSum: StrongSum },
): Promise<MatchResult> {
  const search = new MatchSearch(signature, options.strongSum);
  for (const basis of bases) {
    const steps = searchBasis(search, basis.length);
    for (let step = steps.next(); step.done !== true;) {
      await options.pause();
      step = steps.next(await basis.read(step.value.offset, step.value.length));
    }
  }
  return search.result();
}

interface WantedBytes {
  readonly offset: number;
  readonly length: number;
}

/** The reads that searching one basis needs, without doing them. */
function* searchBasis(search: MatchSearch, basisLength: number): Generator<WantedBytes, void, Uint8Array> {
  search.beginBasis();
  let offset = 0;
  while (offset < basisLength && !search.isComplete) {
    const length = Math.min(search.windowLength, basisLength - offset);
    const window = yield { offset, length };
    const next = search.searchWindow(window.subarray(0, length), offset);
    if (window.length < length) return;
    if (offset + length >= basisLength) break;
    offset = next;
  }
  // The trailing short block is most likely where it was: at the end of the file.
  if (search.isShortBlockMatched || basisLength < search.shortLength) return;
  const shortOffset = basisLength - search.shortLength;
  const tail = yield { offset: shortOffset, length: search.shortLength };
  search.tryShortBlock(tail, shortOffset);
}
