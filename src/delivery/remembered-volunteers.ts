import { ExpiringMap } from "./expiring-map.ts";

/** More per key than this are not remembered: the longest unchanged goes. */
const MOST_PER_KEY = 32;

interface Remembered {
  readonly id: string;
  readonly atMs: number;
}

/** Volunteers that were noted under a key within the last `lifetimeMs`: one look-up per request, however many volunteers there are. */
export class RememberedVolunteers {
  readonly #lifetimeMs: number;
  readonly #byKey: ExpiringMap<readonly Remembered[]>;

  constructor(lifetimeMs: number) {
    this.#lifetimeMs = lifetimeMs;
    this.#byKey = new ExpiringMap(lifetimeMs);
  }

  note(key: string, id: string, nowMs: number): void {
    const others = (this.#byKey.get(key, nowMs) ?? []).filter((known) => known.id !== id);
    this.#byKey.set(key, [...others, { id, atMs: nowMs }].slice(-MOST_PER_KEY), nowMs);
  }

  /** Their ids. @param keyOf computed only if anything is remembered at all */
  at(keyOf: () => string, nowMs: number): readonly string[] {
    if (this.#byKey.size === 0) return NONE;
    const known = this.#byKey.get(keyOf(), nowMs);
    return known === undefined
      ? NONE
      : known.filter(({ atMs }) => nowMs - atMs <= this.#lifetimeMs).map(({ id }) => id);
  }
}

const NONE: readonly string[] = [];
