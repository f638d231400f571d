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
      smallest(candidates, count, ({ load }, bound) => {
        const step = Math.floor(addedSeconds(load, lengthBytes) / SAME_SECONDS);
        if (step >= bound) return step;
        // Exponential, small for large capacities (Efraimidis and Spirakis); below 1, so it decides among equal steps only.
        const draw = -Math.log(1 - random()) * (1e6 / load.capacityBytesPerSecond);
        return step + draw / (1 + draw);
      }),
  };
}
