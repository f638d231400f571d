import * as fs from "node:fs";

/** A read on the spot that took longer had to wait for a disk; one from memory takes some ten microseconds. */
const SLOW_READ_MS = 2;
/** After a slow read the thread pool is asked for so many times as long: the event loop waits a tenth of the time at most. */
const PAUSE_FACTOR = 9;

/**
 * Whether small reads are done on the spot as long as the file system answers from memory. A trip to the thread pool costs ten
 * times as much as 16 KiB of such a read, and a small file takes four of them (open, stat, read, close).
 */
export class SmallReads {
  /** What is read at once: the longest read for a peer. */
  static readonly MAX_BYTES: number = 128 * 1024;
  readonly #nowMs: () => number;
  #resumeMs = -Infinity;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
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
    try {
      return read();
    } finally {
      const endMs = this.#nowMs();
      const tookMs = endMs - startMs;
      if (tookMs > SLOW_READ_MS) this.#resumeMs = endMs + PAUSE_FACTOR * tookMs;
    }
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
