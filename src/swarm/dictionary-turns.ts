import type { BundleLayout } from "../core/bundle-layout.ts";
import { MAX_METADATA_BYTES } from "./metadata-fetch.ts";

/** Served as soon as they ask; so many can pass it on. */
const AT_ONCE = 4;

/**
 * Whom the origin gives an info dictionary now. A release sets all mirrors off within a second or two, and each first of all
 * needs the same dictionary: four get it at once, the others have some time to find it at those.
 */
export class DictionaryTurns {
  readonly #anotherAfterMs: number;
  #free: number = AT_ONCE;
  #atMs = 0;

  /** @param waitMs as long as any may have to wait, {@link dictionaryWaitMs}; one more is served at once after each half of it */
  constructor(waitMs: number) {
    this.#anotherAfterMs = waitMs / 2;
  }

  /** True once only: what the peer asks besides is for the caller to give. @param hasWaited as long as any may have to */
  mayServe(hasWaited: boolean, nowMs: number): boolean {
    this.#free = Math.min(AT_ONCE, this.#free + Math.max(0, nowMs - this.#atMs) / this.#anotherAfterMs);
    this.#atMs = nowMs;
    if (this.#free < 1) return hasWaited;
    this.#free--;
    return true;
  }
}

/** Who has no dictionary gives nothing, and the swarm begins later by that. */
const WAIT_MS = 200;
/** 512 kbit/s: what is fetched shares the line with it. */
const WAIT_BYTES_PER_MS = 64;
/** What is proved by its hashes may fill the memory for it meanwhile. */
const MAX_WAIT_MS = 30_000;
/** BEP 3 has a hash of each piece; a content with its path and padding takes about this. */
const BYTES_PER_PIECE = 20;
const BYTES_PER_CONTENT = 250;

/**
 * How long the origin lets a volunteer look for the dictionary at others before it gives it: they need a while to have it, and to
 * pass it on. For 20 kB 0.5 s. Of the layout alone: what peers say of its length may be false.
 */
export function dictionaryWaitMs({ pieceCount, contentCount }: BundleLayout): number {
  const lengthBytes = pieceCount * BYTES_PER_PIECE + contentCount * BYTES_PER_CONTENT;
  return Math.min(MAX_WAIT_MS, WAIT_MS + lengthBytes / WAIT_BYTES_PER_MS);
}

/** Of one path, of up to 4096 bytes, with what bencoding adds to each of its parts. */
const MAX_BYTES_PER_CONTENT: number = 16 * 1024;
const MAX_BYTES_BESIDE: number = 64 * 1024;

/** The longest info dictionary that a bundle may have: three peers may be asked for one at a time, and each is held in memory. */
export function maxDictionaryBytes({ pieceCount, contentCount }: BundleLayout): number {
  const bytes = MAX_BYTES_BESIDE + pieceCount * BYTES_PER_PIECE + contentCount * MAX_BYTES_PER_CONTENT;
  return Math.min(MAX_METADATA_BYTES, bytes);
}
