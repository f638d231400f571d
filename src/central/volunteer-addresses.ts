import type { Clock } from "../core/clock.ts";
import { addressGroup, ipv6Site } from "../core/remote-address.ts";
import type { AddressShares } from "../net/address-counts.ts";
import type { VolunteerStates } from "../tracker/volunteer-states.ts";

/** How old the counts may be: whoever floods asks more often than volunteers move. */
const OLDEST_MS = 1_000;

/** How many volunteers announce from an address: what is short is kept for them, and each has an event stream. */
export class VolunteerAddresses {
  readonly #live: Pick<VolunteerStates, "all" | "isSilent">;
  readonly #clock: Clock;
  #counts: ReadonlyMap<string, number> = new Map();
  #countedMs = -Infinity;

  constructor(live: Pick<VolunteerStates, "all" | "isSilent">, clock: Clock) {
    this.#live = live;
    this.#clock = clock;
  }

  /** @param address any of a /64 stands for all of it, and for its /48 */
  volunteersAt(address: string): AddressShares {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#countedMs > OLDEST_MS) {
      this.#countedMs = nowMs;
      this.#counts = this.#count();
    }
    const network = ipv6Site(address);
    return {
      perAddress: this.#counts.get(addressGroup(address)) ?? 0,
      perNetwork: network === undefined ? 0 : (this.#counts.get(network) ?? 0),
    };
  }

  #count(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const volunteer of this.#live.all()) {
      if (this.#live.isSilent(volunteer)) continue;
      const network = ipv6Site(volunteer.host);
      for (const key of [addressGroup(volunteer.host), ...(network === undefined ? [] : [network])]) {
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    }
    return counts;
  }
}
