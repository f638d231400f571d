import { mixBits } from "./byte-hash.ts";

/** A name with how often it came. */
export interface NamedCount {
  readonly name: string;
  count: number;
  bytes: number;
}

/** Per name kept: with so many counters most of those of rare names stay low. */
const COUNTERS_PER_NAME = 256;

/**
 * The names that come most, in bounded memory (Misra and Gries 1982, in batches): of N counted a name's count is too low by
 * {@link undercount} at most, which is below N / kept. Exact while no more than twice `kept` names came. A row of a count-min
 * sketch (Cormode and Muthukrishnan 2005) keeps out names that came no more often than that: their count would be 0 in any case.
 */
export class FrequentNames {
  /** How much too low any count may be. */
  undercount = 0;
  readonly #kept: number;
  readonly #counts = new Map<number, NamedCount>();
  /** How often names of one hash came: what is in `#counts` came more often than `undercount`. */
  readonly #came: Uint32Array;

  /** @param kept a power of two */
  constructor(kept: number) {
    this.#kept = kept;
    this.#came = new Uint32Array(COUNTERS_PER_NAME * kept);
  }

  /** @param nameOf asked only if the key is new */
  add(key: number, bytes: number, nameOf: () => string): void {
    const place = mixBits(key % 2 ** 32) & (this.#came.length - 1);
    if (++this.#came[place]! <= this.undercount) return;
    const found = this.#counts.get(key);
    if (found !== undefined) {
      found.count++;
      found.bytes += bytes;
      return;
    }
    if (this.#counts.size >= 2 * this.#kept) this.#prune();
    this.#counts.set(key, { name: nameOf(), count: 1, bytes });
  }

  /** Keys with what is known of them, most frequent first. */
  sorted(): (readonly [key: number, NamedCount])[] {
    return [...this.#counts].sort(([, a], [, b]) => b.count - a.count || (a.name < b.name ? -1 : 1));
  }

  #prune(): void {
    const counts = Float64Array.from(this.#counts.values(), ({ count }) => count).sort();
    const least = counts[counts.length - 1 - this.#kept]!;
    this.undercount += least;
    for (const [key, counted] of this.#counts) {
      counted.count -= least;
      if (counted.count <= 0) this.#counts.delete(key);
    }
  }
}
