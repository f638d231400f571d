import { seededRandom } from "../../src/core/clock.ts";
import type { FleetScenario } from "../../src/sim/fleet-scenario.ts";
import type { FleetVolunteerPlan } from "../../src/sim/fleet-volunteer.ts";
import type { FleetFile, FleetWorkload } from "../../src/sim/fleet-workload.ts";
import { fullPlacement, partialPlacement } from "../../src/sim/placement.ts";
import {
  DEFAULT_RELEASE_DAY,
  RELEASE_SECONDS,
  releaseDayWorkload,
  type FileCounts,
} from "../../src/sim/release-day-workload.ts";
import { normal } from "../../src/sim/workload.ts";
import { changedOn, planPaperRepository } from "./paper-repository.ts";

/** With customers; a release on the second. */
export const DAYS = 4;
/** The paper's edge node was watched for so long: the days with customers, then ordinary ones. */
export const PAPER_DAYS = 35;
const DAY_SECONDS = 86_400;
const VOLUNTEERS = 40;
const BYTES_PER_MBIT = 125_000;
/** One planned file stands for a thousand like it. */
const SCALE = 1_000;
/** What changed in a day is published at midnight, before the mirrors' night. */
const DAILY_SECOND = 60;

// Calibrated to the paper's hours a day of an edge node (0.54 least, 1.81 mean, 20.53 most; papers C9) with rsync and central's own
// delivery, and by nothing else. Three figures tell the walk, central's line and the release's size, once the night is chosen; a longer night goes with
// a slower line and a smaller release (8 h, 100 Mbit/s, 30 GB: 0.53 / 1.70 / 17.8, and PRsync 0.17 h a day, for its hours follow that line).
/** Mirrors' cron jobs begin within few hours of the night, at a minute of their own: so they share central's line. Ours. */
const NIGHT_SECONDS = 4 * 3_600;
/** Central's line up: by the mean. */
const CENTRAL = 140 * BYTES_PER_MBIT;
/** By the most: images, packages and the rest, 40 GB, a seventh of one of the ten distributions in 2.86 TB. */
const NEW_FILES: FileCounts = [58, 1160, 387];
/** rsync looks at 2.2 million files on both sides: the paper's least day is little else. */
const WALK_SECONDS = 0.5 * 3_600;
/**
 * Days are uneven: standard deviation of the natural logarithm of what a day's changes are beside their mean. Ours; two thirds of the days
 * lie within a factor of 1.6, so that some days are nearly empty, which the paper's least day must have been.
 */
const DAY_SIGMA = 0.5;
/** Of customers, so that the middle half of those of images wait for 8 to 15 minutes with static mirrors (papers C39b). */
const CUSTOMER_LINES = { medianDownBytesPerSecond: 6.8 * BYTES_PER_MBIT, lineSigma: 0.25 };
const REQUESTS = 15_000;

/**
 * Volunteers' lines, up = down / 4. The baseline's hours are the same with both, as central's line is the narrow one, so that calibration does not
 * tell them: departments' mirrors (papers C31) are at a gigabit, and a tenth of it stands beside that.
 */
const GIGABIT = 1_000 * BYTES_PER_MBIT;
const TENTH = 100 * BYTES_PER_MBIT;

/** A way to bring releases to mirrors and files to customers. */
export interface System {
  readonly name: string;
  readonly isRsync: boolean;
  /** How central chooses for customers; undefined: it serves all itself. */
  readonly policy: FleetScenario["policy"];
  readonly downBytesPerSecond: number;
}

export const OWN_DELIVERY: System = {
  name: "rsync, own delivery",
  isRsync: true,
  policy: undefined,
  downBytesPerSecond: GIGABIT,
};
export const STATIC_MIRRORS: System = { ...OWN_DELIVERY, name: "rsync, static mirrors by weight", policy: "weights" };
export const PRSYNC: System = { ...OWN_DELIVERY, name: "PRsync", isRsync: false, policy: "near" };
export const SLOW_PRSYNC: System = { ...PRSYNC, name: "PRsync, mirrors 100/25 Mbit/s", downBytesPerSecond: TENTH };
export const SYSTEMS: readonly System[] = [OWN_DELIVERY, STATIC_MIRRORS, PRSYNC, SLOW_PRSYNC];

/**
 * Four days of the paper's repository: each midnight what changed in it (bench/support/paper-repository.ts, as literal bytes after a delta,
 * the same for rsync and PRsync), on the second one a distribution's release, too, and its customers.
 */
