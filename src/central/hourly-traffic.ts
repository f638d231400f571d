const HOUR_MS = 3_600_000;
const HOURS_KEPT = 48;

/** Counters that only grow. */
export interface TrafficCounters {
  readonly customerRequests: number;
  /** Of these, sent to a volunteer. */
  readonly customerRedirects: number;
  /** From central to customers. */
  readonly customerBytes: number;
  /** From central to volunteers, over BitTorrent. */
  readonly swarmBytes: number;
}

/** What was counted within an hour of the clock. */
export interface HourOfTraffic extends TrafficCounters {
  /** Milliseconds since 1970. */
  readonly startMs: number;
}

/** Central's traffic by the hour, of the last two days. */
export class HourlyTraffic {
  #last: TrafficCounters = { customerRequests: 0, customerRedirects: 0, customerBytes: 0, swarmBytes: 0 };
  #hours: HourOfTraffic[] = [];

  /** What grew since the last call counts for the hour of `wallMs`. To be called often. */
  note(counters: TrafficCounters, wallMs: number): void {
    const startMs = Math.floor(wallMs / HOUR_MS) * HOUR_MS;
    const newest = this.#hours.at(-1);
    // A clock that was put back goes on in the hour that is there.
    const hour = newest !== undefined && newest.startMs >= startMs ? newest : this.#begin(startMs);
    const last = this.#last;
    this.#hours[this.#hours.length - 1] = {
      startMs: hour.startMs,
      customerRequests: hour.customerRequests + counters.customerRequests - last.customerRequests,
      customerRedirects: hour.customerRedirects + counters.customerRedirects - last.customerRedirects,
      customerBytes: hour.customerBytes + counters.customerBytes - last.customerBytes,
      swarmBytes: hour.swarmBytes + counters.swarmBytes - last.swarmBytes,
    };
    this.#last = { ...counters };
  }

  /** Oldest first; hours in which nothing was noted are left out. */
  get hours(): readonly HourOfTraffic[] {
    return this.#hours;
  }

  #begin(startMs: number): HourOfTraffic {
    const hour = { startMs, customerRequests: 0, customerRedirects: 0, customerBytes: 0, swarmBytes: 0 };
    this.#hours = [...this.#hours, hour].slice(-HOURS_KEPT);
    return hour;
  }
}
