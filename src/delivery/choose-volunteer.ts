import type { DeliveryVolunteer } from "./delivery-volunteer.ts";
import { type DeliveryDemand, rejectReason, type Rejection } from "./eligibility.ts";
import type { Policy } from "./policies/policy.ts";

/** Volunteers for one request, best first, and why the others are none. */
export interface Choice<V extends DeliveryVolunteer = DeliveryVolunteer> {
  readonly ranked: readonly V[];
  readonly rejected: readonly Rejection[];
}

export interface ChoiceRules {
  readonly policy: Policy;
  /** Best ones that are named. */
  readonly count: number;
  /** Failed this customer or its network lately: only if there is nobody else. */
  readonly isDoubtful: (volunteer: DeliveryVolunteer) => boolean;
}

/** Eligibility first, then the order of the policy. */
export function chooseVolunteer<V extends DeliveryVolunteer>(
  volunteers: Iterable<V>,
  demand: DeliveryDemand<V>,
  { policy, count, isDoubtful }: ChoiceRules,
): Choice<V> {
  const rejected: Rejection[] = [];
  const trusted: V[] = [];
  const doubtful: V[] = [];
  for (const volunteer of volunteers) {
    const reason = rejectReason(volunteer, demand);
    if (reason !== undefined) rejected.push({ volunteer, reason });
    else (isDoubtful(volunteer) ? doubtful : trusted).push(volunteer);
  }
  const ranked = policy.rank(trusted, demand, count);
  if (ranked.length >= count || doubtful.length === 0) return { ranked, rejected };
  return { ranked: [...ranked, ...policy.rank(doubtful, demand, count - ranked.length)], rejected };
}
