import type { Random } from "../../core/clock.ts";
import { type Policy, smallest } from "./policy.ts";

/** Each candidate alike. */
export function randomOrder(random: Random): Policy {
  return { rank: (candidates, _demand, count) => smallest(candidates, count, random) };
}
