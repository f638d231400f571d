import { type CustomerVolunteer, CustomerVolunteers, loadReportOf } from "../central/customer-volunteers.ts";
import type { Random } from "../core/clock.ts";
import { chooseQuickly, type VolunteerSource } from "../delivery/choose-volunteer.ts";
import type { DeliveryVolunteer, VolunteerLoad } from "../delivery/delivery-volunteer.ts";
import type { Customer } from "../delivery/eligibility.ts";
import type { LoadReport } from "../delivery/load-estimates.ts";
import type { Policy } from "../delivery/policies/policy.ts";
import { LiveVolunteers } from "../tracker/live-volunteers.ts";
import type { VolunteerAnnounce } from "../tracker/volunteer-announce.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** As many as central names. */
const PLACES_NAMED = 4;
const CUSTOMER: Customer = { address: "198.51.100.7", site: undefined, protocol: "http" };
/** Of the release that every mirror announces. */
const PLACE = { bundle: 1, ordinal: 0, sinceRelease: 1 };

/** Replaces what central thinks of a volunteer's load: for comparison with those who know less, or all. */
export type LoadView = (id: string, report: LoadReport) => VolunteerLoad;

export interface CustomerCentralOptions {
  readonly intervalMs: number;
  readonly policy: Policy;
  /** Draws the candidates. */
  readonly random: Random;
  readonly view?: LoadView;
  /** False: central takes no notice of synchronisation. */
  readonly countsSync: boolean;
}

/** A volunteer whose load is looked at otherwise. */
interface ViewedVolunteer extends DeliveryVolunteer {
  readonly listed: CustomerVolunteer;
}

/** Central without HTTP, signatures and files: its own registry of announces, list of volunteers, pools and quick choice. */
export class CustomerCentral {
  readonly #live: LiveVolunteers;
  readonly #admitted = new Map<string, { readonly id: string; readonly name: string; readonly state: "enrolled" }>();
  readonly #volunteers: CustomerVolunteers;
  readonly #options: CustomerCentralOptions;

  constructor(clock: VirtualClock, options: CustomerCentralOptions) {
    this.#options = options;
    this.#live = new LiveVolunteers(clock, options.intervalMs);
    const audits = { reasonAgainst: () => undefined };
    this.#volunteers = new CustomerVolunteers({ byId: this.#admitted }, this.#live, {
      audits,
      clock,
      random: options.random,
    });
  }

  announce(id: string, announce: VolunteerAnnounce): void {
    this.#admitted.set(id, { id, name: id, state: "enrolled" });
    const told = this.#options.countsSync ? announce : { ...announce, isSyncing: false, bytesLeft: 0 };
    this.#live.announce(told, { id, host: "192.0.2.1", site: undefined });
  }

  /** Where a customer that wants so many bytes is sent; undefined if nobody is eligible. */
  redirect(lengthBytes: number): string | undefined {
    const pools = this.#volunteers.pools();
    const { view } = this.#options;
    const chosen =
      view === undefined
        ? this.#best(pools, lengthBytes, (volunteer) => volunteer)
        : this.#best(this.#viewed(pools, view), lengthBytes, ({ listed }) => listed);
    chosen?.noteRedirect(lengthBytes);
    return chosen?.id;
  }

  #best<V extends DeliveryVolunteer>(
    source: VolunteerSource<V>,
    lengthBytes: number,
    listedOf: (volunteer: V) => CustomerVolunteer,
  ): CustomerVolunteer | undefined {
    const demand = {
      customer: CUSTOMER,
      lengthBytes,
      neededRelease: undefined,
      isHeldBy: (volunteer: V) => listedOf(volunteer).holds(PLACE, false),
      hasMissed: () => false,
    };
    const [best] = chooseQuickly(source, demand, { policy: this.#options.policy, count: PLACES_NAMED });
    if (best !== undefined) this.#options.policy.noteSent?.(best, lengthBytes);
    return best && listedOf(best);
  }

  /** The same candidates with other loads. */
  #viewed(pools: VolunteerSource<CustomerVolunteer>, view: LoadView): VolunteerSource<ViewedVolunteer> {
    const viewed = (listed: CustomerVolunteer): ViewedVolunteer => {
      const { id, name, site, url, consent, isDraining, isSilent, isByName, release } = listed;
      const load = view(id, loadReportOf(this.#live.get(id)!));
      return { id, name, site, url, consent, isDraining, isSilent, isByName, release, load, listed };
    };
    return {
      candidates: (customer, passes, needsAll) =>
        pools.candidates(customer, (listed) => passes(viewed(listed)), needsAll).map(viewed),
    };
  }
}
