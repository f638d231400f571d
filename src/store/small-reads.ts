import * as fs from "node:fs";

/** A read on the spot that took longer had to wait for a disk; one from memory takes some ten microseconds. */
const SLOW_READ_MS = 2;
/** After a slow read the thread pool is asked for so many times as long: the event loop waits a tenth of the time at most. */
const PAUSE_FACTOR = 9;

/**
 * Whether small files are read on the spot, which costs a fifth of four trips to the thread pool (open, stat, read, close), as
 * long as the file system answers from memory.
 */
export class SmallReads {
  /** Up to this length a file is read whole and at once. */
  static readonly MAX_BYTES: number = 64 * 1024;
  readonly #nowMs: () => number;
  #resumeMs = -Infinity;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  get isQuick(): boolean {
    return this.#nowMs() >= this.#resumeMs;
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
  let filled = 0;
  while (filled < lengthBytes) {
    const count = fs.readSync(descriptor, bytes, filled, lengthBytes - filled, filled);
    if (count === 0) break;
    filled += count;
  }
  return bytes.subarray(0, filled);
}
