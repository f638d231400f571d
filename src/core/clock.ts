/**
 * Time as pure code sees it. `net/real-clock.ts` gives the real one, `sim/` a virtual one. Durations are measured with
 * {@link Clock.monotonicMs}, never with the wall clock.
 */
export interface Clock {
  /** Milliseconds since an arbitrary start; never goes back. */
  monotonicMs(): number;
  /** Wall-clock time in milliseconds since 1970-01-01T00:00:00Z. */
  wallMs(): number;
  /** Calls `action` once after `delayMs`; the returned function cancels it. */
  schedule(delayMs: number, action: () => void): CancelTimer;
}

export type CancelTimer = () => void;

/** Uniform in [0, 1). Seeded in tests and simulations. */
export type Random = () => number;

/** A small seeded generator (mulberry32) for tests, simulations and reproducible tie-breaks; not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
