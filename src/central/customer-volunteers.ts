import type { Clock, Random } from "../core/clock.ts";
import { believedCapacities } from "../delivery/believed-capacity.ts";
import type { CustomerConsent, DeliveryVolunteer, VolunteerLoad } from "../delivery/delivery-volunteer.ts";
import { LoadEstimates, type LoadReport } from "../delivery/load-estimates.ts";
import type { OutstandingTransfers } from "../delivery/outstanding-transfers.ts";
import { trustedShare } from "../delivery/ramp-up.ts";
import { VolunteerPools } from "../delivery/volunteer-pools.ts";
import { claimsContent, type ContentPlace, showsWholeRelease } from "../tracker/content-holders.ts";
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

/** What pools sort a volunteer by; all else may change without another pool. */
type Standing = Pick<
  DeliveryVolunteer,
  "id" | "name" | "site" | "url" | "consent" | "isDraining" | "isSilent" | "auditFailure"
>;

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

/**
 * A volunteer for the choice, with what central knows of its holdings. Invariant: what pools sort by never changes ({@link isStill}); what
 * announces tell besides does, so that a thousand volunteers and their pools need not be made anew for each of their announces.
 */
export class CustomerVolunteer implements DeliveryVolunteer {
  readonly id: string;
  readonly name: string;
  readonly site: string | undefined;
  readonly url: string | undefined;
  readonly consent: CustomerConsent;
  readonly isDraining: boolean;
  readonly isSilent: boolean;
  readonly auditFailure: string | undefined;
  readonly #loads: Loads;
  #live: LiveVolunteer;
  #capacityBytesPerSecond: number;
  /** Looked up when it is first needed: most of a thousand are not between two of their announces. */
  #transfers: OutstandingTransfers | undefined;
  #load: VolunteerLoad | undefined;
  #loadMs = 0;

  /** @param capacityBytesPerSecond as far as its word is believed */
  constructor(
    standing: Standing,
    live: LiveVolunteer,
    as: { readonly capacityBytesPerSecond: number; readonly loads: Loads },
  ) {
    this.id = standing.id;
    this.name = standing.name;
    this.site = standing.site;
    this.url = standing.url;
    this.consent = standing.consent;
    this.isDraining = standing.isDraining;
    this.isSilent = standing.isSilent;
    this.auditFailure = standing.auditFailure;
    this.#loads = as.loads;
    this.#live = live;
    this.#capacityBytesPerSecond = as.capacityBytesPerSecond;
  }

  /** Whether it stands where it stood; else another object must take its place. */
  isStill(standing: Standing): boolean {
    return (
      this.name === standing.name &&
      this.site === standing.site &&
      this.url === standing.url &&
      this.consent === standing.consent &&
      this.isDraining === standing.isDraining &&
      this.isSilent === standing.isSilent &&
      this.auditFailure === standing.auditFailure
    );
  }

  /** What it announced last. */
  hear(live: LiveVolunteer, capacityBytesPerSecond: number): void {
    if (live === this.#live && capacityBytesPerSecond === this.#capacityBytesPerSecond) return;
    this.#live = live;
    this.#capacityBytesPerSecond = capacityBytesPerSecond;
    this.#transfers = undefined;
    this.#load = undefined;
  }

  get release(): number {
    return this.#live.release;
  }

  get isByName(): boolean {
    return this.#live.isByName;
  }

  get isSyncing(): boolean {
    return this.#live.isSyncing;
  }

  get isOnlyRedirected(): boolean {
    return this.#live.isOnlyRedirected;
  }

  /**
   * As far as central knows ({@link claimsContent}).
   * @param isBehindLink symlinks lead to the file: a web server may lack them, unless it shows all of the release
   */
  holds(place: ContentPlace, isBehindLink: boolean): boolean {
    if (isBehindLink && this.isByName && !showsWholeRelease(this.#live)) return false;
    return claimsContent(this.#live, place);
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
    if (this.#transfers !== undefined) return this.#transfers;
    const report = { ...loadReportOf(this.#live), capacityBytesPerSecond: this.#capacityBytesPerSecond };
    this.#transfers = this.#loads.estimates.transfersOf(this.id, report);
    return this.#transfers;
  }
}

/**
 * The volunteers as a customer's request finds them: what the operator says, what they announced, what was sent there since.
 * One list, brought up to date after announces and changes of the registry, not per request; its pools (`VolunteerPools`) are made anew only
 * if somebody came, went or stands elsewhere.
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
  #byId: ReadonlyMap<string, CustomerVolunteer> = new Map();
  /** As announced, and what is believed of it: in the order of {@link #listed}. */
  #announced: readonly number[] = [];
  #believed: readonly number[] = [];
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
    const listed = this.#list();
    const isSame = listed.length === this.#listed.length && listed.every((one, index) => one === this.#listed[index]);
    if (isSame) return;
    this.#listed = listed;
    this.#byId = new Map(listed.map((one) => [one.id, one]));
    this.#pools = new VolunteerPools(listed, this.#random);
  }

  #list(): readonly CustomerVolunteer[] {
    const nowMs = this.#listedMs;
    const newSinceMs = this.#hasListed ? nowMs : -Infinity;
    this.#hasListed = true;
    const heard: { readonly row: ListedVolunteer; readonly live: LiveVolunteer }[] = [];
    for (const row of this.#admitted.byId.values()) {
      const live = this.#live.get(row.id);
      if (live !== undefined) heard.push({ row, live });
    }
    const believed = this.#believedOf(heard.map(({ live }) => live.uploadCapacityBytesPerSecond));
    return heard.map(({ row, live }, index) => {
      const sinceMs = this.#knownSinceMs.get(row.id) ?? newSinceMs;
      this.#knownSinceMs.set(row.id, sinceMs);
      const capacityBytesPerSecond = believed[index]! * trustedShare(nowMs - sinceMs);
      const standing = this.#standingOf(row, live);
      const known = this.#byId.get(row.id);
      if (known?.isStill(standing) !== true)
        return new CustomerVolunteer(standing, live, { capacityBytesPerSecond, loads: this.#loads });
      known.hear(live, capacityBytesPerSecond);
      return known;
    });
  }

  #standingOf({ id, name, state }: ListedVolunteer, live: LiveVolunteer): Standing {
    return {
      id,
      name,
      site: live.site,
      url: live.url,
      consent: live.customersFrom,
      isDraining: state === "draining",
      isSilent: this.#live.isOutOfReach(live),
      auditFailure: this.#audits.reasonAgainst(id),
    };
  }

  /** Lines seldom change. */
  #believedOf(announced: readonly number[]): readonly number[] {
    const isSame =
      announced.length === this.#announced.length && announced.every((each, index) => each === this.#announced[index]);
    if (!isSame) {
      this.#announced = announced;
      this.#believed = believedCapacities(announced);
    }
    return this.#believed;
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
