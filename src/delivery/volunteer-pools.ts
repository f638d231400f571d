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
/**
 * Of more than so many these are drawn from first, and per request two of them change places with two others. To look at 16 of a thousand
 * that lie anywhere in memory took as long as all the rest of a choice; those that were looked at a moment ago are at hand.
 */
const MOST_AT_HAND = 64;
const CHANGED_PER_DRAW = 2;

/** Volunteers that may serve one kind of customer whatever it asks for. */
interface Pool<V> {
  /** Those that take anybody's customers. */
  readonly open: Urn<V>;
  /** All that take the customers of a site, by that site; only sites where somebody stands. */
  readonly bySite: ReadonlyMap<string, Urn<V>>;
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
    if (near === undefined) return open.draw(passes, most);
    const candidates = near.draw(passes, most);
    const isFar = (volunteer: V): boolean => volunteer.site !== site && passes(volunteer);
    candidates.push(...open.draw(isFar, most));
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
    const urnOf = (volunteers: V[]): Urn<V> => new Urn(volunteers, this.#random);
    return { open: urnOf(open), bySite: new Map([...bySite].map(([site, there]) => [site, urnOf(there)])) };
  }
}

/** What is drawn from. The first {@link MOST_AT_HAND} are those at hand; order means nothing else: drawing changes it. */
class Urn<V> {
  readonly #all: V[];
  readonly #random: Random;
  /** Whose place is taken next of those at hand, and from where on nobody had a turn lately of the others. */
  #leaving = 0;
  #coming = MOST_AT_HAND;

  /** @param all is the urn's from now on */
  constructor(all: V[], random: Random) {
    this.#all = all;
    this.#random = random;
    // Pools are made anew whenever somebody comes or goes: who enrolled first must not be at hand each time.
    const atHand = all.length > MOST_AT_HAND ? MOST_AT_HAND : 0;
    for (let at = 0; at < atHand; at++) this.#swap(at, at + Math.floor(random() * (all.length - at)));
  }

  /**
   * Up to `most` that pass, drawn from those at hand and then from the others (a Fisher-Yates shuffle in place that ends early); in the
   * long run each as likely as any other. Looks at all only where few pass: whoever is the only holder is found.
   */
  draw(passes: (volunteer: V) => boolean, most: number): V[] {
    const all = this.#all;
    const { length } = all;
    if (length <= most) return all.filter(passes);
    if (length > MOST_AT_HAND) this.#change();
    const drawn: V[] = [];
    for (let at = 0; at < length && drawn.length < most; at++) {
      const end = at < MOST_AT_HAND ? Math.min(MOST_AT_HAND, length) : length;
      const volunteer = this.#swap(at, at + Math.floor(this.#random() * (end - at)));
      if (passes(volunteer)) drawn.push(volunteer);
    }
    return drawn;
  }

  /** All others have had their turn, in an order drawn anew, before one has it again. */
  #change(): void {
    const { length } = this.#all;
    for (let changed = 0; changed < CHANGED_PER_DRAW; changed++) {
      if (this.#coming >= length) this.#coming = MOST_AT_HAND;
      this.#swap(this.#coming, this.#coming + Math.floor(this.#random() * (length - this.#coming)));
      this.#swap(this.#leaving, this.#coming);
      this.#coming++;
      this.#leaving = (this.#leaving + 1) % MOST_AT_HAND;
    }
  }

  /** @returns who stands at the first place now */
  #swap(at: number, other: number): V {
    const all = this.#all;
    const volunteer = all[other]!;
    all[other] = all[at]!;
    all[at] = volunteer;
    return volunteer;
  }
}
