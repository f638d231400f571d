import type { Clock } from "../core/clock.ts";
import { applyHoldings, NO_HOLDINGS } from "./holdings.ts";
import type { LiveVolunteer, PortState, SavedVolunteer } from "./live-volunteer.ts";
import { SiteBalance } from "./site-balance.ts";
import { SiteTable } from "./site-table.ts";
import { TransferTotals } from "./transfer-totals.ts";
import type { VolunteerAnnounce } from "./volunteer-announce.ts";
import type { Announcer, AnnounceOutcome, VolunteerStateStore } from "./volunteer-states.ts";

/** A reachable port is tried again after this long, an unreachable one sooner: firewalls get opened. */
const RECHECK_REACHABLE_MS = 3_600_000;
const RECHECK_UNREACHABLE_MS = 300_000;
/** Silent volunteers stay visible to the operator for a week. */
const FORGET_AFTER_MS: number = 7 * 24 * 3_600_000;

/** More than the two after which it is silent; what is saved stays the same from then on. */
const SILENT_INTERVALS = 2.001;

/** What can't be known of who is away. */
const IDLE = { isSyncing: false, bytesLeft: 0, customers: 0, customerBytesLeft: 0, uploadBytesPerSecond: 0 };

/**
 * The volunteers' state in memory, as their announces tell it, by volunteer id. Bounded: only enrolled ones get here, and the long
 * silent are dropped.
 */
export class LiveVolunteers implements VolunteerStateStore {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #siteTable: SiteTable;
  readonly #volunteers = new Map<string, LiveVolunteer>();
  #revision = 0;
  readonly balance: SiteBalance = new SiteBalance();
  readonly transfers: TransferTotals = new TransferTotals();

