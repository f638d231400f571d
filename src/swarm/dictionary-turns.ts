import type { BundleLayout } from "../core/bundle-layout.ts";

/** Served as soon as they ask; so many can pass it on. */
const AT_ONCE = 2;
/** One more is served at once after each such time. */
const ANOTHER_AFTER_MS = 300;

/**
 * Whom the origin gives an info dictionary now. A release sets all mirrors off within a second or two, and each first of all
 * needs the same dictionary: two get it at once, the others have some time to find it at those.
 */
export class DictionaryTurns {
  #free: number = AT_ONCE;
  #atMs = 0;

  /** True once only: what the peer asks besides is for the caller to give. @param hasWaited as long as any may have to */
  mayServe(hasWaited: boolean, nowMs: number): boolean {
    this.#free = Math.min(AT_ONCE, this.#free + Math.max(0, nowMs - this.#atMs) / ANOTHER_AFTER_MS);
    this.#atMs = nowMs;
    if (this.#free < 1) return hasWaited;
    this.#free--;
    return true;
  }
}

/** Mirrors hear of a release within a second or two and connect at once. */
const WAIT_MS = 500;
/** 2 Mbit/s. */
const WAIT_BYTES_PER_MS = 256;
/** BEP 3 has a hash of each piece; a content with its path and padding takes about this. */
const BYTES_PER_PIECE = 20;
const BYTES_PER_CONTENT = 250;

/**
 * How long the origin lets a volunteer look for the dictionary at others before it gives it: they need a while to have it, and to
 * pass it on. For 20 kB 0.6 s; the largest have 1.3 to 9 MB, 6 to 38 s. Of the layout alone: what peers say of its length may be false.
 */
export function dictionaryWaitMs({ pieceCount, contentCount }: BundleLayout): number {
  return WAIT_MS + (pieceCount * BYTES_PER_PIECE + contentCount * BYTES_PER_CONTENT) / WAIT_BYTES_PER_MS;
}
