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
  /** Of a policy whose choice changes its next one: another that would choose the same, to ask without consequences. */
  copy?(): Policy;
  /** A customer was sent there for so many bytes; who is only named, in a description or to one that looks at the head, counts for nothing. */
  noteSent?(volunteer: DeliveryVolunteer, lengthBytes: number): void;
  /** The best for this customer, best first; all different, `count` at most. */
  rank<V extends DeliveryVolunteer>(candidates: readonly V[], demand: PolicyDemand, count: number): readonly V[];
}

/**
 * The `count` candidates with the smallest keys, ascending. Each key is computed once; one that is told `bound`, beyond which
 * nobody is named any more, may give any key not below it.
 */
export function smallest<V extends DeliveryVolunteer>(
  candidates: readonly V[],
  count: number,
  keyOf: (candidate: V, bound: number) => number,
): readonly V[] {
  const best: V[] = [];
  const keys: number[] = [];
  let bound = Infinity;
  // Runs for each of up to 16 candidates of each request: no closure, no object per candidate.
  for (let next = 0; next < candidates.length; next++) {
    const candidate = candidates[next]!;
    const key = keyOf(candidate, bound);
    if (best.length === count && key >= bound) continue;
    let at = best.length < count ? best.length : count - 1;
    for (; at > 0 && keys[at - 1]! > key; at--) {
      keys[at] = keys[at - 1]!;
      best[at] = best[at - 1]!;
    }
    keys[at] = key;
    best[at] = candidate;
    if (best.length === count) bound = keys[count - 1]!;
  }
  return best;
}