  /**
   * @param intervalMs between two announces of a volunteer
   * @param siteTable where those stand that have no site from their ticket
   */
  constructor(clock: Clock, intervalMs: number, siteTable: SiteTable = new SiteTable()) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#siteTable = siteTable;
  }

  announce(announce: VolunteerAnnounce, from: Announcer): AnnounceOutcome {
    const before = this.#volunteers.get(from.id);
    const known = before?.holdingsId === undefined ? undefined : { id: before.holdingsId, holdings: before.holdings };
    const applied = applyHoldings(known, announce.holdings);
    // Ids follow the wall clock, so that one from before a restart is never taken for a new one.
    const holdingsId = Math.max((before?.holdingsId ?? 0) + 1, Math.floor(this.#clock.wallMs()));
    const port = this.#portOf(before, announce.port, from.host);
    const volunteer: LiveVolunteer = {
      id: from.id,
      host: from.host,
      port: announce.port,
      ...port,
      site: announce.site ?? from.site ?? this.#siteTable.siteOf(from.host),
      url: announce.url,
      customersFrom: announce.customersFrom,
      isOnlyRedirected: announce.isOnlyRedirected,
      isByName: announce.isByName,
      expectedMs: announce.expectedMs,
      volatileQuotaBytes: announce.volatileQuotaBytes,
      isAway: false,
      release: announce.release,
      isSyncing: announce.isSyncing,
      bytesLeft: announce.bytesLeft,
      customers: announce.customers,
      customerBytesLeft: announce.customerBytesLeft,
      uploadBytesPerSecond: announce.uploadBytesPerSecond,
      uploadCapacityBytesPerSecond: announce.uploadCapacityBytesPerSecond,
      givenBytes: announce.uploadedBytes + (announce.transfers?.customerBytes ?? 0),
      holdings: applied ?? before?.holdings ?? NO_HOLDINGS,
      holdingsId: applied === undefined ? undefined : holdingsId,
      lastSeenMs: this.#clock.monotonicMs(),
      lastSeenWallMs: this.#clock.wallMs(),
    };
    const { border, transfers } = announce;
    if (volunteer.site !== undefined && border !== undefined) this.balance.note(from.id, volunteer.site, border);
    this.#revision++;
    if (transfers !== undefined) this.transfers.note(from.id, transfers, { hasStarted: announce.event === "started" });
    if (announce.event === "stopped") {
      this.transfers.forget(from.id);
      if (announce.url === undefined || announce.expectedMs === undefined) this.#volunteers.delete(from.id);
      else this.#volunteers.set(from.id, { ...volunteer, ...IDLE, isAway: true });
    } else this.#volunteers.set(from.id, volunteer);
    return {
      volunteer,
      holdingsId,
      fullHoldingsWanted: applied === undefined,
      isPortCheckDue: announce.event !== "stopped" && this.#isPortCheckDue(volunteer),
    };
  }

  notePort(address: { readonly id: string; readonly host: string; readonly port: number }, isReachable: boolean): void {
    const volunteer = this.#volunteers.get(address.id);
    if (volunteer?.host !== address.host || volunteer.port !== address.port) return;
    const portState: PortState = isReachable ? "reachable" : "unreachable";
    this.#volunteers.set(address.id, { ...volunteer, portState, portCheckedMs: this.#clock.monotonicMs() });
  }

  get revision(): number {
    return this.#revision;
  }

  get(id: string): LiveVolunteer | undefined {
    return this.#volunteers.get(id);
  }

  all(): readonly LiveVolunteer[] {
    const nowMs = this.#clock.monotonicMs();
    for (const volunteer of this.#volunteers.values()) {
      const isOld = nowMs - volunteer.lastSeenMs > FORGET_AFTER_MS;
      if (isOld && this.isOutOfReach(volunteer)) this.remove(volunteer.id);
    }
    return [...this.#volunteers.values()];
  }

  neighbourCount({ id, site }: LiveVolunteer): number {
    let count = 0;
    for (const other of this.#volunteers.values()) {
      if (other.site === site && other.id !== id && !this.isSilent(other)) count++;
    }
    return site === undefined ? 0 : count;
  }

  remove(id: string): void {
    this.#revision++;
    this.balance.forget(id);
    this.transfers.forget(id);
    this.#volunteers.delete(id);
  }

  isSilent(volunteer: LiveVolunteer): boolean {
    return volunteer.isAway || this.#clock.monotonicMs() - volunteer.lastSeenMs > 2 * this.#intervalMs;
  }

  isOutOfReach(volunteer: LiveVolunteer): boolean {
    const { expectedMs, lastSeenMs } = volunteer;
    if (expectedMs === undefined) return this.isSilent(volunteer);
    return this.#clock.monotonicMs() - lastSeenMs > 2 * Math.max(expectedMs, this.#intervalMs);
  }

  saved(): readonly SavedVolunteer[] {
    const nowMs = this.#clock.monotonicMs();
    return this.all().map((one) => {
      const unheard = Math.ceil((1000 * (nowMs - one.lastSeenMs)) / this.#intervalMs) / 1000;
      return { ...one, unheardIntervals: Math.min(SILENT_INTERVALS, unheard) };
    });
  }

  restore(volunteers: readonly SavedVolunteer[]): void {
    const nowMs = this.#clock.monotonicMs();
    this.#revision++;
    for (const { unheardIntervals, ...volunteer } of volunteers) {
      if (this.#volunteers.has(volunteer.id)) continue;
      const sinceMs = Math.max(0, this.#clock.wallMs() - volunteer.lastSeenWallMs);
      const isExpected = volunteer.expectedMs !== undefined;
      const lastSeenMs = nowMs - (isExpected ? sinceMs : this.#intervalMs * Math.max(1, unheardIntervals));
      this.#volunteers.set(volunteer.id, { ...volunteer, lastSeenMs, portCheckedMs: nowMs, holdingsId: undefined });
    }
  }

  #portOf(
    before: LiveVolunteer | undefined,
    port: number,
    host: string,
  ): { readonly portState: PortState; readonly portCheckedMs: number } {
    if (before?.host !== host || before.port !== port) return { portState: "unchecked", portCheckedMs: -Infinity };
    return { portState: before.portState, portCheckedMs: before.portCheckedMs };
  }

  #isPortCheckDue({ portState, portCheckedMs }: LiveVolunteer): boolean {
    const ageMs = this.#clock.monotonicMs() - portCheckedMs;
    return ageMs > (portState === "reachable" ? RECHECK_REACHABLE_MS : RECHECK_UNREACHABLE_MS);
  }
}
