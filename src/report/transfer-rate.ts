/** What a rate is taken over: long enough to stand still for an eye, short enough to follow a line that changes. */
const WINDOW_MS = 10_000;
const SAMPLE_MS = 250;

interface Sample {
  readonly ms: number;
  readonly bytes: number;
}

/** Rate of a transfer over its last ten seconds. Times are of any clock that only goes forward, in milliseconds. */
export class TransferRate {
  readonly #samples: Sample[] = [];

  /** @param bytes of all so far */
  note(ms: number, bytes: number): void {
    const last = this.#samples.at(-1);
    if (last !== undefined && ms - last.ms < SAMPLE_MS) return;
    this.#samples.push({ ms, bytes });
    while (this.#samples.length > 2 && ms - this.#samples[1]!.ms >= WINDOW_MS) this.#samples.shift();
  }

  /** 0 until it can be told. */
  bytesPerSecond(ms: number, bytes: number): number {
    const first = this.#samples[0];
    if (first === undefined || ms <= first.ms) return 0;
    return ((bytes - first.bytes) * 1_000) / (ms - first.ms);
  }
}
