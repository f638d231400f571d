import * as fs from "node:fs";

/** A read on the spot that took longer had to wait; one from memory takes some ten microseconds. */
const SLOW_READ_MS = 2;
/** After a slow read the thread pool is asked for so many times as long: the event loop waits a tenth of the time at most. */
const PAUSE_FACTOR = 9;
/**
 * How old the count of disk reads may be when a read begins. Only what was read since then explains a slow one: with a count as old as
 * the last slow read, other files' blocks explained three of four that had waited for the processor.
 */
const MAX_COUNT_AGE_MS = 1;
/** Slow reads of which nobody knows whether a disk was the reason may hold the event loop a quarter of the time, */
const UNEXPLAINED_SHARE = 1 / 4;
/** and so long at once. */
const MAX_UNEXPLAINED_MS = 250;

/**
 * Whether small reads are done on the spot as long as the file system answers from memory. A trip to the thread pool costs ten
 * times as much as 16 KiB of such a read, and a small file takes four of them (open, stat, read, close).
 *
 * On a busy host a read takes long now and then because others had the processor. Such a one does not count, if the kernel says
 * that no disk was read and the read before it was quick: with four threads on two cores half of all small files went to the
 * thread pool otherwise. Since the kernel does not know of every disk (FUSE), such reads count as well if they take too much of the time.
 */
export class SmallReads {
  /** What is read at once: the longest read for a peer. */
  static readonly MAX_BYTES: number = 128 * 1024;
  readonly #nowMs: () => number;
  readonly #diskReads: () => number;
  #resumeMs = -Infinity;
  #seenDiskReads: number;
  #seenMs = -Infinity;
  #wasLong = false;
  /** What slow reads took that no disk explains, less its share of the time since. */
  #unexplainedMs = 0;
  #unexplainedUntilMs = -Infinity;

  /** @param diskReads how often this process had to read from a disk so far (getrusage's ru_inblock) */
  constructor(
    nowMs: () => number = () => performance.now(),
    diskReads: () => number = () => process.resourceUsage().fsRead,
  ) {
    this.#nowMs = nowMs;
    this.#diskReads = diskReads;
    this.#seenDiskReads = diskReads();
  }

  get isQuick(): boolean {
    return this.#nowMs() >= this.#resumeMs;
  }

  /**
   * Fills `bytes` from a position of an open file.
   * @returns how many of them, fewer at its end; 0 if nothing was done, for the thread pool should be asked
   */
  fill(descriptor: number, bytes: Uint8Array, position: number): number {
    if (bytes.length > SmallReads.MAX_BYTES || !this.isQuick) return 0;
    return this.run(() => fillFrom(descriptor, bytes, position));
  }

  /** Carries out a read on the spot and notes how long it took. */
  run<Result>(read: () => Result): Result {
    const startMs = this.#nowMs();
    if (startMs - this.#seenMs > MAX_COUNT_AGE_MS) this.#countDiskReads(startMs);
    try {
      return read();
    } finally {
      const endMs = this.#nowMs();
      const tookMs = endMs - startMs;
      const isLong = tookMs > SLOW_READ_MS;
      if (isLong && this.#waitedForDisk(tookMs, endMs)) this.#resumeMs = endMs + PAUSE_FACTOR * tookMs;
      this.#wasLong = isLong;
    }
  }

  /** Not every file system's reads are counted (FUSE): there one long read follows the other. */
  #waitedForDisk(tookMs: number, endMs: number): boolean {
    const before = this.#seenDiskReads;
    const hasRead = this.#countDiskReads(endMs) > before;
    return hasRead || this.#wasLong || this.#isTooMuch(tookMs, endMs);
  }

  #countDiskReads(nowMs: number): number {
    this.#seenMs = nowMs;
    return (this.#seenDiskReads = this.#diskReads());
  }

  #isTooMuch(tookMs: number, endMs: number): boolean {
    const passedMs = endMs - this.#unexplainedUntilMs;
    this.#unexplainedUntilMs = endMs;
    this.#unexplainedMs = tookMs + Math.max(0, this.#unexplainedMs - passedMs * UNEXPLAINED_SHARE);
    return this.#unexplainedMs > MAX_UNEXPLAINED_MS;
  }
}

/** The first `lengthBytes` of an open file, fewer if it is shorter. */
export function readWhole(descriptor: number, lengthBytes: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(lengthBytes);
  return bytes.subarray(0, fillFrom(descriptor, bytes, 0));
}

function fillFrom(descriptor: number, bytes: Uint8Array, position: number): number {
  let filled = 0;
  while (filled < bytes.length) {
    const count = fs.readSync(descriptor, bytes, filled, bytes.length - filled, position + filled);
    if (count === 0) break;
    filled += count;
  }
  return filled;
}
