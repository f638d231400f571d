import type { DeliveryVolunteer } from "../delivery-volunteer.ts";
import type { Customer } from "../eligibility.ts";

/** What a policy may look at. */
export interface PolicyDemand {
  readonly customer: Customer;
  /** Of what is asked for. */
  readonly lengthBytes: number;
}

/** An order among volunteers that are all eligible. */
export interface Policy {
  /** Must see all that are eligible; others are given a random sample where these are many (`volunteer-pools.ts`). */
  readonly needsAll?: true;
  /** The best for this customer, best first; all different, `count` at most. */
  rank<V extends DeliveryVolunteer>(candidates: readonly V[], demand: PolicyDemand, count: number): readonly V[];
}

/** The `count` candidates with the smallest keys, ascending; each key is computed once. */
export function smallest<V extends DeliveryVolunteer>(
  candidates: readonly V[],
  count: number,
  keyOf: (candidate: V) => number,
): readonly V[] {
  const best: { readonly candidate: V; readonly key: number }[] = [];
  for (const candidate of candidates) {
    const key = keyOf(candidate);
    if (best.length === count && key >= best[count - 1]!.key) continue;
    let at = best.length;
    while (at > 0 && best[at - 1]!.key > key) at--;
    best.splice(at, 0, { candidate, key });
    if (best.length > count) best.pop();
  }
  return best.map(({ candidate }) => candidate);
}
