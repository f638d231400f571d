import type { Random } from "../../core/clock.ts";
import { type Policy, smallest } from "./policy.ts";

/** At random, in proportion to what their lines take, however busy they are (drawn after Efraimidis and Spirakis). */
export function staticWeights(random: Random): Policy {
  return {
    rank: (candidates, _demand, count) =>
      smallest(candidates, count, ({ load }) => -Math.log(1 - random()) / load.capacityBytesPerSecond),
  };
}
