import type { Random } from "../core/clock.ts";

/** Peers that are served at the same time while nothing is known of the line, */
export const UNCHOKE_SLOTS = 16;
/** at the least, so that a choked line is not left to one slow peer, */
const MIN_SLOTS = 4;
/** and at the most: who is connected at all (`dial-plan.ts`). */
const MAX_SLOTS = 30;
/** A piece should pass through a slot in this time: it is of use to others only when it is whole. */
const PIECE_MS = 2_000;
/** One peer of each other site is served beside the slots, as long as a piece passes in this time: nobody waits for much longer, */
const GATEWAY_PIECE_MS = 8_000;
/** of so many sites at the most: all that an answer of the tracker names (`tracker/border-plan.ts`). */
const MAX_GATEWAYS = 200;
/** How often the choice is made anew, */
export const CHOKE_ROUND_MS = 10_000;
/** but soon at first, and then after twice the time: what the line carries is not known yet, and whoever came late has no slot. */
export const FIRST_ROUND_MS = 2_000;
/** One slot in four goes to a peer at random, so that newcomers are served and better peers are found (BEP 3). */
const OPTIMISTIC_SHARE = 0.25;
/** Half of the others go to who has least, else some mirrors end long after the rest: all of them want the release. */
const NEEDY_SHARE = 0.5;

/** A peer as the choker sees it. Rates in payload bytes per second. */
export interface ChokerPeer {
  readonly key: number;
  readonly isInterested: boolean;
  /** What it gives us. */
  readonly givesBytesPerSecond: number;
  /** What it takes from us. */
  readonly takesBytesPerSecond: number;
  /** Pieces it has. */
  readonly heldCount: number;
}

/** Slots that a line up carries, so that each brings whole pieces soon. @param bytesPerSecond the most it was seen to give */
export function slotsFor(bytesPerSecond: number, pieceLength: number): number {
  const slots = Math.floor((bytesPerSecond * PIECE_MS) / 1000 / pieceLength);
  return Math.min(MAX_SLOTS, Math.max(MIN_SLOTS, slots));
}

/** Places beside the slots for peers that bring pieces to other sites. @param bytesPerSecond as of {@link slotsFor} */
export function gatewaysFor(bytesPerSecond: number, pieceLength: number): number {
  const places = Math.floor((bytesPerSecond * GATEWAY_PIECE_MS) / 1000 / pieceLength);
  return Math.min(MAX_GATEWAYS, Math.max(MIN_SLOTS, places));
}

/**
 * Which peers are unchoked in this round: all interested ones if there are slots for all; else the best givers (for a
 * seed, to whom nobody gives: the best takers, they spread the pieces fastest), those that have least, and at random in
 * the optimistic slots.
 */
export function chooseUnchoked(
  peers: readonly ChokerPeer[],
  random: Random,
  slots: number = UNCHOKE_SLOTS,
): ReadonlySet<number> {
  const interested = peers.filter((peer) => peer.isInterested);
  if (interested.length <= slots) return new Set(interested.map((peer) => peer.key));
  const optimisticSlots = Math.max(1, Math.floor(slots * OPTIMISTIC_SHARE));
  const ranked = shuffled(interested, random).sort(
    (a, b) => b.givesBytesPerSecond - a.givesBytesPerSecond || b.takesBytesPerSecond - a.takesBytesPerSecond,
  );
  const needySlots = Math.floor((slots - optimisticSlots) * NEEDY_SHARE);
  const best = ranked.splice(0, slots - optimisticSlots - needySlots);
  const needy = ranked.sort((a, b) => a.heldCount - b.heldCount).splice(0, needySlots);
  const lucky = shuffled(ranked, random).slice(0, optimisticSlots);
  return new Set([...best, ...needy, ...lucky].map((peer) => peer.key));
}

function shuffled<Item>(items: readonly Item[], random: Random): Item[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [result[last], result[other]] = [result[other]!, result[last]!];
  }
  return result;
}