export function releaseDayFleet(seed: number): FleetWorkload {
  const played = releaseDayWorkload({
    ...DEFAULT_RELEASE_DAY,
    days: DAYS,
    requests: REQUESTS,
    newFiles: NEW_FILES,
    seed,
    ...CUSTOMER_LINES,
  });
  const changes = dailyChanges(seed, 0, DAYS);
  const publishedSeconds = [...changes.publishedSeconds, RELEASE_SECONDS].sort((a, b) => a - b);
  const numberOf = (seconds: number): number => publishedSeconds.indexOf(seconds);
  const customers = played.files.map((file) => ({
    ...file,
    release: file.release === 0 ? 0 : numberOf(RELEASE_SECONDS),
  }));
  const daily = changes.files.map((file) => ({
    ...file,
    release: numberOf(changes.publishedSeconds[file.release]!),
  }));
  return { ...played, files: [...customers, ...daily], publishedSeconds };
}

/** The days after it, without customers: on an ordinary day these take 2 % of central's line. */
export function ordinaryDaysFleet(seed: number): FleetWorkload {
  const days = PAPER_DAYS - DAYS;
  return { ...dailyChanges(seed, DAYS, days), requests: [], horizonSeconds: days * DAY_SECONDS };
}

function dailyChanges(seed: number, firstDay: number, days: number): Pick<FleetWorkload, "files" | "publishedSeconds"> {
  const plan = planPaperRepository(SCALE, seed);
  const publishedSeconds = [0, ...Array.from({ length: days }, (_, day) => day * DAY_SECONDS + DAILY_SECOND)];
  const files = Array.from({ length: days }, (_, day): FleetFile[] => {
    const random = seededRandom(seed * 101 + firstDay + day);
    const unevenness = Math.exp(DAY_SIGMA * normal(random) - DAY_SIGMA ** 2 / 2);
    return changedOn(plan, firstDay + day + 1, seed).map(({ bytes, likeness }) => ({
      bytes: Math.ceil(bytes * (1 - likeness) * SCALE * unevenness),
      kind: "package",
      release: day + 1,
    }));
  }).flat();
  return { files, publishedSeconds };
}

/** Every other mirror is partial. */
export function isPartial(mirror: number): boolean {
  return mirror % 2 === 1;
}

/** 40 mirrors, half of them partial, as a system has them follow and central deliver. */
export function releaseDayScene(
  { isRsync, policy, downBytesPerSecond }: System,
  workload: FleetWorkload,
  seed: number,
): FleetScenario {
  const random = seededRandom(seed * 31 + 7);
  const volunteers = Array.from({ length: VOLUNTEERS }, (_, at): FleetVolunteerPlan => {
    const secondOfDay = DAILY_SECOND + random() * NIGHT_SECONDS;
    return {
      upBytesPerSecond: downBytesPerSecond / 4,
      downBytesPerSecond,
      sessions: [{ fromSeconds: 0, toSeconds: Infinity }],
      placement: isPartial(at) ? partialPlacement(0.5, seed * 1009 + at) : fullPlacement,
      isFilled: true,
      ...(isRsync ? { rsync: { secondOfDay, walkSeconds: WALK_SECONDS } } : {}),
    };
  });
  return {
    seed,
    workload,
    originBytesPerSecond: CENTRAL,
    volunteers,
    policy,
    // Nobody reads the announces of days without customers.
    announceSeconds: workload.requests.length > 0 ? 60 : 3_600,
    binSeconds: 3_600,
  };
}

/**
 * Hours until the last mirror can have what was published, added up and divided by the days: Kumar and Ross's bound with central, these lines and
 * half of the mirrors wanting half (model/kumar-ross.ts has it for mirrors that want the same).
 */
export function boundHours(workloads: readonly FleetWorkload[], { downBytesPerSecond }: System): number {
  const copies = 0.75 * VOLUNTEERS;
  const supply = CENTRAL + (VOLUNTEERS * downBytesPerSecond) / 4;
  const secondsFor = (bytes: number): number =>
    Math.max(bytes / CENTRAL, bytes / downBytesPerSecond, (copies * bytes) / supply);
  const seconds = workloads.flatMap(({ files, publishedSeconds }) =>
    publishedSeconds.slice(1).map((_, at) => {
      const isOf = ({ release }: FleetFile): boolean => release === at + 1;
      return secondsFor(files.filter(isOf).reduce((sum, { bytes }) => sum + bytes, 0));
    }),
  );
  return seconds.reduce((sum, one) => sum + one, 0) / 3_600 / PAPER_DAYS;
}
