/**
 * Asking again while bytes are on their way: others appear in the first moments. A mirror whose peers stay asks every 9 s in place of the last
 * 3 (`edge/syncing-rhythm.ts`); the simulated one goes on at 3 s, since what it hears of matters to its picking, not what the tracker sends.
 */
export const SYNCING_INTERVALS_MS: readonly number[] = [500, 1_000, 2_000, 3_000];
