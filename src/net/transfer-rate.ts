import { NetError } from "./errors.ts";

/** A sender slower than `minBytesPerSecond` over a whole `windowMs` is given up. */
export interface RateFloor {
  readonly minBytesPerSecond: number;
  readonly windowMs: number;
}

/**
 * Yields what `chunks` gives and calls `giveUp` if it comes too slowly. Only the time spent waiting for the sender counts,
 * so a reader that is busy with the disk blames nobody. `giveUp` makes `chunks` fail.
 */
export async function* withRateFloor(
  chunks: AsyncIterable<Uint8Array>,
  floor: RateFloor,
  giveUp: (error: NetError) => void,
): AsyncGenerator<Uint8Array, void, void> {
  const window = new RateWindow(floor, giveUp);
  const iterator = chunks[Symbol.asyncIterator]();
  try {
    for (;;) {
      window.startWaiting();
      const next = await iterator.next().finally(() => window.stopWaiting());
      if (next.done === true) return;
      window.count(next.value.length);
      yield next.value;
    }
  } finally {
    await iterator.return?.();
  }
}

class RateWindow {
  readonly #floor: RateFloor;
  readonly #giveUp: (error: NetError) => void;
  #timer: NodeJS.Timeout | undefined;
  #waitingSince = 0;
  #waitedMs = 0;
  #bytes = 0;

  constructor(floor: RateFloor, giveUp: (error: NetError) => void) {
    this.#floor = floor;
    this.#giveUp = giveUp;
  }

  startWaiting(): void {
    this.#waitingSince = performance.now();
    this.#timer = setTimeout(() => this.#endWindow(), Math.max(0, this.#floor.windowMs - this.#waitedMs));
  }

  stopWaiting(): void {
    clearTimeout(this.#timer);
    this.#waitedMs += performance.now() - this.#waitingSince;
  }

  count(bytes: number): void {
    this.#bytes += bytes;
  }

  #endWindow(): void {
    const { minBytesPerSecond, windowMs } = this.#floor;
    if (this.#bytes * 1000 < minBytesPerSecond * windowMs) {
      const problem = `expected at least ${minBytesPerSecond} bytes/s, got ${this.#bytes} bytes in ${windowMs} ms`;
      this.#giveUp(new NetError("too-slow", problem));
      return;
    }
    this.#waitedMs = 0;
    this.#bytes = 0;
    this.startWaiting();
  }
}
