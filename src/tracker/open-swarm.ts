import type { Random } from "../core/clock.ts";
import { isEligible, type PeerRules } from "./choose-peers.ts";
import type { LiveVolunteer } from "./live-volunteer.ts";
import type { StockPeer } from "./stock-announce.ts";
import type { StockSwarms } from "./stock-swarms.ts";

/** How volunteers and stock clients meet where the operator lets both in (`serve --open`). */

/** A stock client as a volunteer is told of it. */
export interface StockPeerAnswer extends StockPeer {
  readonly bundle: number;
}

/** Stock clients named per bundle and in all. */
const STOCK_PEERS_PER_BUNDLE = 10;
const MAX_STOCK_PEERS = 50;

/** Stock clients that may have what a volunteer is fetching; none for one that is not. */
export function stockPeersFor(
  volunteer: LiveVolunteer,
  bundles: ReadonlyMap<number, string>,
  { swarms, random }: { readonly swarms: StockSwarms; readonly random: Random },
): readonly StockPeerAnswer[] {
  if (!volunteer.isSyncing) return [];
  const answer: StockPeerAnswer[] = [];
  const self = { host: volunteer.host, port: volunteer.port };
  for (const [bundle, infoHash] of bundles) {
    if (answer.length >= MAX_STOCK_PEERS) break;
    if (volunteer.holdings.bundles.get(bundle) === "all") continue;
    const wanted = Math.min(STOCK_PEERS_PER_BUNDLE, MAX_STOCK_PEERS - answer.length);
    for (const peer of swarms.peersOf(infoHash, self, { wanted, random })) answer.push({ bundle, ...peer });
  }
  return answer;
}

/** Volunteers for a stock client. */
export interface OpenVolunteers {
  /** Have all of the bundle. */
  readonly whole: readonly LiveVolunteer[];
  /** Have some of it or are about to. */
  readonly partial: readonly LiveVolunteer[];
}

/** Who of the reachable volunteers can give a bundle to stock clients. */
export function openVolunteers(
  bundle: number,
  candidates: readonly LiveVolunteer[],
  rules: Omit<PeerRules, "random"> & { readonly release: number },
): OpenVolunteers {
  const eligible = candidates.filter((candidate) => isEligible(candidate, rules));
  const isWhole = ({ holdings }: LiveVolunteer): boolean =>
    (holdings.bundles.get(bundle) ?? (holdings.completeRelease === rules.release ? "all" : "none")) === "all";
  return { whole: eligible.filter(isWhole), partial: eligible.filter((candidate) => !isWhole(candidate)) };
}

/** What decides on the peers of a stock client. */
export interface StockQuestion {
  readonly origin: StockPeer;
  readonly volunteers: OpenVolunteers;
  readonly others: readonly StockPeer[];
  /** It asked before and still lacks something. */
  readonly isAskingAgain: boolean;
  readonly wanted: number;
  readonly random: Random;
}

/** A stock client opens some dozens of connections; half of the names are for its own kind. */
const MAX_VOLUNTEERS = 25;

/**
 * The peers of a stock client. It knows nothing of "origin last", so the origin is named only if no volunteer has the whole
 * bundle, or if those that were named did not help.
 */
export function peersForStock(question: StockQuestion): readonly StockPeer[] {
  const { volunteers, isAskingAgain, origin, others, wanted, random } = question;
  const candidates = volunteers.whole.length > 0 ? volunteers.whole : volunteers.partial;
  const start = Math.floor(random() * candidates.length);
  const turned = [...candidates.slice(start), ...candidates.slice(0, start)];
  const named = turned.slice(0, MAX_VOLUNTEERS).map(({ host, port }) => ({ host, port }));
  const isOriginNeeded = volunteers.whole.length === 0 || isAskingAgain;
  return [...(isOriginNeeded ? [origin] : []), ...named, ...others].slice(0, wanted);
}
