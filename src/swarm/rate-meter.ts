/** Time constant of the average: short enough to follow a link that changes, long enough to smooth bursts of blocks. */
const TIME_CONSTANT_MS = 1_000;
/** Below this age a burst would look like an absurd rate. */
const MIN_AGE_MS = 50;

/** Exponentially weighted byte rate; right from the first moments on, because the average is corrected for its age. */
export class RateMeter {
  readonly #startMs: number;
  #weightedBytes = 0;
  #atMs: number;
  /** The last answer: ticks ask several times at one moment, and exponentials are their main cost. */
  #known: { readonly atMs: number; readonly bytesPerSecond: number } | undefined;

  constructor(nowMs: number) {
    this.#startMs = nowMs;
    this.#atMs = nowMs;
  }

  add(bytes: number, nowMs: number): void {
    this.#decay(nowMs);
    this.#known = undefined;
    this.#weightedBytes += bytes;
  }

  bytesPerSecond(nowMs: number): number {
    if (this.#weightedBytes === 0) return 0;
    if (this.#known?.atMs === nowMs) return this.#known.bytesPerSecond;
    this.#decay(nowMs);
    const ageMs = Math.max(MIN_AGE_MS, nowMs - this.#startMs);
    const seenWeight = 1 - Math.exp(-ageMs / TIME_CONSTANT_MS);
    const bytesPerSecond = (this.#weightedBytes / seenWeight / TIME_CONSTANT_MS) * 1000;
    this.#known = { atMs: nowMs, bytesPerSecond };
    return bytesPerSecond;
  }

  #decay(nowMs: number): void {
    const elapsedMs = nowMs - this.#atMs;
    if (elapsedMs <= 0) return;
    this.#weightedBytes *= Math.exp(-elapsedMs / TIME_CONSTANT_MS);
    this.#atMs = nowMs;
  }
}
