/** How often one customer may ask. */
export interface RequestRate {
  /** In the long run; above 0. */
  readonly perSecond: number;
  /** At once, after a pause; at least 1. */
  readonly burst: number;
}

/** Of each of the two rows, a power of two: 1 MiB in all. */
const PLACES = 65_536;

/**
 * A token bucket per customer (reliability's rows H11 and T06), as the time at which the bucket is full again (the generic cell rate
 * algorithm, ITU-T I.371). Buckets have no owners' names: an address counts in one of 65,536 places of two rows each, and the less used of the two
 * decides. So memory and time are the same for one address and for millions, nothing is ever forgotten, and an innocent address is
 * held up only where both its places are used up by others: with 100 addresses at their limit, 2 of a million.
 */
export class RequestBudget {
  readonly #msPerRequest: number;
  readonly #burstMs: number;
  readonly #seed: number;
  /** When each bucket is full again, milliseconds. */
  readonly #fullAtMs: readonly [Float64Array, Float64Array] = [new Float64Array(PLACES), new Float64Array(PLACES)];

  /** @param seed any integer that nobody knows, so that nobody can choose an address that shares both places with another's */
  constructor({ perSecond, burst }: RequestRate, seed: number) {
    this.#msPerRequest = 1000 / perSecond;
    this.#burstMs = burst * this.#msPerRequest;
    this.#seed = seed;
  }

  /** The places of an address group (`addressGroup`), for {@link waitMs} and {@link spend}. */
  placesOf(group: string): number {
    let hash = this.#seed;
    for (let at = 0; at < group.length; at++) hash = Math.imul(hash ^ group.charCodeAt(at), 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return (hash ^ (hash >>> 16)) >>> 0;
  }

  /** How long until one more request may come, 0 if it may now. Milliseconds. */
  waitMs(places: number, nowMs: number): number {
    const [first, second] = this.#fullAtMs;
    const fullAtMs = Math.min(first[places & (PLACES - 1)]!, second[places >>> 16]!);
    return Math.max(0, Math.max(0, fullAtMs - nowMs) + this.#msPerRequest - this.#burstMs);
  }

  /** Counts a request that was let in. @param requests as so many; what the bucket lacks for them is owed */
  spend(places: number, nowMs: number, requests = 1): void {
    const [first, second] = this.#fullAtMs;
    const [at, beside] = [places & (PLACES - 1), places >>> 16];
    first[at] = this.#after(first[at]!, nowMs, requests);
    second[beside] = this.#after(second[beside]!, nowMs, requests);
  }

  /**
   * Never more than a whole bucket owed, and what the heaviest of these counts beyond one: who shares one place with another pays for
   * it in the other row.
   */
  #after(fullAtMs: number, nowMs: number, requests: number): number {
    const fromMs = Math.max(fullAtMs, nowMs);
    const mostMs = nowMs + this.#burstMs + (requests - 1) * this.#msPerRequest;
    return Math.min(fromMs + requests * this.#msPerRequest, Math.max(fromMs, mostMs));
  }
}
