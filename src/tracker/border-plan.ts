import { hashOfId, hashOfText, mixedHash } from "../core/rendezvous.ts";
import type { PeerRules } from "./choose-peers.ts";
import type { LiveVolunteer } from "./live-volunteer.ts";

/** Tasks for each volunteer of a site, */
const TASKS_PER_VOLUNTEER = 2;
/** while one home is not divided further than this. */
const MAX_SLICES = 32;
/** Bounds what one answer says; with more sites each piece comes from anywhere. */
const MAX_HOMES = 200;
/** A site with fewer that fetch has little to share, and its one line would carry what all others wait for. */
const MIN_VOLUNTEERS = 2;
/** Who fetches announces every few seconds; who did not for so long is gone, busy with something else, or stuck. */
const FRESH_MS = 30_000;
/** Stands for the origin among the sites of tasks (`swarm/site-view.ts`). */
const ORIGIN = "";

/** How the work at the borders of sites is shared (`swarm/piece-homes.ts`). */
export interface BorderPlan {
  /** The sites that fetch something now, in order; empty: nobody has a part. */
  readonly homes: readonly string[];
  /** Into so many tasks the pieces of each home are divided. */
  readonly slices: number;
  /** What the volunteer that asks brings for its own site. */
  readonly tasks: readonly BorderTask[];
}

export interface BorderTask {
  /** Where the pieces come from; "": those of the own site from the origin. */
  readonly site: string;
  /** 0 … slices − 1. */
  readonly slice: number;
}

export const NO_BORDER_PLAN: BorderPlan = { homes: [], slices: 1, tasks: [] };

/**
 * Of the volunteers of a site that fetch something now, one brings each slice of the pieces of each other site: drawn by
 * rendezvous hashing, about two for each, so that no line carries much more than others. Homes are the sites where somebody fetches who can be called; sites that are complete give to whoever asks.
 */
export function borderPlanFor(
  asking: LiveVolunteer,
  candidates: readonly LiveVolunteer[],
  rules: Omit<PeerRules, "random">,
): BorderPlan {
  const fetching = whoFetch(candidates, asking.lastSeenMs, rules);
  const homes = homesAmong(fetching);
  if (asking.site === undefined || homes.length === 0) return NO_BORDER_PLAN;
  const members = fetching.filter(({ site }) => site === asking.site);
  const slices = slicesFor(members.length, homes.length);
  const isFetching = members.some(({ id }) => id === asking.id);
  return { homes, slices, tasks: isFetching ? tasksOf(asking, members, { homes, slices }) : [] };
}

/** The homes of all plans at the moment, whoever asks: none, or two at least. */
export function borderHomes(
  candidates: readonly LiveVolunteer[],
  nowMs: number,
  rules: Pick<PeerRules, "isAdmitted">,
): readonly string[] {
  return homesAmong(whoFetch(candidates, nowMs, rules));
}

function whoFetch(
  candidates: readonly LiveVolunteer[],
  nowMs: number,
  { isAdmitted }: Pick<PeerRules, "isAdmitted">,
): readonly LiveVolunteer[] {
  return candidates.filter(
    (one) => one.isSyncing && one.bytesLeft > 0 && nowMs - one.lastSeenMs <= FRESH_MS && isAdmitted(one.id),
  );
}

function homesAmong(fetching: readonly LiveVolunteer[]): readonly string[] {
  const homes = [...Map.groupBy(fetching, ({ site }) => site)]
    .filter(([, members]) => members.length >= MIN_VOLUNTEERS && members.some(isReachable))
    .flatMap(([site]) => site ?? [])
    .sort();
  return homes.length < 2 || homes.length > MAX_HOMES ? [] : homes;
}

/** A power of two, so that it seldom changes: then tasks stay where they are when somebody comes or goes. */
function slicesFor(volunteers: number, homes: number): number {
  const wanted = (TASKS_PER_VOLUNTEER * volunteers) / homes;
  return Math.min(MAX_SLICES, 2 ** Math.max(0, Math.ceil(Math.log2(wanted))));
}

function isReachable({ portState }: LiveVolunteer): boolean {
  return portState === "reachable";
}

function tasksOf(
  asking: LiveVolunteer,
  members: readonly LiveVolunteer[],
  { homes, slices }: Pick<BorderPlan, "homes" | "slices">,
): BorderTask[] {
  const hashes = members.map(({ id }) => hashOfId(id));
  const own = hashOfId(asking.id);
  const isOurs = ({ site, slice }: BorderTask): boolean => {
    const seed = hashOfText(`${slice} ${site}`);
    const rank = mixedHash(own, seed);
    return hashes.every((hash) => hash === own || mixedHash(hash, seed) > rank);
  };
  return [ORIGIN, ...homes]
    .filter((site) => site !== asking.site)
    .flatMap((site) => Array.from({ length: slices }, (_, slice) => ({ site, slice })))
    .filter(isOurs);
}
