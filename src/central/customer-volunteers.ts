import type { Clock } from "../core/clock.ts";
import type { DeliveryVolunteer } from "../delivery/delivery-volunteer.ts";
import { LoadEstimates, type LoadReport } from "../delivery/load-estimates.ts";
import type { VolunteerRegistry } from "../store/volunteer-registry.ts";
import type { RegisteredVolunteer } from "../store/volunteer-rows.ts";
import type { LiveVolunteer } from "../tracker/live-volunteer.ts";
import type { LiveVolunteers } from "../tracker/live-volunteers.ts";

/** How long a drained or revoked volunteer may still get customers: not every request asks the registry's file. */
const REGISTRY_AGE_MS = 1_000;

/** A volunteer for the choice, with what central knows of its holdings. */
export interface CustomerVolunteer extends DeliveryVolunteer {
  readonly live: LiveVolunteer;
}

/** The volunteers as a customer's request finds them: what the operator says, what they announced, what was sent there since. */
export class CustomerVolunteers {
  readonly #registry: VolunteerRegistry;
  readonly #live: LiveVolunteers;
  readonly #clock: Clock;
  readonly #loads = new LoadEstimates();
  #rows: readonly RegisteredVolunteer[] = [];
  #readMs = -Infinity;

  constructor(registry: VolunteerRegistry, live: LiveVolunteers, clock: Clock) {
    this.#registry = registry;
    this.#live = live;
    this.#clock = clock;
  }

  /** Those that are enrolled and announced since central knows of them. */
  all(): readonly CustomerVolunteer[] {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#readMs > REGISTRY_AGE_MS) {
      this.#rows = this.#registry.list().filter(({ state }) => state === "enrolled" || state === "draining");
      this.#readMs = nowMs;
    }
    return this.#rows.flatMap((row) => {
      const live = row.id === undefined ? undefined : this.#live.get(row.id);
      return live === undefined ? [] : [this.#volunteerOf(row, live, nowMs)];
    });
  }

  noteRedirect({ id, live }: CustomerVolunteer, lengthBytes: number): void {
    this.#loads.noteRedirect(id, loadReportOf(live), { lengthBytes, nowMs: this.#clock.monotonicMs() });
  }

  #volunteerOf({ name, state }: RegisteredVolunteer, live: LiveVolunteer, nowMs: number): CustomerVolunteer {
    return {
      id: live.id,
      name,
      site: live.site,
      url: live.url,
      consent: live.customersFrom,
      isDraining: state === "draining",
      isSilent: this.#live.isSilent(live),
      release: live.release,
      load: this.#loads.estimate(live.id, loadReportOf(live), nowMs),
      live,
    };
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
