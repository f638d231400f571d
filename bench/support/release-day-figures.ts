import type { FleetOutcome } from "../../src/sim/fleet-record.ts";
import { runFleet } from "../../src/sim/fleet-scenario.ts";
import type { FleetWorkload } from "../../src/sim/fleet-workload.ts";
import { RELEASE_SECONDS } from "../../src/sim/release-day-workload.ts";
import { distributionOf } from "./distribution.ts";
import {
  boundHours,
  DAYS,
  isPartial,
  ordinaryDaysFleet,
  PAPER_DAYS,
  releaseDayFleet,
  releaseDayScene,
  type System,
} from "./release-day-scenes.ts";
import { median } from "./report.ts";

const HOUR = 3_600;
/** Images alone: the wait that is known of the paper's customers is one of minutes. */
const IMAGE_BYTES = 300e6;

/** What one seed of one system came to. */
export interface ReleaseDayFigures {
  /** Hours a day of synchronising: of a mirror's days the least and the most, its mean; each of the full mirror in the middle. */
  readonly leastHours: number;
  readonly middleHours: number;
  readonly mostHours: number;
  /** Of all mirrors and days. */
  readonly meanHours: number;
  /** What lines allow, the last mirror's (`boundHours`). */
  readonly boundHours: number;
  /** Central's bytes of the days with customers, and of these to mirrors. */
  readonly originGB: number;
  readonly originSyncGB: number;
  /** Customers' bytes from volunteers, percent. */
  readonly byVolunteers: number;
  /** Seconds that customers of images waited. */
  readonly imageP25: number;
  readonly imageP75: number;
  /** Seconds that all customers waited: on the quiet day, and in the four hours after the release. */
  readonly quietP95: number;
  readonly peakP95: number;
  /** From the release's publishing, seconds until the last mirror knew of it, hours until the last one had it; NaN: not within the time played. */
  readonly told: number;
  readonly complete: number;
  readonly failed: number;
}

export interface ReleaseDayRun {
  readonly figures: ReleaseDayFigures;
  readonly samples: FleetOutcome["samples"];
}

/** The days with customers and the ordinary ones, of one system. */
export async function runReleaseDay(system: System, seed: number): Promise<ReleaseDayRun> {
  const workload = releaseDayFleet(seed);
  const ordinary = ordinaryDaysFleet(seed);
  const outcome = await runFleet(releaseDayScene(system, workload, seed));
  const { syncSeconds } = await runFleet(releaseDayScene(system, ordinary, seed));
  const hours = outcome.syncSeconds.map((days, mirror) =>
    [...days.slice(0, DAYS), ...syncSeconds[mirror]!.slice(0, PAPER_DAYS - DAYS)].map((seconds) => seconds / HOUR),
  );
  const bound = boundHours([workload, ordinary], system);
  return {
    figures: { ...hourFigures(hours), boundHours: bound, ...customerFigures(outcome, workload) },
    samples: outcome.samples.filter(({ endSeconds }) => endSeconds <= DAYS * 24 * HOUR),
  };
}

/** @param hours of each mirror, by day */
function hourFigures(
  hours: readonly (readonly number[])[],
): Pick<ReleaseDayFigures, "leastHours" | "middleHours" | "mostHours" | "meanHours"> {
  const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  // A day on which the run of the day before still went on has none of its own.
  const leastOf = (days: readonly number[]): number => Math.min(...days.filter((one) => one > 0));
  const full = hours.filter((_, mirror) => !isPartial(mirror));
  return {
    leastHours: median(full.map(leastOf)),
    middleHours: median(full.map(meanOf)),
    mostHours: median(full.map((days) => Math.max(...days))),
    meanHours: meanOf(hours.map(meanOf)),
  };
}

function customerFigures(
  outcome: FleetOutcome,
  { requests, files }: FleetWorkload,
): Omit<ReleaseDayFigures, "leastHours" | "middleHours" | "mostHours" | "meanHours" | "boundHours"> {
  const { releases, waitSeconds, originCustomerBytes, originSyncBytes, volunteerCustomerBytes } = outcome;
  const released = releases.find(({ publishedSeconds }) => publishedSeconds === RELEASE_SECONDS)!;
  const within = (from: number, to: number, least = 0): Float64Array =>
    waitSeconds.filter((_, at) => {
      const { atSeconds, file } = requests[at]!;
      return atSeconds >= from && atSeconds < to && files[file]!.bytes >= least;
    });
  const images = distributionOf(within(0, DAYS * 24 * HOUR, IMAGE_BYTES));
  return {
    originGB: (originCustomerBytes + originSyncBytes) / 1e9,
    originSyncGB: originSyncBytes / 1e9,
    byVolunteers: (100 * volunteerCustomerBytes) / (volunteerCustomerBytes + originCustomerBytes),
    imageP25: images.p25,
    imageP75: images.p75,
    quietP95: distributionOf(within(0, 24 * HOUR)).p95,
    peakP95: distributionOf(within(RELEASE_SECONDS, RELEASE_SECONDS + 4 * HOUR)).p95,
    told: released.toldSeconds ?? NaN,
    complete: (released.completeSeconds ?? NaN) / HOUR,
    failed: waitSeconds.filter((seconds) => !(seconds > 0)).length,
  };
}

/** The middle one of each figure over the seeds. */
export function medianFigures(all: readonly ReleaseDayFigures[]): ReleaseDayFigures {
  const keys = Object.keys(all[0]!) as (keyof ReleaseDayFigures)[];
  const entries = keys.map((key) => [key, median(all.map((figures) => figures[key]))] as const);
  return Object.fromEntries(entries) as unknown as ReleaseDayFigures;
}
