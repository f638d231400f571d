import type { Clock, Random } from "../core/clock.ts";
import { believedCapacities } from "../delivery/believed-capacity.ts";
import type { CustomerConsent, DeliveryVolunteer, VolunteerLoad } from "../delivery/delivery-volunteer.ts";
import { LoadEstimates, type LoadReport } from "../delivery/load-estimates.ts";
import type { OutstandingTransfers } from "../delivery/outstanding-transfers.ts";
import { trustedShare } from "../delivery/ramp-up.ts";
import { VolunteerPools } from "../delivery/volunteer-pools.ts";
import { type ContentPlace, holdsContent } from "../tracker/content-holders.ts";
import type { Holdings } from "../tracker/holdings.ts";
import type { LiveVolunteer } from "../tracker/live-volunteer.ts";
import type { VolunteerStates } from "../tracker/volunteer-states.ts";
import type { AdmittedVolunteer } from "./admitted-volunteers.ts";

/** How old the list may be: drained, silent and new volunteers count from then on, whatever else happened. */
const OLDEST_LIST_MS = 1_000;
/** Announces of a thousand volunteers come by the dozen per second: each of them shows after this long at the latest. */
const NEWEST_LIST_MS = 100;

/** A load is told anew after this long, or when a customer was sent there; policies take smaller differences for none. */
const LOAD_AGE_MS = 10;

/** What all listed volunteers share. */
interface Loads {
  readonly estimates: LoadEstimates;
  /** Of the request at hand. */
  nowMs: number;
}

interface ListedAs {
  readonly isSilent: boolean;
  readonly auditFailure: string | undefined;
  readonly loads: Loads;
  /** Since it was first heard of. */
  readonly knownForMs: number;
  /** Of what it announced. */
  readonly believedBytesPerSecond: number;
}

/** Why a volunteer gets no customers because of an audit, in words. */
export interface AuditResults {
  reasonAgainst(id: string): string | undefined;
}

type ListedVolunteer = Pick<AdmittedVolunteer, "id" | "name" | "state">;

/** Who takes part; `AdmittedVolunteers` is one. */
export interface VolunteerList {
  readonly byId: ReadonlyMap<string, ListedVolunteer>;
}

/** What the choice needs of the volunteers' state. */
export type HeardVolunteers = Pick<VolunteerStates, "revision" | "get" | "isOutOfReach">;

/** A volunteer for the choice, with what central knows of its holdings. */
export class CustomerVolunteer implements DeliveryVolunteer {
  readonly id: string;
  readonly name: string;
  readonly site: string | undefined;
  readonly url: string | undefined;
  readonly consent: CustomerConsent;
  readonly isDraining: boolean;
  readonly isSilent: boolean;
  readonly auditFailure: string | undefined;
  readonly isByName: boolean;
  readonly release: number;
  readonly isOnlyRedirected: boolean;
  readonly #holdings: Holdings;
  readonly #report: LoadReport;
  readonly #loads: Loads;
  /** Looked up when it is first needed: most of a thousand are not before the list is made anew. */
  #transfers: OutstandingTransfers | undefined;
  #load: VolunteerLoad | undefined;
  #loadMs = 0;

  constructor({ name, state }: ListedVolunteer, live: LiveVolunteer, as: ListedAs) {
    const { isSilent, auditFailure, loads, knownForMs, believedBytesPerSecond } = as;
    this.id = live.id;
    this.name = name;
    this.site = live.site;
    this.url = live.url;
    this.consent = live.customersFrom;
    this.isDraining = state === "draining";
    this.isSilent = isSilent;
    this.auditFailure = auditFailure;
    this.isByName = live.expectedMs !== undefined;
    this.release = live.release;
    this.isOnlyRedirected = live.isOnlyRedirected;
    this.#holdings = live.holdings;
    const capacityBytesPerSecond = believedBytesPerSecond * trustedShare(knownForMs);
    this.#report = { ...loadReportOf(live), capacityBytesPerSecond };
    this.#loads = loads;
  }

