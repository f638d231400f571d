import type { Random } from "../core/clock.ts";

/** Peers that are served at the same time. */
export const UNCHOKE_SLOTS = 16;
/** How often the choice is made anew. */
export const CHOKE_ROUND_MS = 10_000;
/** One slot in four goes to a peer at random, so that newcomers are served and better peers are found (BEP 3). */
const OPTIMISTIC_SHARE = 0.25;

/** A peer as the choker sees it. Rates in payload bytes per second. */
export interface ChokerPeer {
  readonly key: number;
  readonly isInterested: boolean;
  /** What it gives us. */
  readonly givesBytesPerSecond: number;
  /** What it takes from us. */
  readonly takesBytesPerSecond: number;
}

/**
 * Which peers are unchoked in this round: all interested ones if there are slots for all; else the best givers (for a
 * seed, to whom nobody gives: the best takers, they spread the pieces fastest), and at random in the optimistic slots.
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
  const best = ranked.slice(0, slots - optimisticSlots);
  const lucky = shuffled(ranked.slice(best.length), random).slice(0, optimisticSlots);
  return new Set([...best, ...lucky].map((peer) => peer.key));
}

function shuffled<Item>(items: readonly Item[], random: Random): Item[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [result[last], result[other]] = [result[other]!, result[last]!];
  }
  return result;
}
