import { estimateAlwaysOnline, type AlwaysOnlineEstimate } from "../model/always-online.ts";
import { QueryTime, WINDOWS_UPDATE_POLLING } from "../model/polling.ts";
import { DistinctCount } from "./distinct-count.ts";
import type { Request } from "./request.ts";

const HOUR_SECONDS = 3600;
/** Ten years of hours. */
const MAX_HOURS = 87_600;
/** Two years of hours, 1 KiB each. */
const MAX_POLLED_HOURS = 17_520;
/** Standard error 3.25 %. */
const POLL_BITS = 10;
/** Standard error 0.8 %. */
const CUSTOMER_BITS = 14;
/** Lemma 1 needs parts of the time in which no host asks twice. */
const PARTS: number = WINDOWS_UPDATE_POLLING.leastSeconds / HOUR_SECONDS;

export interface HourReport {
  /** Hours since 1970, UTC, in order, those without downloads left out. */
  readonly hours: readonly { readonly hour: number; readonly requests: number; readonly bytes: number }[];
  readonly busiest: { readonly hour: number; readonly requests: number } | null;
  /** Busiest hour over the mean of all hours from first to last. */
  readonly peakToMean: number | null;
  /** Share of the downloads by hour of the day, UTC. */
  readonly byHourOfDay: readonly number[];
  /** Downloads beyond the ten years of hours that are kept. */
  readonly requestsBeyond: number;
}

export interface AlwaysOnlineDay extends AlwaysOnlineEstimate {
  /** Days since 1970, UTC. */
  readonly day: number;
}

export interface AlwaysOnlineReport {
  /** Different client addresses, ± 0.8 %. */
  readonly customers: number;
  /** Lemma 1 by day: customers that ask for metadata in each of the first 18 hours of a day, ± 3.3 %. */
  readonly days: readonly AlwaysOnlineDay[];
  /** The least of the days' estimates; null without a whole day. */
  readonly estimate: number | null;
  readonly atMost: number | null;
  readonly confidence: number;
}

/** What is counted per hour. */
export class HourCounts {
  readonly #hours = new Map<number, { requests: number; bytes: number }>();
  readonly #polled = new Map<number, DistinctCount>();
  readonly #customers = new DistinctCount(CUSTOMER_BITS);
  #beyond = 0;
  #lastHour = -1;
  #last: { requests: number; bytes: number } = { requests: 0, bytes: 0 };

  add({ timeSeconds, bytes, client, kind }: Request): void {
    const hour = Math.floor(timeSeconds / HOUR_SECONDS);
    this.#customers.add(client);
    if (hour !== this.#lastHour && !this.#enter(hour)) {
      this.#beyond++;
      return;
    }
    this.#last.requests++;
    this.#last.bytes += bytes;
    if (kind === "metadata") this.#poll(hour, client);
  }

  #enter(hour: number): boolean {
    const found = this.#hours.get(hour) ?? { requests: 0, bytes: 0 };
    if (found.requests === 0 && this.#hours.size >= MAX_HOURS) return false;
    this.#hours.set(hour, found);
    this.#lastHour = hour;
    this.#last = found;
    return true;
  }

  #poll(hour: number, client: number): void {
    let customers = this.#polled.get(hour);
    if (customers === undefined) {
      if (this.#polled.size >= MAX_POLLED_HOURS) return;
      customers = new DistinctCount(POLL_BITS);
      this.#polled.set(hour, customers);
    }
    customers.add(client);
  }

  hours(): HourReport {
    const hours = [...this.#hours].sort(([a], [b]) => a - b).map(([hour, counted]) => ({ hour, ...counted }));
    const total = hours.reduce((sum, { requests }) => sum + requests, 0);
    const byHourOfDay = Array.from({ length: 24 }, () => 0);
    let busiest: HourReport["busiest"] = null;
    for (const { hour, requests } of hours) {
      byHourOfDay[hour % 24]! += requests / total;
      if (requests > (busiest?.requests ?? 0)) busiest = { hour, requests };
    }
    const span = hours.length === 0 ? 0 : hours.at(-1)!.hour - hours[0]!.hour + 1;
    return {
      hours,
      busiest,
      peakToMean: busiest === null ? null : (busiest.requests * span) / total,
      byHourOfDay,
      requestsBeyond: this.#beyond,
    };
  }

  /**
   * Lemma 1 of Planet Scale Software Updates, with its rule that hosts ask again after 18 to 22 hours: a host that is always
   * online asks in each hour of the first 18 with probability 1/20. Polls are requests for metadata.
   */
  alwaysOnline(): AlwaysOnlineReport {
    const queryTime = new QueryTime(WINDOWS_UPDATE_POLLING);
    const days = this.#wholeDays().map((day) => {
      const counts = Array.from({ length: PARTS }, (_, part) => ({
        queries: this.#polled.get(day * 24 + part)?.estimate() ?? 0,
        probability: queryTime.share((part + 1) * HOUR_SECONDS) - queryTime.share(part * HOUR_SECONDS),
      }));
      return { day, ...estimateAlwaysOnline(counts) };
    });
    const least = days.toSorted((a, b) => a.estimate - b.estimate)[0];
    return {
      customers: this.#customers.estimate(),
      days,
      estimate: least?.estimate ?? null,
      atMost: least?.atMost ?? null,
      confidence: 0.95,
    };
  }

  /** Days that begin after the log's first hour and whose 18th hour is not its last. */
  #wholeDays(): number[] {
    const hours = [...this.#hours.keys()].sort((a, b) => a - b);
    if (hours.length === 0) return [];
    const first = Math.ceil(hours[0]! / 24);
    const last = Math.floor((hours.at(-1)! - PARTS) / 24);
    const days = new Set([...this.#polled.keys()].map((hour) => Math.floor(hour / 24)));
    return [...days].filter((day) => day >= first && day <= last).sort((a, b) => a - b);
  }
}
