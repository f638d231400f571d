import type { Clock, Random } from "../core/clock.ts";
import type { StockAnnounce, StockPeer } from "./stock-announce.ts";

interface Member extends StockPeer {
  readonly isSeed: boolean;
  readonly lastSeenMs: number;
}

export interface StockSwarmLimits {
  readonly intervalMs: number;
  readonly maxPeersPerSwarm: number;
  readonly maxPeers: number;
}

export const DEFAULT_STOCK_SWARM_LIMITS: StockSwarmLimits = {
  intervalMs: 30 * 60_000,
  maxPeersPerSwarm: 2_000,
  maxPeers: 50_000,
};

/**
 * Stock clients by info hash (BEP 3), for `serve --open`. The caller lets only known info hashes in; members that miss two
 * intervals go, and beyond a cap the longest silent ones.
 */
export class StockSwarms {
  readonly #clock: Clock;
  readonly #limits: StockSwarmLimits;
  /** Members in the order of their last announce, oldest first, by "host port". */
  readonly #swarms = new Map<string, Map<string, Member>>();
  #count = 0;

  constructor(clock: Clock, limits: StockSwarmLimits = DEFAULT_STOCK_SWARM_LIMITS) {
    this.#clock = clock;
    this.#limits = limits;
  }

  get peerCount(): number {
    return this.#count;
  }

  /** @param host the socket's address */
  announce(announce: StockAnnounce, host: string): void {
    const swarm = this.#swarms.get(announce.infoHash) ?? new Map<string, Member>();
    const key = `${host} ${announce.port}`;
    if (swarm.delete(key)) this.#count--;
    this.#dropOld(swarm);
    if (announce.event === "stopped") return this.#keep(announce.infoHash, swarm);
    if (swarm.size >= this.#limits.maxPeersPerSwarm) this.#dropFirst(swarm);
    this.#swarms.set(announce.infoHash, swarm);
    if (this.#count >= this.#limits.maxPeers) this.#dropFromLargest();
    const lastSeenMs = this.#clock.monotonicMs();
    swarm.set(key, { host, port: announce.port, isSeed: announce.leftBytes === 0, lastSeenMs });
    this.#swarms.set(announce.infoHash, swarm);
    this.#count++;
  }

  /** Up to `wanted` random members, not the asking one. */
  peersOf(
    infoHash: string,
    asking: StockPeer,
    choice: { readonly wanted: number; readonly random: Random },
  ): StockPeer[] {
    const swarm = this.#swarms.get(infoHash);
    if (swarm === undefined) return [];
    this.#dropOld(swarm);
    const members = [...swarm.values()].filter(({ host, port }) => host !== asking.host || port !== asking.port);
    const start = Math.floor(choice.random() * members.length);
    const turned = [...members.slice(start), ...members.slice(0, start)];
    return turned.slice(0, choice.wanted).map(({ host, port }) => ({ host, port }));
  }

  countsOf(infoHash: string): { readonly seeds: number; readonly leechers: number } {
    const members = [...(this.#swarms.get(infoHash)?.values() ?? [])];
    const seeds = members.filter((member) => member.isSeed).length;
    return { seeds, leechers: members.length - seeds };
  }

  #dropOld(swarm: Map<string, Member>): void {
    const oldestMs = this.#clock.monotonicMs() - 2 * this.#limits.intervalMs;
    for (const [key, member] of swarm) {
      if (member.lastSeenMs >= oldestMs) return;
      swarm.delete(key);
      this.#count--;
    }
  }

  #dropFirst(swarm: Map<string, Member>): void {
    const [key] = swarm.keys();
    if (key !== undefined && swarm.delete(key)) this.#count--;
  }

  #dropFromLargest(): void {
    let largest: Map<string, Member> | undefined;
    for (const swarm of this.#swarms.values()) if (swarm.size > (largest?.size ?? 0)) largest = swarm;
    if (largest !== undefined) this.#dropFirst(largest);
  }

  #keep(infoHash: string, swarm: Map<string, Member>): void {
    if (swarm.size === 0) this.#swarms.delete(infoHash);
    else this.#swarms.set(infoHash, swarm);
  }
}
