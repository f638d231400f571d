import type { DeliveryVolunteer } from "./delivery-volunteer.ts";
import { contentReason, type Customer, type DeliveryDemand, rejectReason, type Rejection } from "./eligibility.ts";
import type { Policy, PolicyDemand } from "./policies/policy.ts";

/** Volunteers for one request, best first, and why the others are none. */
export interface Choice<V extends DeliveryVolunteer = DeliveryVolunteer> {
  readonly ranked: readonly V[];
  readonly rejected: readonly Rejection[];
}

export interface ChoiceRules {
  readonly policy: Policy;
  /** Best ones that are named; Infinity: all. */
  readonly count: number;
  /** Failed this customer or its network lately: only if there is nobody else. Left out: nobody did. */
  readonly isDoubtful?: ((volunteer: DeliveryVolunteer) => boolean) | undefined;
}

/** Eligibility first, then the order of the policy. */
export function chooseVolunteer<V extends DeliveryVolunteer>(
  volunteers: Iterable<V>,
  demand: DeliveryDemand<V>,
  rules: ChoiceRules,
): Choice<V> {
  const rejected: Rejection[] = [];
  const eligible: V[] = [];
  for (const volunteer of volunteers) {
    const reason = rejectReason(volunteer, demand);
    if (reason === undefined) eligible.push(volunteer);
    else rejected.push({ volunteer, reason });
  }
  return { ranked: rankEligible(eligible, demand, rules), rejected };
}

/** Where volunteers come from that are eligible for a customer whatever it asks for (`volunteer-pools.ts`). */
export interface VolunteerSource<V extends DeliveryVolunteer> {
  /** Those that pass, or a random sample of them; all of them if `needsAll`. */
  candidates(customer: Customer, passes: (volunteer: V) => boolean, needsAll: boolean): readonly V[];
}

/** {@link chooseVolunteer} without the reasons, for each request: costs little however many volunteers there are. */
export function chooseQuickly<V extends DeliveryVolunteer>(
  source: VolunteerSource<V>,
  demand: DeliveryDemand<V>,
  rules: ChoiceRules,
): readonly V[] {
  const { policy } = rules;
  const passes = (volunteer: V): boolean => contentReason(volunteer, demand) === undefined;
  // Doubtful ones are asked for apart: all of a random sample may be doubtful though others are not.
  return trustedFirst<V>(rules, (isWanted, most) => {
    const isCandidate = isWanted === undefined ? passes : (volunteer: V) => passes(volunteer) && isWanted(volunteer);
    return policy.rank(source.candidates(demand.customer, isCandidate, policy.needsAll === true), demand, most);
  });
}

function rankEligible<V extends DeliveryVolunteer>(
  eligible: readonly V[],
  demand: PolicyDemand,
  rules: ChoiceRules,
): readonly V[] {
  return trustedFirst(rules, (isWanted, most) =>
    rules.policy.rank(isWanted === undefined ? eligible : eligible.filter(isWanted), demand, most),
  );
}

/**
 * Those whom nobody doubts, then as many doubtful ones as places are left.
 *
 * @param ranked the best `most` of those that are wanted (undefined: of all), best first
 */
function trustedFirst<V extends DeliveryVolunteer>(
  { count, isDoubtful }: ChoiceRules,
  ranked: (isWanted: ((volunteer: V) => boolean) | undefined, most: number) => readonly V[],
): readonly V[] {
  if (isDoubtful === undefined) return ranked(undefined, count);
  const trusted = ranked((volunteer) => !isDoubtful(volunteer), count);
  if (trusted.length >= count) return trusted;
  return [...trusted, ...ranked(isDoubtful, count - trusted.length)];
}
