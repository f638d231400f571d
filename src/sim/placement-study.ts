import { seededRandom, type Random } from "../core/clock.ts";
import type { PolicyName } from "../delivery/policies/named-policy.ts";
import type { FleetSample } from "./fleet-record.ts";
import { runFleet } from "./fleet-scenario.ts";
import type { FleetVolunteerPlan, Session } from "./fleet-volunteer.ts";
import type { FleetWorkload } from "./fleet-workload.ts";
import { PLACEMENT_NAMES, type PlacementName, placementNamed } from "./named-placement.ts";
import { originPeak, quantile, siteOfSomeCustomer } from "./volunteer-study.ts";
import { normal } from "./workload.ts";

const BIN_SECONDS = 600;
const DOWN_TO_UP = 4;
/** Sessions as apt-p2p's users had them: half of them longer than 5 hours, a fifth longer than 10 (lognormal). */
const MEDIAN_SESSION_SECONDS = 5 * 3_600;
const SESSION_SIGMA = 0.82;
/** As long as they are there they are away, on average; so that half of them are there at a time. */
const MEAN_SESSION_SECONDS: number = MEDIAN_SESSION_SECONDS * Math.exp(SESSION_SIGMA ** 2 / 2);

export interface PlacementStudyOptions {
  readonly seed: number;
  /** Machines that come and go. */
  readonly volunteers: number;
  readonly linkBytesPerSecond: number;
  readonly quotaBytes: number;
  readonly originBytesPerSecond: number;
  readonly originSyncBytesPerSecond: number;
  readonly policy: PolicyName;
  /** All of them if left out. */
  readonly placements?: readonly PlacementName[];
  /** Told of each run before it begins. */
  readonly onRun?: (placement: PlacementName) => void;
}

/** What volatile volunteers come to under a placement. */
export interface PlacementRow {
  readonly placement: PlacementName;
  /** Of customers' bytes, served by volunteers. */
  readonly servedShare: number;
  /** Fetched by all volunteers together, from each other or from central. */
  readonly replicatedBytes: number;
  /** Customers' bytes that volunteers served / bytes that were replicated for it. */
  readonly servedPerReplicated: number;
  readonly originPeakBytesPerSecond: number;
  readonly originBytes: number;
  readonly p95Seconds: number;
  readonly refusedConnections: number;
  readonly interruptions: number;
  readonly samples: readonly FleetSample[];
}

/** Machines without a mirror of their own that come and go; what central places on them, by policy. They begin empty. */
export async function studyPlacements(
  workload: FleetWorkload,
  options: PlacementStudyOptions,
): Promise<readonly PlacementRow[]> {
  const rows: PlacementRow[] = [];
  for (const placement of options.placements ?? PLACEMENT_NAMES) {
    options.onRun?.(placement);
    const random = seededRandom(options.seed + 29);
    const outcome = await runFleet({
      seed: options.seed,
      workload,
      originBytesPerSecond: options.originBytesPerSecond,
      originSyncBytesPerSecond: options.originSyncBytesPerSecond,
      volunteers: Array.from({ length: options.volunteers }, (_, at) =>
        planOf(workload, { ...options, random, placement, at }),
      ),
      policy: options.policy,
      announceSeconds: 60,
      binSeconds: BIN_SECONDS,
    });
    const { originCustomerBytes, volunteerCustomerBytes, originSyncBytes, fetchedBytes } = outcome;
    const replicatedBytes = fetchedBytes.reduce((sum, bytes) => sum + bytes, 0);
    rows.push({
      placement,
      servedShare: volunteerCustomerBytes / (originCustomerBytes + volunteerCustomerBytes),
      replicatedBytes,
      servedPerReplicated: replicatedBytes > 0 ? volunteerCustomerBytes / replicatedBytes : 0,
      originPeakBytesPerSecond: originPeak(outcome),
      originBytes: originCustomerBytes + originSyncBytes,
      p95Seconds: quantile(outcome.waitSeconds, 0.95),
      refusedConnections: outcome.refusedConnections,
      interruptions: outcome.interruptions,
      samples: outcome.samples,
    });
  }
  return rows;
}

interface PlanOptions {
  readonly seed: number;
  readonly linkBytesPerSecond: number;
  readonly quotaBytes: number;
  readonly random: Random;
  readonly placement: PlacementName;
  readonly at: number;
}

function planOf({ requests, horizonSeconds }: FleetWorkload, options: PlanOptions): FleetVolunteerPlan {
  const { linkBytesPerSecond, quotaBytes, random, placement, at } = options;
  return {
    upBytesPerSecond: linkBytesPerSecond,
    downBytesPerSecond: linkBytesPerSecond * DOWN_TO_UP,
    site: siteOfSomeCustomer(requests, random),
    sessions: volatileSessions(random, horizonSeconds),
    placement: placementNamed(placement, quotaBytes, options.seed * 1009 + at),
    isFilled: false,
  };
}

/** On and off, begun long before the first moment. */
function volatileSessions(random: Random, horizonSeconds: number): Session[] {
  const sessions: Session[] = [];
  for (let from = -random() * 2 * MEAN_SESSION_SECONDS; from < horizonSeconds;) {
    const toSeconds = from + MEDIAN_SESSION_SECONDS * Math.exp(SESSION_SIGMA * normal(random));
    if (toSeconds > 0) sessions.push({ fromSeconds: Math.max(0, from), toSeconds });
    from = toSeconds - MEAN_SESSION_SECONDS * Math.log(1 - random());
  }
  return sessions;
}
