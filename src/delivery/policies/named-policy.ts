import type { Random } from "../../core/clock.ts";
import { leastExpectedWait } from "./least-expected-wait.ts";
import { leastSent } from "./least-sent.ts";
import type { Policy } from "./policy.ts";
import { randomOrder } from "./random-order.ts";
import { roundRobin } from "./round-robin.ts";
import { sameSiteFirst } from "./same-site-first.ts";
import { staticWeights } from "./static-weights.ts";
import { twoChoices } from "./two-choices.ts";

/** Words of `serve --policy`; `near` is the same site first, then the least expected wait. */
export const POLICY_NAMES = [
  "near",
  "least-wait",
  "two-choices",
  "least-sent",
  "weights",
  "round-robin",
  "random",
] as const;
export type PolicyName = (typeof POLICY_NAMES)[number];

export function policyNamed(name: PolicyName, random: Random): Policy {
  switch (name) {
    case "near":
      return sameSiteFirst(leastExpectedWait(random));
    case "least-wait":
      return leastExpectedWait(random);
    case "two-choices":
      return twoChoices(random);
    case "least-sent":
      return leastSent(random);
    case "weights":
      return staticWeights(random);
    case "round-robin":
      return roundRobin();
    case "random":
      return randomOrder(random);
  }
}
