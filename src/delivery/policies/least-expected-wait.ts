import type { Random } from "../../core/clock.ts";
import { addedSeconds } from "../delivery-volunteer.ts";
import { type Policy, smallest } from "./policy.ts";

/** Times that differ by less are the same to a customer; without that the one that announced last would get all. */
const SAME_SECONDS = 0.01;

/**
 * Where the customer adds least to what all customers wait ({@link addedSeconds}): its own bytes, what is outstanding there for
 * customers and for synchronisation, by the line's capacity. Equals at random, in proportion to capacity.
 */
export function leastExpectedWait(random: Random): Policy {
  return {
    rank: (candidates, { lengthBytes }, count) =>
      smallest(candidates, count, ({ load }) => {
        const step = Math.floor(addedSeconds(load, lengthBytes) / SAME_SECONDS);
        // In (0, 1], large for large capacities (Efraimidis and Spirakis): it decides among equal steps only.
        const draw = (1 - random()) ** (1e6 / load.capacityBytesPerSecond);
        return step + 1 - draw;
      }),
  };
}
