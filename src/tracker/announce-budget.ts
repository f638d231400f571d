/** Announces that may come at once, and how many a second after that. */
interface Allowance {
  readonly burst: number;
  readonly perSecond: number;
}

/** A mirror announces every 3 s at most while it synchronises, and some times in a row when it starts and ends. */
const PER_VOLUNTEER: Allowance = { burst: 30, perSecond: 1 };
/** Forty mirrors behind one address, and stock clients beside them. */
const PER_ADDRESS: Allowance = { burst: 600, perSecond: 50 };
/** Bounds the memory: beyond it the longest unseen are forgotten, which costs nothing but their debt. */
const MAX_REMEMBERED = 20_000;

interface Bucket {
  readonly tokens: number;
  readonly atMs: number;
}

/** How often one volunteer and one address may announce (row T01). O(1) each, bounded memory. */
export class AnnounceBudget {
  /** In the order of use, the longest unused first. */
  readonly #buckets = new Map<string, Bucket>();

  /** @param group of the address: one IPv4 address or one /64 */
  mayAddress(group: string, nowMs: number): boolean {
    return this.#spend(`address ${group}`, PER_ADDRESS, nowMs);
  }

  mayVolunteer(id: string, nowMs: number): boolean {
    return this.#spend(`volunteer ${id}`, PER_VOLUNTEER, nowMs);
  }

  get size(): number {
    return this.#buckets.size;
  }

  #spend(key: string, { burst, perSecond }: Allowance, nowMs: number): boolean {
    const before = this.#buckets.get(key) ?? { tokens: burst, atMs: nowMs };
    const tokens = Math.min(burst, before.tokens + ((nowMs - before.atMs) * perSecond) / 1000);
    const isAllowed = tokens >= 1;
    this.#buckets.delete(key);
    this.#buckets.set(key, { tokens: isAllowed ? tokens - 1 : tokens, atMs: nowMs });
    if (this.#buckets.size > MAX_REMEMBERED) this.#forgetOldest();
    return isAllowed;
  }

  /** Many at a time: looking for the oldest entry of a Map costs as much as there were removals since it was last rebuilt. */
  #forgetOldest(): void {
    let surplus = MAX_REMEMBERED / 8;
    for (const key of this.#buckets.keys()) {
      if (surplus-- <= 0) return;
      this.#buckets.delete(key);
    }
  }
}
