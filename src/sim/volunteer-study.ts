import { seededRandom, type Random } from "../core/clock.ts";
import type { PolicyName } from "../delivery/policies/named-policy.ts";
import type { FleetOutcome } from "./fleet-record.ts";
import { runFleet } from "./fleet-scenario.ts";
import type { FleetVolunteerPlan, Session } from "./fleet-volunteer.ts";
import type { FleetRequest, FleetWorkload } from "./fleet-workload.ts";
import { fullPlacement } from "./placement.ts";

const DAY_SECONDS = 86_400;
const BIN_SECONDS = 600;
/** Volunteers' lines down are so much faster than up. */
const DOWN_TO_UP = 4;
/** Central gives volunteers at most this part of what it is to stay below, the rest is for customers. */
const SYNC_SHARE = 1 / 2;

export interface VolunteerStudyOptions {
  readonly seed: number;
  readonly counts: readonly number[];
  readonly linksBytesPerSecond: readonly number[];
  /** How long a mirror that synchronises once a day goes on serving, in seconds; Infinity: it stays. */
  readonly lingersSeconds: readonly number[];
  /** What central is to stay below. */
  readonly belowBytesPerSecond: number;
  readonly originBytesPerSecond: number;
  readonly policy: PolicyName;
  /** Told of each run before it begins. */
  readonly onRun?: (row: Pick<VolunteerRow, "count" | "linkBytesPerSecond" | "lingerSeconds">) => void;
}

/** What so many volunteers come to. */
export interface VolunteerRow {
  readonly count: number;
  /** Up, of each. */
  readonly linkBytesPerSecond: number;
  readonly lingerSeconds: number;
  /** The most of ten minutes, to customers and volunteers. */
  readonly originPeakBytesPerSecond: number;
  readonly originBytes: number;
  /** Of customers' bytes. */
  readonly volunteerShare: number;
  /** Of what volunteers gave customers: to those of their own site. */
  readonly sameSiteShare: number;
  readonly p50Seconds: number;
  readonly p95Seconds: number;
  /** Longest of the releases; undefined if it took longer than was played, or nobody stays. */
  readonly spreadSeconds: number | undefined;
}

/** How many volunteers, with what links and linger, keep central below a limit: each combination played with central's own choice. */
export async function studyVolunteers(
  workload: FleetWorkload,
  options: VolunteerStudyOptions,
): Promise<readonly VolunteerRow[]> {
  const rows: VolunteerRow[] = [];
  for (const lingerSeconds of options.lingersSeconds)
    for (const linkBytesPerSecond of options.linksBytesPerSecond)
      for (const count of options.counts) {
        options.onRun?.({ count, linkBytesPerSecond, lingerSeconds });
        const random = seededRandom(options.seed + 17);
        const outcome = await runFleet({
          seed: options.seed,
          workload,
          originBytesPerSecond: options.originBytesPerSecond,
          originSyncBytesPerSecond: options.belowBytesPerSecond * SYNC_SHARE,
          volunteers: Array.from({ length: count }, () =>
            planOf(workload, { linkBytesPerSecond, lingerSeconds, random }),
          ),
          policy: options.policy,
          announceSeconds: 60,
          binSeconds: BIN_SECONDS,
        });
        rows.push(rowOf({ count, linkBytesPerSecond, lingerSeconds }, outcome));
      }
  return rows;
}

/** The fewest of the counts that were tried, per link and linger; undefined if none is enough. */
export function fewestVolunteers(
  rows: readonly VolunteerRow[],
  belowBytesPerSecond: number,
): readonly {
  readonly linkBytesPerSecond: number;
  readonly lingerSeconds: number;
  readonly fewest: number | undefined;
}[] {
  const groups = Map.groupBy(rows, (row) => `${row.linkBytesPerSecond} ${row.lingerSeconds}`);
  return [...groups.values()].map((group) => {
    const { linkBytesPerSecond, lingerSeconds } = group[0]!;
    const enough = group.filter((row) => row.originPeakBytesPerSecond <= belowBytesPerSecond).map(({ count }) => count);
    return { linkBytesPerSecond, lingerSeconds, fewest: enough.length === 0 ? undefined : Math.min(...enough) };
  });
}

/** Central's load over time, the most of ten minutes. */
export function originPeak({ samples }: FleetOutcome): number {
  return Math.max(0, ...samples.map((sample) => sample.originToCustomers + sample.originToVolunteers));
}

/** @param waits not empty */
export function quantile(waits: Float64Array, share: number): number {
  const sorted = waits.toSorted();
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

/** A volunteer at the site of some customer: sites with many customers have more volunteers. */
export function siteOfSomeCustomer(requests: readonly FleetRequest[], random: Random): string | undefined {
  return requests[Math.floor(random() * requests.length)]?.site;
}

interface PlanOptions {
  readonly linkBytesPerSecond: number;
  readonly lingerSeconds: number;
  readonly random: Random;
}

function planOf(
  { requests, horizonSeconds }: FleetWorkload,
  { linkBytesPerSecond, lingerSeconds, random }: PlanOptions,
): FleetVolunteerPlan {
  return {
    upBytesPerSecond: linkBytesPerSecond,
    downBytesPerSecond: linkBytesPerSecond * DOWN_TO_UP,
    site: siteOfSomeCustomer(requests, random),
    sessions: dailySessions(random() * DAY_SECONDS, lingerSeconds, horizonSeconds),
    placement: fullPlacement,
    isFilled: true,
  };
}

function dailySessions(secondOfDay: number, lingerSeconds: number, horizonSeconds: number): Session[] {
  if (lingerSeconds >= DAY_SECONDS) return [{ fromSeconds: 0, toSeconds: Infinity }];
  const sessions: Session[] = [];
  for (let fromSeconds = secondOfDay; fromSeconds < horizonSeconds; fromSeconds += DAY_SECONDS)
    sessions.push({ fromSeconds, toSeconds: fromSeconds + lingerSeconds });
  return sessions;
}

function rowOf(
  tried: Pick<VolunteerRow, "count" | "linkBytesPerSecond" | "lingerSeconds">,
  outcome: FleetOutcome,
): VolunteerRow {
  const { originCustomerBytes, volunteerCustomerBytes, sameSiteBytes, originSyncBytes, releases, waitSeconds } =
    outcome;
  const spreads = releases.slice(1).map(({ completeSeconds }) => completeSeconds);
  return {
    ...tried,
    originPeakBytesPerSecond: originPeak(outcome),
    originBytes: originCustomerBytes + originSyncBytes,
    volunteerShare: volunteerCustomerBytes / (originCustomerBytes + volunteerCustomerBytes),
    sameSiteShare: volunteerCustomerBytes > 0 ? sameSiteBytes / volunteerCustomerBytes : 0,
    p50Seconds: quantile(waitSeconds, 0.5),
    p95Seconds: quantile(waitSeconds, 0.95),
    spreadSeconds: spreads.includes(undefined) || spreads.length === 0 ? undefined : Math.max(...spreads.map(Number)),
  };
}
