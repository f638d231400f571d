/**
 * What was noted within the last `lifetimeMs`, by key. Bounded: beyond `maxEntries` the longest unchanged go first, so whoever
 * sends many different keys only shortens the memory (row T06).
 */
export class ExpiringMap<V> {
  readonly #lifetimeMs: number;
  readonly #maxEntries: number;
  /** In order of the last change, oldest first. */
  readonly #entries = new Map<string, { readonly value: V; readonly atMs: number }>();
  /** Goes on where it was: a new one would pass all places of keys that are gone, thousands per step. */
  #oldest: MapIterator<string> | undefined;

  constructor(lifetimeMs: number, maxEntries = 65_536) {
    this.#lifetimeMs = lifetimeMs;
    this.#maxEntries = maxEntries;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string, nowMs: number): V | undefined {
    const entry = this.#entries.get(key);
    return entry === undefined || nowMs - entry.atMs > this.#lifetimeMs ? undefined : entry.value;
  }

  set(key: string, value: V, nowMs: number): void {
    this.#entries.delete(key);
    this.#entries.set(key, { value, atMs: nowMs });
    if (this.#entries.size <= this.#maxEntries) return;
    this.#oldest ??= this.#entries.keys();
    // There always is one: the key that was set now stands behind whatever was passed.
    const oldest = this.#oldest.next();
    if (oldest.done !== true) this.#entries.delete(oldest.value);
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }
}
