import type { Random } from "../core/clock.ts";
import { holdsSomething } from "./holdings.ts";
import type { LiveVolunteer } from "./live-volunteer.ts";
import type { SiteBalance } from "./site-balance.ts";

/** Most peers in one answer (row T05). */
export const MAX_PEERS = 50;
/** Of the places in an answer, those kept for other sites: without them far groups starve. */
const ELSEWHERE_SHARE = 0.3;

/** Places for the sites whose pieces the volunteer brings, at the most. */
const MOST_SITES = 40;

/** A site that took twice what it gave is named four times as often. */
const DEBT_POWER = 2;

export interface PeerRules {
  readonly isSilent: (volunteer: LiveVolunteer) => boolean;
  /** Enrolled and not revoked. */
  readonly isAdmitted: (id: string) => boolean;
  readonly random: Random;
  /** Undefined: far volunteers are chosen without regard to what their sites gave. */
  readonly balance?: Pick<SiteBalance, "debtOf">;
  /** Sites of which one volunteer each is named before others. */
  readonly sitesOfTasks?: readonly string[];
}

/**
 * Which volunteers to name to one that asks: reachable, admitted, heard of lately, with something to give or about to
 * have it; of its own site first, but about a third from elsewhere. Random within both; among the far ones each site has
 * the same chance however large it is, more if it is in debt.
 */
export function choosePeers(
  asking: LiveVolunteer,
  candidates: readonly LiveVolunteer[],
  rules: PeerRules,
): readonly LiveVolunteer[] {
  const sitesOfTasks = new Set(rules.sitesOfTasks);
  const eligible = candidates.filter((candidate) => candidate.id !== asking.id && isEligible(candidate, rules));
  const isNear = (candidate: LiveVolunteer): boolean => asking.site !== undefined && candidate.site === asking.site;
  const near = shuffled(eligible.filter(isNear), rules.random);
  const far = oneOfEachFirst(
    bySite(
      eligible.filter((candidate) => !isNear(candidate)),
      rules,
    ),
    sitesOfTasks,
  );
  const leastFar = Math.max(Math.round(MAX_PEERS * ELSEWHERE_SHARE), Math.min(MOST_SITES, sitesOfTasks.size));
  const farPlaces = Math.max(leastFar, MAX_PEERS - near.length);
  const chosenFar = far.slice(0, farPlaces);
  return [...near.slice(0, MAX_PEERS - chosenFar.length), ...chosenFar];
}

function oneOfEachFirst(candidates: readonly LiveVolunteer[], sites: ReadonlySet<string>): LiveVolunteer[] {
  const open = new Set(sites);
  const first = candidates.filter(({ site }) => site !== undefined && open.delete(site));
  const isFirst = new Set(first);
  return [...first, ...candidates.filter((candidate) => !isFirst.has(candidate))];
}

/** Reachable, heard of lately, admitted, and with something to give or about to have it. */
export function isEligible(candidate: LiveVolunteer, rules: Omit<PeerRules, "random">): boolean {
  return (
    candidate.portState === "reachable" &&
    !rules.isSilent(candidate) &&
    (candidate.isSyncing || holdsSomething(candidate.holdings)) &&
    rules.isAdmitted(candidate.id)
  );
}

/** In an order drawn with weights (Efraimidis and Spirakis): the debt of the site, shared by its members. */
function bySite(candidates: readonly LiveVolunteer[], { random, balance }: PeerRules): LiveVolunteer[] {
  if (balance === undefined) return shuffled(candidates, random);
  const members = new Map<string | undefined, number>();
  for (const { site } of candidates) members.set(site, (members.get(site) ?? 0) + 1);
  const weightOf = ({ site }: LiveVolunteer): number =>
    site === undefined ? 1 : balance.debtOf(site) ** DEBT_POWER / members.get(site)!;
  return candidates
    .map((candidate) => ({ candidate, rank: -Math.log(1 - random()) / weightOf(candidate) }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ candidate }) => candidate);
}

/** Fisher and Yates. */
function shuffled<T>(items: readonly T[], random: Random): T[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [result[last], result[other]] = [result[other]!, result[last]!];
  }
  return result;
}
