import { loadReportOf } from "../central/customer-volunteers.ts";
import { chooseVolunteer } from "../delivery/choose-volunteer.ts";
import type { DeliveryVolunteer, VolunteerLoad } from "../delivery/delivery-volunteer.ts";
import type { Customer } from "../delivery/eligibility.ts";
import { LoadEstimates, type LoadReport } from "../delivery/load-estimates.ts";
import type { Policy } from "../delivery/policies/policy.ts";
import { holdsContent } from "../tracker/content-holders.ts";
import type { LiveVolunteer } from "../tracker/live-volunteer.ts";
import { LiveVolunteers } from "../tracker/live-volunteers.ts";
import type { VolunteerAnnounce } from "../tracker/volunteer-announce.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** As many as central names. */
const PLACES_NAMED = 4;
const CUSTOMER: Customer = { address: "198.51.100.7", site: undefined, protocol: "http" };
/** Of the release that every mirror announces. */
const PLACE = { bundle: 1, ordinal: 0, sinceRelease: 1 };

/** A volunteer as central sees it. */
export interface KnownVolunteer extends DeliveryVolunteer {
  readonly live: LiveVolunteer;
}

/** Replaces what central thinks of a volunteer's load: for comparison with those who know less, or all. */
export type LoadView = (id: string, report: LoadReport) => VolunteerLoad;

export interface CustomerCentralOptions {
  readonly intervalMs: number;
  readonly policy: Policy;
  readonly view?: LoadView;
  /** False: central takes no notice of synchronisation. */
  readonly countsSync: boolean;
}

/** Central without HTTP, signatures and files: the real registry of announces, estimates of loads, eligibility and policies. */
export class CustomerCentral {
  readonly #live: LiveVolunteers;
  readonly #known = new Map<string, KnownVolunteer>();
  readonly #loads = new LoadEstimates();
  readonly #clock: VirtualClock;
  readonly #options: CustomerCentralOptions;

  constructor(clock: VirtualClock, options: CustomerCentralOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#live = new LiveVolunteers(clock, options.intervalMs);
  }

  announce(id: string, announce: VolunteerAnnounce): void {
    const { volunteer } = this.#live.announce(announce, { id, host: "192.0.2.1", site: undefined });
    this.#known.set(id, this.#volunteerOf(volunteer));
  }

  /** Where a customer that wants so many bytes is sent; undefined if nobody is eligible. */
  redirect(lengthBytes: number): string | undefined {
    const { policy } = this.#options;
    const nowMs = this.#clock.monotonicMs();
    const demand = {
      customer: CUSTOMER,
      lengthBytes,
      neededRelease: undefined,
      isHeldBy: ({ live }: KnownVolunteer) => holdsContent(live.holdings, PLACE),
      hasMissed: () => false,
    };
    const { ranked } = chooseVolunteer(this.#known.values(), demand, {
      policy,
      count: PLACES_NAMED,
      isDoubtful: () => false,
    });
    const chosen = ranked[0];
    if (chosen !== undefined) this.#loads.noteRedirect(chosen.id, this.#reportOf(chosen.live), { lengthBytes, nowMs });
    return chosen?.id;
  }

  /** Its load and silence are looked at when they are asked for: nothing else changes between two announces. */
  #volunteerOf(live: LiveVolunteer): KnownVolunteer {
    const registry = this.#live;
    const loadOf = (): VolunteerLoad => this.#loadOf(live);
    return {
      id: live.id,
      name: live.id,
      site: live.site,
      url: live.url,
      consent: live.customersFrom,
      isDraining: false,
      get isSilent(): boolean {
        return registry.isSilent(live);
      },
      release: live.release,
      get load(): VolunteerLoad {
        return loadOf();
      },
      live,
    };
  }

  #loadOf(live: LiveVolunteer): VolunteerLoad {
    const report = this.#reportOf(live);
    return this.#options.view?.(live.id, report) ?? this.#loads.estimate(live.id, report, this.#clock.monotonicMs());
  }

  #reportOf(live: LiveVolunteer): LoadReport {
    const report = loadReportOf(live);
    return this.#options.countsSync ? report : { ...report, syncBytes: 0 };
  }
}
