import { expectedDelaySeconds, type DeliveryVolunteer } from "../delivery-volunteer.ts";
import type { Policy } from "./policy.ts";

/** Held up longer, a far volunteer is as good as a near one: one small mirror must not carry its whole continent. */
const NEAR_DELAY_SECONDS = 30;

/** Volunteers of the customer's site before all others, as long as they are not busy; within both another policy decides. */
export function sameSiteFirst(policy: Policy): Policy {
  return {
    rank: (candidates, demand, count) => {
      const { site: own } = demand.customer;
      if (own === undefined || !candidates.some(({ site }) => site === own))
        return policy.rank(candidates, demand, count);
      const isNear = ({ site, load }: DeliveryVolunteer): boolean =>
        site === own && expectedDelaySeconds(load, demand.lengthBytes) <= NEAR_DELAY_SECONDS;
      const near = policy.rank(candidates.filter(isNear), demand, count);
      if (near.length >= count) return near;
      const others = candidates.filter((candidate) => !isNear(candidate));
      return [...near, ...policy.rank(others, demand, count - near.length)];
    },
  };
}
