import type { CancelTimer, Clock } from "../core/clock.ts";

/** Short enough that a pause between two answers is told from a slow line. */
const LOOK_MS = 100;
/** Shorter downloads say more about round trips than about the line. */
const MIN_RATED_BYTES: number = 1024 * 1024;
/** Even shorter ones say nothing at all. */
const MIN_BYTES: number = 64 * 1024;

/**
 * How fast bytes come while something is being fetched. Only time in which some came counts: no hashing of what is there, no
 * waiting for a source.
 */
export class LineRate {
  readonly #receivedBytes: () => number;
  readonly #clock: Clock;
  #fetches = 0;
  #last = { bytes: 0, atMs: 0 };
  #bytes = 0;
  #busyMs = 0;
  #cancel: CancelTimer = () => undefined;

  /** @param receivedBytes of all sockets, as they come */
  constructor(receivedBytes: () => number, clock: Clock) {
    this.#receivedBytes = receivedBytes;
    this.#clock = clock;
  }

  /** Measures while `fetch` goes on; several at a time count once. */
  async during<Result>(fetch: () => Promise<Result>): Promise<Result> {
    if (this.#fetches++ === 0) this.#begin();
    try {
      return await fetch();
    } finally {
      if (--this.#fetches === 0) this.#end();
    }
  }

  /**
   * Bytes per second. A short download is held up by round trips: it shows that the line is at least so fast.
   * @param knownBytesPerSecond what was measured before
   * @returns what is known now
   */
  revise(knownBytesPerSecond: number | undefined): number | undefined {
    if (this.#bytes < MIN_BYTES || this.#busyMs <= 0) return knownBytesPerSecond;
    const bytesPerSecond = (this.#bytes / this.#busyMs) * 1000;
    if (this.#bytes >= MIN_RATED_BYTES) return bytesPerSecond;
    return knownBytesPerSecond === undefined ? undefined : Math.max(knownBytesPerSecond, bytesPerSecond);
  }

  #begin(): void {
    this.#last = { bytes: this.#receivedBytes(), atMs: this.#clock.monotonicMs() };
    this.#lookLater();
  }

  #end(): void {
    this.#cancel();
    this.#look();
  }

  #lookLater(): void {
    this.#cancel = this.#clock.schedule(LOOK_MS, () => {
      this.#look();
      this.#lookLater();
    });
  }

  #look(): void {
    const now = { bytes: this.#receivedBytes(), atMs: this.#clock.monotonicMs() };
    if (now.bytes > this.#last.bytes) {
      this.#bytes += now.bytes - this.#last.bytes;
      this.#busyMs += now.atMs - this.#last.atMs;
    }
    this.#last = now;
  }
}
