import type { Played } from "./fault-row.ts";

/** The last is the first call that touches the mirror at all. */
const EARLIER = [1, 0.8, 0.5, 0] as const;

/**
 * Plays with the call at this fraction of all. Two runs never make the same calls: where one ended before the call came, it is
 * played again with an earlier one.
 */
export async function untilFired(fraction: number, play: (fraction: number) => Promise<Played>): Promise<Played> {
  let played: Played = { fired: 0, problems: [] };
  for (const factor of EARLIER) {
    played = await play(fraction * factor);
    if (played.fired > 0 || played.problems.length > 0) break;
  }
  return played;
}
