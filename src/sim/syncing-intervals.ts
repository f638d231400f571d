/** Asking again while bytes are on their way, as a mirror does (`edge/announcer.ts`): others appear in the first moments. */
export const SYNCING_INTERVALS_MS: readonly number[] = [500, 1_000, 2_000, 3_000];
