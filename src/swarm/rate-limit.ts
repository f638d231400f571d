/** A burst of this length at full rate is let through: long enough for timers of 100 ms, short enough to be no burst. */
const BURST_MS = 250;
/** Never less, else a limit of a few KiB/s could not pass a block of 16 KiB and its frame in one go. */
const MIN_BURST_BYTES: number = 32 * 1024;

/**
 * Token bucket for bytes of one direction of one program (`--bwlimit`). May go into debt by the last block taken, so that
 * a block larger than what is left passes whole and the average still keeps to the rate.
 */
export class TokenBucket {
  #bytesPerSecond: number;
  #tokens: number;
  #atMs: number;

  /** @param bytesPerSecond above 0; Infinity limits nothing */
  constructor(bytesPerSecond: number, nowMs: number) {
    assertRate(bytesPerSecond);
    this.#bytesPerSecond = bytesPerSecond;
    this.#atMs = nowMs;
    this.#tokens = this.burstBytes;
  }

  get bytesPerSecond(): number {
    return this.#bytesPerSecond;
  }

  /** What may pass at once after a pause. */
  get burstBytes(): number {
    return Math.max(MIN_BURST_BYTES, (this.#bytesPerSecond * BURST_MS) / 1000);
  }

  /** From now on another rate; what was saved up or owed stays, up to the new burst. */
  setRate(bytesPerSecond: number, nowMs: number): void {
    assertRate(bytesPerSecond);
    this.#refill(nowMs);
    this.#bytesPerSecond = bytesPerSecond;
    this.#tokens = Math.min(this.#tokens, this.burstBytes);
  }

  /** What may pass now, below 0 after a debt. */
  tokens(nowMs: number): number {
    this.#refill(nowMs);
    return this.#tokens;
  }

  /** May something be sent (or read) now? */
  isOpen(nowMs: number): boolean {
    this.#refill(nowMs);
    return this.#tokens > 0;
  }

  /** Counts bytes that pass now, whether or not the bucket is open. */
  take(bytes: number, nowMs: number): void {
    this.#refill(nowMs);
    this.#tokens -= bytes;
  }

  /** Milliseconds until the bucket is open, 0 if it is. */
  waitMs(nowMs: number): number {
    this.#refill(nowMs);
    return this.#tokens > 0 ? 0 : ((1 - this.#tokens) / this.#bytesPerSecond) * 1000;
  }

  #refill(nowMs: number): void {
    const elapsedMs = nowMs - this.#atMs;
    if (elapsedMs <= 0) return;
    this.#atMs = nowMs;
    this.#tokens = Math.min(this.burstBytes, this.#tokens + (this.#bytesPerSecond * elapsedMs) / 1000);
  }
}

function assertRate(bytesPerSecond: number): void {
  if (!(bytesPerSecond > 0)) throw new RangeError(`a rate limit is above 0 bytes/s, not ${bytesPerSecond}`);
}
