import { seededRandom, type Random } from "../../src/core/clock.ts";
import { leastExpectedWait } from "../../src/delivery/policies/least-expected-wait.ts";
import { leastSent } from "../../src/delivery/policies/least-sent.ts";
import { randomOrder } from "../../src/delivery/policies/random-order.ts";
import { roundRobin } from "../../src/delivery/policies/round-robin.ts";
import { staticWeights } from "../../src/delivery/policies/static-weights.ts";
import { twoChoices } from "../../src/delivery/policies/two-choices.ts";
import type { MirrorSync } from "../../src/sim/customer-mirror.ts";
import type { Knowledge, ScenarioChoice, ScenarioMirror, ScenarioRequest } from "../../src/sim/customer-scenario.ts";
import type { Policy } from "../../src/delivery/policies/policy.ts";
import { drawFile, meanBytesOf, PAPER_MIX, poissonArrivals } from "../../src/sim/workload.ts";

/** Customers come for so long; what comes in the first third is not counted. */
export const HORIZON_SECONDS = 3_600;
export const WARM_UP_SECONDS = 1_200;
/** The volunteers of the paper's repository. */
const VOLUNTEERS = 40;
/**
 * Up, in Mbit/s, a quarter of the mirrors each. The equal ones are calibrated: with round robin and a workload of 20 % the middle
 * half of the customers of images wait for 8 to 15 minutes, the one wait that is known of the paper's customers (papers C39b).
 */
const LINES: Readonly<Record<BalanceScene["lines"], readonly number[]>> = {
  mixed: [5, 10, 10, 20],
  equal: [8.5, 8.5, 8.5, 8.5],
};
const BYTES_PER_MBIT = 125_000;
/** A mirror synchronises 1.81 h a day (paper): so many at a time. */
const SYNCING_SHARE = 1.81 / 24;
const DAILY_SYNC_SECONDS = 600;
/** Images, told from packages. */
export const IMAGE_BYTES = 300e6;

export interface BalanceScene {
  /** Bytes that customers ask for per second / what all lines take. */
  readonly workload: number;
  /** `daily`: as many as in the paper at any time. `half`: every second mirror, from the first moment to the last. */
  readonly syncing: "daily" | "half";
  readonly lines: "mixed" | "equal";
}

export interface PlayedScene {
  readonly mirrors: readonly ScenarioMirror[];
  readonly requests: readonly ScenarioRequest[];
}

/**
 * Mirrors and requests of a scene; the same for every policy.
 *
 * Workload 100 %: requests per second × mean bytes of a request = the sum of what all lines carry up. The synchronisation's bytes
 * come on top. Since customers come for a finite time, queues stay finite then, too.
 */
export function playScene({ workload, syncing, lines }: BalanceScene, seed: number): PlayedScene {
  const random = seededRandom(seed * 7919);
  const mirrors = Array.from({ length: VOLUNTEERS }, (_, index) => {
    const group = LINES[lines];
    const upBytesPerSecond = group[index % group.length]! * BYTES_PER_MBIT;
    const isOfHalf = Math.floor(index / group.length) % 2 === 0;
    const syncs = syncing === "daily" ? dailySyncs(upBytesPerSecond, random) : longSyncs(upBytesPerSecond, isOfHalf);
    return { upBytesPerSecond, syncs };
  });
  const capacity = mirrors.reduce((sum, { upBytesPerSecond }) => sum + upBytesPerSecond, 0);
  const perSecond = (workload * capacity) / meanBytesOf(PAPER_MIX);
  const requests = poissonArrivals(random, perSecond, HORIZON_SECONDS).map((atSeconds) => ({
    atSeconds,
    bytes: drawFile(PAPER_MIX, random).bytes,
    capBytesPerSecond: Infinity,
  }));
  return { mirrors, requests };
}

/** Rare and random: syncs that have the line for ten minutes, if they have it alone. */
function dailySyncs(upBytesPerSecond: number, random: Random): MirrorSync[] {
  const perSecond = SYNCING_SHARE / DAILY_SYNC_SECONDS;
  return poissonArrivals(random, perSecond, HORIZON_SECONDS).map((startSeconds) => ({
    startSeconds,
    bytes: upBytesPerSecond * DAILY_SYNC_SECONDS,
  }));
}

function longSyncs(upBytesPerSecond: number, isOfHalf: boolean): MirrorSync[] {
  return isOfHalf ? [{ startSeconds: 0, bytes: upBytesPerSecond * HORIZON_SECONDS }] : [];
}

function byPolicy(
  policy: (random: Random) => Policy,
  knowledge: Knowledge = "central",
  countsSync = true,
): ScenarioChoice {
  return { kind: "policy", policy, knowledge, countsSync };
}

/** What decides; `expected time` is what `serve` does by default. */
export const CHOICES = {
  random: byPolicy(randomOrder),
  "round robin": byPolicy(roundRobin),
  weights: byPolicy(staticWeights),
  "two choices": byPolicy(twoChoices),
  "least sent": byPolicy(leastSent),
  "expected time, sync not counted": byPolicy(leastExpectedWait, "central", false),
  "expected time": byPolicy(leastExpectedWait),
  "last announces alone": byPolicy(leastExpectedWait, "announces"),
  oracle: { kind: "oracle" },
} as const satisfies Readonly<Record<string, ScenarioChoice>>;

export type ChoiceName = keyof typeof CHOICES;
