/** Of these the newest is the current one. */
const RELEASES_KEPT = 5;

/** How far a release got. Times are milliseconds since 1970. */
export interface SpreadRelease {
  readonly number: number;
  readonly createdMs: number;
  /** When the volunteers that hold it, or a later one, were first heard to: ascending. */
  readonly reachedMs: readonly number[];
}

interface Spreading {
  readonly createdMs: number;
  readonly reachedMs: Map<string, number>;
}

/** When volunteers reached each of the newest releases, as far as central has seen since it started. */
export class ReleaseSpread {
  readonly #releases = new Map<number, Spreading>();

  /** @param held the release that each volunteer holds, by id */
  note(
    current: { readonly number: number; readonly createdMs: number },
    held: ReadonlyMap<string, number>,
    wallMs: number,
  ): void {
    if (!this.#releases.has(current.number)) {
      this.#releases.set(current.number, { createdMs: current.createdMs, reachedMs: new Map() });
      const oldest = [...this.#releases.keys()].sort((a, b) => a - b).slice(0, -RELEASES_KEPT);
      for (const number of oldest) this.#releases.delete(number);
    }
    for (const [number, { reachedMs }] of this.#releases) {
      for (const [id, release] of held) if (release >= number && !reachedMs.has(id)) reachedMs.set(id, wallMs);
    }
  }

  /** Newest first. */
  get releases(): readonly SpreadRelease[] {
    const rows = [...this.#releases].sort(([a], [b]) => b - a);
    return rows.map(([number, { createdMs, reachedMs }]) => ({
      number,
      createdMs,
      reachedMs: [...reachedMs.values()].sort((a, b) => a - b),
    }));
  }
}