  /** As far as central knows ({@link holdsContent}). */
  holds(place: ContentPlace): boolean {
    return holdsContent(this.#holdings, place);
  }

  get load(): VolunteerLoad {
    const { nowMs } = this.#loads;
    if (this.#load === undefined || nowMs - this.#loadMs > LOAD_AGE_MS) {
      this.#load = this.#ownTransfers().load(nowMs);
      this.#loadMs = nowMs;
    }
    return this.#load;
  }

  noteRedirect(lengthBytes: number): void {
    this.#ownTransfers().add(lengthBytes, this.#loads.nowMs);
    this.#load = undefined;
  }

  #ownTransfers(): OutstandingTransfers {
    return (this.#transfers ??= this.#loads.estimates.transfersOf(this.id, this.#report));
  }
}

/**
 * The volunteers as a customer's request finds them: what the operator says, what they announced, what was sent there since.
 * One list and its pools (`VolunteerPools`), made anew after announces and changes of the registry, not per request.
 */
export class CustomerVolunteers {
  readonly #admitted: VolunteerList;
  readonly #live: HeardVolunteers;
  readonly #audits: AuditResults;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #loads: Loads = { estimates: new LoadEstimates(), nowMs: 0 };
  /** When each was first heard of; who was there before the first customer came is not new. Bounded by those enrolled. */
  readonly #knownSinceMs = new Map<string, number>();
  #listed: readonly CustomerVolunteer[] = [];
  #pools: VolunteerPools<CustomerVolunteer>;
  #liveRevision = -1;
  #hasListed = false;
  #listedMs = -Infinity;

  constructor(
    admitted: VolunteerList,
    live: HeardVolunteers,
    { audits, clock, random }: { readonly audits: AuditResults; readonly clock: Clock; readonly random: Random },
  ) {
    this.#audits = audits;
    this.#admitted = admitted;
    this.#live = live;
    this.#clock = clock;
    this.#random = random;
    this.#pools = new VolunteerPools([], random);
  }

  /** Those that are enrolled and announced since central knows of them. */
  all(): readonly CustomerVolunteer[] {
    this.#bringUpToDate();
    return this.#listed;
  }

  /** The same, for a quick choice among them. */
  pools(): VolunteerPools<CustomerVolunteer> {
    this.#bringUpToDate();
    return this.#pools;
  }

  #bringUpToDate(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#loads.nowMs = nowMs;
    const ageMs = nowMs - this.#listedMs;
    const isChanged = this.#live.revision !== this.#liveRevision;
    if (ageMs <= (isChanged ? NEWEST_LIST_MS : OLDEST_LIST_MS)) return;
    this.#listedMs = nowMs;
    this.#liveRevision = this.#live.revision;
    this.#listed = this.#list();
    this.#pools = new VolunteerPools(this.#listed, this.#random);
  }

  #list(): readonly CustomerVolunteer[] {
    const nowMs = this.#listedMs;
    const newSinceMs = this.#hasListed ? nowMs : -Infinity;
    this.#hasListed = true;
    const heard = [...this.#admitted.byId.values()].flatMap((row) => {
      const live = this.#live.get(row.id);
      return live === undefined ? [] : [{ row, live }];
    });
    const capacities = believedCapacities(heard.map(({ live }) => live.uploadCapacityBytesPerSecond));
    return heard.map(({ row, live }, index) => {
      const sinceMs = this.#knownSinceMs.get(row.id) ?? newSinceMs;
      this.#knownSinceMs.set(row.id, sinceMs);
      return new CustomerVolunteer(row, live, {
        isSilent: this.#live.isOutOfReach(live),
        auditFailure: this.#audits.reasonAgainst(row.id),
        loads: this.#loads,
        knownForMs: nowMs - sinceMs,
        believedBytesPerSecond: capacities[index]!,
      });
    });
  }
}

/** What an announce says about a volunteer's load. */
export function loadReportOf(live: LiveVolunteer): LoadReport {
  return {
    atMs: live.lastSeenMs,
    customers: live.customers,
    customerBytes: live.customerBytesLeft,
    syncBytes: live.isSyncing ? live.bytesLeft : 0,
    capacityBytesPerSecond: live.uploadCapacityBytesPerSecond,
  };
}
