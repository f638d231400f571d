import type { Random } from "../../core/clock.ts";
import { type Policy, smallest } from "./policy.ts";

/** Seconds of a line: less makes no difference, so that those who stand alike are drawn. */
const SAME_SECONDS = 1e-6;
/** Memory ends here, far beyond the volunteers that one central has. */
const MAX_REMEMBERED = 65_536;

/**
 * By what central knows alone: the bytes that it sent there itself, by capacity; how busy volunteers say they are counts for nothing, nor
 * their synchronisation. Each stands on a scale of seconds of its line, and the least one is named. Who is new, or had nothing for a while,
 * begins where the last one stood that a customer was sent to (start-time fair queueing): else it would get all customers until it had caught up.
 */
export function leastSent(random: Random): Policy {
  /** By id. */
  const sentSeconds = new Map<string, number>();
  /** Nobody stands below. */
  let fromSeconds = 0;
  const standingOf = (id: string): number => Math.max(sentSeconds.get(id) ?? 0, fromSeconds);
  return {
    rank: (candidates, _demand, count) =>
      smallest(candidates, count, ({ id }) => standingOf(id) + random() * SAME_SECONDS),
    noteSent: ({ id, load }, lengthBytes) => {
      fromSeconds = standingOf(id);
      if (sentSeconds.size >= MAX_REMEMBERED) sentSeconds.clear();
      sentSeconds.set(id, fromSeconds + lengthBytes / load.capacityBytesPerSecond);
    },
  };
}
