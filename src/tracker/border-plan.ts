import { hashOfId, hashOfText, mixedHash } from "../core/rendezvous.ts";
import { isEligible, type PeerRules } from "./choose-peers.ts";
import type { LiveVolunteer } from "./live-volunteer.ts";

/** Bounds what one answer says; with more sites each piece comes from anywhere. */
const MAX_SITES = 200;
/** With fewer volunteers per site there is little to share within them. */
const MIN_VOLUNTEERS_PER_SITE = 2;
/** Stands for the origin among the gateways (`swarm/site-view.ts`). */
const ORIGIN_GATEWAY = "";

/** How the work at the borders of sites is shared (`swarm/piece-homes.ts`). */
export interface BorderPlan {
  /** All sites, in order; empty: nobody has a part. */
  readonly homes: readonly string[];
  /** Sites from which the volunteer that asks brings pieces for its own; "": from the origin. */
  readonly gateways: readonly string[];
}

/** Of the volunteers of a site that fetch something now, one brings the pieces of each other site: drawn by rendezvous hashing. */
export function borderPlanFor(
  asking: LiveVolunteer,
  candidates: readonly LiveVolunteer[],
  rules: Omit<PeerRules, "random">,
): BorderPlan {
  if (asking.site === undefined) return { homes: [], gateways: [] };
  const eligible = candidates.filter((candidate) => candidate.id === asking.id || isEligible(candidate, rules));
  const sites = new Set([asking.site]);
  for (const { site } of eligible) if (site !== undefined) sites.add(site);
  const isWorthIt = sites.size > 1 && sites.size <= MAX_SITES;
  if (!isWorthIt || eligible.length < MIN_VOLUNTEERS_PER_SITE * sites.size) return { homes: [], gateways: [] };
  const homes = [...sites].sort();
  const members = eligible.filter(({ site, isSyncing, id }) => site === asking.site && (isSyncing || id === asking.id));
  const hashes = members.map(({ id }) => hashOfId(id));
  const own = hashOfId(asking.id);
  const isOurs = (site: string): boolean => {
    const seed = hashOfText(site);
    const rank = mixedHash(own, seed);
    return hashes.every((hash) => hash === own || mixedHash(hash, seed) > rank);
  };
  const gateways = asking.isSyncing
    ? [ORIGIN_GATEWAY, ...homes].filter((site) => site !== asking.site && isOurs(site))
    : [];
  return { homes, gateways };
}
