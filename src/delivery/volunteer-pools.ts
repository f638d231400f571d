import type { Random } from "../core/clock.ts";
import type { VolunteerSource } from "./choose-volunteer.ts";
import type { DeliveryVolunteer } from "./delivery-volunteer.ts";
import { type Customer, standingReason } from "./eligibility.ts";
import { reachOf } from "./host-reach.ts";

/**
 * So many of the customer's site and so many of all are weighed per request: with up to 16 volunteers the choice is the policy's
 * own, with more it is the policy's among 16 drawn at random. Already the better of two drawn is close to the best of all
 * (Mitzenmacher), the best of 16 is among the best 13 % nine times of ten, and a choice then costs the same with 1,000 volunteers.
 */
export const MOST_CANDIDATES = 16;

/** Volunteers that may serve one kind of customer whatever it asks for. Their order means nothing: drawing changes it. */
interface Pool<V> {
  /** Those that take anybody's customers. */
  readonly open: V[];
  /** All that take the customers of a site, by that site; only sites where somebody stands. */
  readonly bySite: Map<string, V[]>;
}

/**
 * A set of volunteers, sorted out once by what no request changes: consent, draining, silence, reachability. A customer's kind is its
 * protocol, the family of its address and from what kind of network it comes: at most 16, so this holds at most 32 references
 * per volunteer, whoever asks and however many contents there are.
 */
export class VolunteerPools<V extends DeliveryVolunteer> implements VolunteerSource<V> {
  readonly #volunteers: readonly V[];
  readonly #random: Random;
  readonly #pools = new Map<string, Pool<V>>();
  /** What kind a customer is takes longer to tell than who of 16 is best; the same object comes again and again. */
  readonly #known = new WeakMap<Customer, Pool<V>>();

  constructor(volunteers: readonly V[], random: Random) {
    this.#volunteers = volunteers;
    this.#random = random;
  }

  candidates(customer: Customer, passes: (volunteer: V) => boolean, needsAll: boolean): readonly V[] {
    const { open, bySite } = this.#known.get(customer) ?? this.#poolFor(customer);
    const most = needsAll ? Infinity : MOST_CANDIDATES;
    const { site } = customer;
    const near = site === undefined ? undefined : bySite.get(site);
    if (near === undefined) return draw(open, passes, { most, random: this.#random });
    const candidates = draw(near, passes, { most, random: this.#random });
    const isFar = (volunteer: V): boolean => volunteer.site !== site && passes(volunteer);
    candidates.push(...draw(open, isFar, { most, random: this.#random }));
    return candidates;
  }

  #poolFor(customer: Customer): Pool<V> {
    const { family, scope } = reachOf(customer.address);
    const kind = `${customer.protocol} ${family ?? ""} ${scope}`;
    const pool = this.#pools.get(kind) ?? this.#sortOut(customer);
    this.#pools.set(kind, pool);
    this.#known.set(customer, pool);
    return pool;
  }

  #sortOut(customer: Customer): Pool<V> {
    const open: V[] = [];
    const bySite = new Map<string, V[]>();
    for (const volunteer of this.#volunteers) {
      // As if the customer stood there; `other-site` can't be a reason then.
      if (standingReason(volunteer, { ...customer, site: volunteer.site }) !== undefined) continue;
      if (volunteer.consent === "any") open.push(volunteer);
      if (volunteer.site === undefined) continue;
      const there = bySite.get(volunteer.site);
      if (there === undefined) bySite.set(volunteer.site, [volunteer]);
      else there.push(volunteer);
    }
    return { open, bySite };
  }
}

/**
 * Up to `most` that pass, each as likely as any other (a Fisher-Yates shuffle in place that ends early). Looks at all only where
 * few pass: whoever is the only holder is found.
 */
function draw<V>(
  from: V[],
  passes: (volunteer: V) => boolean,
  { most, random }: { readonly most: number; readonly random: Random },
): V[] {
  if (from.length <= most) return from.filter(passes);
  const drawn: V[] = [];
  for (let at = 0; at < from.length && drawn.length < most; at++) {
    const picked = at + Math.floor(random() * (from.length - at));
    const volunteer = from[picked]!;
    from[picked] = from[at]!;
    from[at] = volunteer;
    if (passes(volunteer)) drawn.push(volunteer);
  }
  return drawn;
}
