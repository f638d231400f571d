import { expectedWaitSeconds, type DeliveryVolunteer } from "../delivery-volunteer.ts";
import type { Policy } from "./policy.ts";

/** Beyond this wait a far volunteer is as good as a near one: one small mirror must not carry its whole continent. */
const NEAR_WAIT_SECONDS = 30;

/** Volunteers of the customer's site before all others, as long as they are not busy; within both another policy decides. */
export function sameSiteFirst(policy: Policy): Policy {
  return {
    rank: (candidates, customer, count) => {
      const isNear = ({ site, load }: DeliveryVolunteer): boolean =>
        site !== undefined && site === customer.site && expectedWaitSeconds(load) <= NEAR_WAIT_SECONDS;
      const near = policy.rank(candidates.filter(isNear), customer, count);
      if (near.length >= count) return near;
      const others = candidates.filter((candidate) => !isNear(candidate));
      return [...near, ...policy.rank(others, customer, count - near.length)];
    },
  };
}
