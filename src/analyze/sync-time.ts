import type { SyncStep } from "./log-line.ts";

const DAY_SECONDS = 86_400;
/** Requests of a mirror that are less apart belong to one synchronisation. */
const MOST_PAUSE_SECONDS = 300;
/** A process of rsyncd that says nothing for longer has ended without a word. */
const MOST_SILENCE_SECONDS = 6 * 3600;
/** 40 mirrors that come every hour for two months; 24 bytes each. */
const MAX_SESSIONS = 60_000;
const MAX_RUNNING = 4096;
/** Who synchronises on fewer of the log's days is no mirror of this tree. */
const LEAST_SHARE_OF_DAYS = 0.5;

/** Hours are those of a day, UTC; null if no mirror was seen. */
export interface SyncTimeReport {
  /** Clients that synchronise on half of the log's days or more. */
  readonly mirrors: number;
  readonly otherClients: number;
  readonly sessions: number;
  /** Mirrors times days on which they synchronised. */
  readonly mirrorDays: number;
  readonly meanHours: number | null;
  readonly leastHours: number | null;
  readonly mostHours: number | null;
  /** By day since 1970, over the mirrors that synchronised on it. */
  readonly days: readonly { readonly day: number; readonly meanHours: number; readonly mostHours: number }[];
  /** Not counted, since so many sessions are kept at most. */
  readonly sessionsBeyond: number;
}

/** One step, of one client or of one process of rsyncd. */
export interface SyncEvent {
  readonly step: SyncStep;
  /** Of rsyncd; 0 for requests over HTTP. */
  readonly process: number;
  /** 32 bits; 0 if the line does not tell. */
  readonly client: number;
  readonly timeSeconds: number;
}

interface Running {
  readonly client: number;
  readonly begin: number;
  last: number;
}

interface Session {
  readonly client: number;
  readonly begin: number;
  readonly end: number;
}

/**
 * How long mirrors synchronise. A session of rsyncd lasts from its process' first line to its last; what a mirror of PRsync asks
 * central for is a session as long as no pause is longer than five minutes. Sessions of a mirror that overlap count once.
 */
export class SyncTimes {
  readonly #running = new Map<string, Running>();
  readonly #sessions: Session[] = [];
  #beyond = 0;

  add({ step, process, client, timeSeconds }: SyncEvent): void {
    const key = process === 0 ? `c${client}` : `p${process}`;
    const known = this.#running.get(key);
    const pause = process === 0 ? MOST_PAUSE_SECONDS : MOST_SILENCE_SECONDS;
    if (known !== undefined && (step === "begins" || timeSeconds - known.last > pause)) this.#end(key, known);
    const running = this.#running.get(key) ?? this.#begin(key, client, timeSeconds);
    if (running === undefined) return;
    running.last = Math.max(running.last, timeSeconds);
    if (step === "ends") this.#end(key, running);
  }

  /** The log ended: what was going on has ended with its last line. */
  endLog(): void {
    for (const [key, running] of this.#running) this.#end(key, running);
  }

  /** A line that does not tell whose process it is begins nothing. */
  #begin(key: string, client: number, timeSeconds: number): Running | undefined {
    if (client === 0) return undefined;
    if (this.#running.size >= MAX_RUNNING) this.endLog();
    const running = { client, begin: timeSeconds, last: timeSeconds };
    this.#running.set(key, running);
    return running;
  }

  #end(key: string, { client, begin, last }: Running): void {
    this.#running.delete(key);
    if (last <= begin) return;
    if (this.#sessions.length < MAX_SESSIONS) this.#sessions.push({ client, begin, end: last });
    else this.#beyond++;
  }

  /** @param logSeconds the log's begin and end */
  report([begin, end]: readonly [number, number]): SyncTimeReport {
    const logDays = Math.max(1, Math.floor(end / DAY_SECONDS) - Math.floor(begin / DAY_SECONDS) + 1);
    const byClient = Map.groupBy(this.#sessions, ({ client }) => client);
    const hoursByClient = [...byClient.values()].map(hoursByDay);
    const mirrors = hoursByClient.filter((days) => days.size >= LEAST_SHARE_OF_DAYS * logDays);
    const all = mirrors.flatMap((days) => [...days.values()]);
    const byDay = Map.groupBy(
      mirrors.flatMap((days) => [...days]),
      ([day]) => day,
    );
    return {
      mirrors: mirrors.length,
      otherClients: hoursByClient.length - mirrors.length,
      sessions: this.#sessions.length,
      mirrorDays: all.length,
      meanHours: all.length === 0 ? null : mean(all),
      leastHours: all.length === 0 ? null : all.reduce((least, hours) => Math.min(least, hours)),
      mostHours: all.length === 0 ? null : all.reduce((most, hours) => Math.max(most, hours)),
      days: [...byDay]
        .map(([day, rows]) => {
          const hours = rows.map(([, of]) => of);
          return { day, meanHours: mean(hours), mostHours: Math.max(...hours) };
        })
        .sort((a, b) => a.day - b.day),
      sessionsBeyond: this.#beyond,
    };
  }
}

/** Of one mirror: time in which at least one session ran, parted at midnight. */
function hoursByDay(sessions: readonly Session[]): Map<number, number> {
  const hours = new Map<number, number>();
  let covered = -Infinity;
  for (const { begin, end } of sessions.toSorted((a, b) => a.begin - b.begin)) {
    for (let at = Math.max(begin, covered); at < end;) {
      const day = Math.floor(at / DAY_SECONDS);
      const until = Math.min(end, (day + 1) * DAY_SECONDS);
      hours.set(day, (hours.get(day) ?? 0) + (until - at) / 3600);
      at = until;
    }
    covered = Math.max(covered, end);
  }
  return hours;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
