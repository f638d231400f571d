import { SYNC_TRANSFERS, type VolunteerLoad } from "./delivery-volunteer.ts";

/** Memory per volunteer ends here (8 bytes each); what comes on top lengthens the longest. */
const MAX_TRANSFERS = 4_096;
/** Less is nothing, whatever floating point says. */
const NOTHING_BYTES = 0.5;

/**
 * Customers that were sent there and never came, or broke off, are only known from the volunteer's word: so much work of its line is held
 * against that word at most.
 */
const MOST_UNTOLD_SECONDS = 600;

/** What a volunteer had to send at one moment. */
export interface OutstandingWork {
  /** Open transfers. */
  readonly customers: number;
  readonly customerBytes: number;
  readonly syncBytes: number;
}

/**
 * What a volunteer has still to send, thought on from what it told and from the transfers that came since: all flow at once and
 * share the line fairly, synchronisation with the weight of {@link SYNC_TRANSFERS}. Announces correct it, but the word "idle" takes off no more
 * than the line could have carried of what was sent there (reliability row H19): else who always says it would draw most customers.
 */
export class OutstandingTransfers {
  readonly #capacityBytesPerSecond: number;
  #atMs: number;
  /** When each transfer ends, on the scale of {@link #served}; the first to end is the last. */
  #ends: number[] = [];
  /** Bytes that a transfer got which is open since the start. */
  #served = 0;
  #customerBytes = 0;
  #syncBytes = 0;
  /** Of what central sent, what the line cannot have carried yet, had it done nothing else; never above {@link #customerBytes}. */
  #uncarriedBytes = 0;
  /** The capacity, more after a faster line. */
  #uncarriedLeavePerSecond: number;

  constructor(capacityBytesPerSecond: number, nowMs: number) {
    this.#capacityBytesPerSecond = capacityBytesPerSecond;
    this.#uncarriedLeavePerSecond = capacityBytesPerSecond;
    this.#atMs = nowMs;
  }

  /** The same as now, on a line of another capacity: whoever tells a new one is not idle by that. */
  onLineOf(capacityBytesPerSecond: number, nowMs: number): OutstandingTransfers {
    this.#passTo(nowMs);
    const moved = new OutstandingTransfers(capacityBytesPerSecond, nowMs);
    moved.#ends = this.#ends.map((end) => end - this.#served);
    moved.#customerBytes = this.#customerBytes;
    moved.#syncBytes = this.#syncBytes;
    moved.#uncarriedBytes = this.#uncarriedBytes;
    // On a slower line the same bytes would be held against it for days; to take them off at once would make who tells one for a moment idle.
    moved.#uncarriedLeavePerSecond = Math.max(capacityBytesPerSecond, this.#uncarriedBytes / MOST_UNTOLD_SECONDS);
    return moved;
  }

  load(nowMs: number): VolunteerLoad {
    this.#passTo(nowMs);
    return {
      customers: this.#ends.length,
      customerBytes: this.#customerBytes,
      syncBytes: this.#syncBytes,
      capacityBytesPerSecond: this.#capacityBytesPerSecond,
    };
  }

  /** A customer was sent there. */
  add(bytes: number, nowMs: number): void {
    this.#passTo(nowMs);
    if (bytes < NOTHING_BYTES) return;
    this.#customerBytes += bytes;
    const most = MOST_UNTOLD_SECONDS * this.#capacityBytesPerSecond;
    this.#uncarriedBytes = Math.min(this.#uncarriedBytes + bytes, Math.max(most, this.#uncarriedBytes));
    if (this.#ends.length < MAX_TRANSFERS) this.#insert(this.#served + bytes);
    else this.#ends[0]! += bytes;
  }

  /**
   * The volunteer told how it is. It tells no sizes: those that were thought of are kept, the shortest are the ones that ended
   * sooner than thought, and together they have as many bytes left as it told, as far as that can be.
   */
  correct(told: OutstandingWork, nowMs: number): void {
    this.#passTo(nowMs);
    const customerBytes = Math.max(told.customerBytes, this.#uncarriedBytes);
    const fewest = Math.ceil((this.#ends.length * this.#uncarriedBytes) / (this.#customerBytes || 1));
    const count = Math.min(MAX_TRANSFERS, customerBytes > 0 ? Math.max(1, fewest, told.customers) : 0);
    const left = this.#ends.slice(0, count).map((end) => end - this.#served);
    const known = left.reduce((sum, bytes) => sum + bytes, 0);
    const missing = count - left.length;
    const each = missing === 0 ? 0 : Math.max((customerBytes - known) / missing, customerBytes / count);
    const scale = customerBytes / (known + missing * each || 1);
    this.#served = 0;
    this.#ends = [...left, ...Array<number>(missing).fill(each)].map((bytes) => bytes * scale).sort((a, b) => b - a);
    this.#customerBytes = customerBytes;
    this.#syncBytes = told.syncBytes;
  }

  #passTo(nowMs: number): void {
    let seconds = Math.max(0, nowMs - this.#atMs) / 1000;
    this.#uncarriedBytes = Math.max(0, this.#uncarriedBytes - seconds * this.#uncarriedLeavePerSecond);
    if (this.#uncarriedBytes === 0) this.#uncarriedLeavePerSecond = this.#capacityBytesPerSecond;
    this.#atMs = Math.max(this.#atMs, nowMs);
    while (seconds > 0 && (this.#ends.length > 0 || this.#syncBytes > 0)) seconds -= this.#passStep(seconds);
    // Rounding apart it never is above.
    this.#uncarriedBytes = Math.min(this.#uncarriedBytes, this.#customerBytes);
  }

  /** @returns seconds that passed: to the next end of something, or all of them */
  #passStep(seconds: number): number {
    const syncWeight = this.#syncBytes > 0 ? SYNC_TRANSFERS : 0;
    const rate = this.#capacityBytesPerSecond / (this.#ends.length + syncWeight);
    const toEnd = this.#ends.length > 0 ? Math.max(0, this.#ends.at(-1)! - this.#served) / rate : Infinity;
    const toSyncEnd = syncWeight > 0 ? this.#syncBytes / (rate * syncWeight) : Infinity;
    const step = Math.min(seconds, toEnd, toSyncEnd);
    this.#served += rate * step;
    this.#customerBytes = Math.max(0, this.#customerBytes - rate * step * this.#ends.length);
    this.#syncBytes -= rate * step * syncWeight;
    if (this.#syncBytes < NOTHING_BYTES) this.#syncBytes = 0;
    while (this.#ends.length > 0 && this.#ends.at(-1)! - this.#served < NOTHING_BYTES) this.#ends.pop();
    if (this.#ends.length > 0) return step;
    this.#served = 0;
    this.#customerBytes = 0;
    return step;
  }

  #insert(end: number): void {
    let low = 0;
    let high = this.#ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#ends[middle]! > end) low = middle + 1;
      else high = middle;
    }
    this.#ends.splice(low, 0, end);
  }
}
