/** A name with how often it came. */
export interface NamedCount {
  readonly name: string;
  count: number;
  bytes: number;
}

/**
 * The names that come most, in bounded memory (Misra and Gries 1982, in batches): of N counted a name's count is too low by
 * {@link undercount} at most, which is below N / kept. Exact while no more than twice `kept` names came.
 */
export class FrequentNames {
  /** How much too low any count may be. */
  undercount = 0;
  readonly #kept: number;
  readonly #counts = new Map<number, NamedCount>();

  constructor(kept: number) {
    this.#kept = kept;
  }

  /** @param nameOf asked only if the key is new */
  add(key: number, bytes: number, nameOf: () => string): void {
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
