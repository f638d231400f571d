import type { Random } from "../../core/clock.ts";
import { expectedWaitSeconds, type DeliveryVolunteer } from "../delivery-volunteer.ts";
import { type Policy, smallest } from "./policy.ts";

/** Waits that differ by less are the same to a customer; without that the one that announced last would get all. */
const SAME_WAIT_SECONDS = 0.01;

/**
 * Where (outstanding customer bytes + remaining synchronisation bytes) / capacity is least; equals at random, in proportion to
 * capacity.
 */
export function leastExpectedWait(
  random: Random,
  waitSecondsOf: (volunteer: DeliveryVolunteer) => number = ({ load }) => expectedWaitSeconds(load),
): Policy {
  return {
    rank: (candidates, _customer, count) =>
      smallest(candidates, count, (candidate) => {
        const step = Math.floor(waitSecondsOf(candidate) / SAME_WAIT_SECONDS);
        // In (0, 1], large for large capacities (Efraimidis and Spirakis): it decides among equal steps only.
        const draw = (1 - random()) ** (1e6 / candidate.load.capacityBytesPerSecond);
        return step + 1 - draw;
      }),
  };
}
