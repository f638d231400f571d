import type { Random } from "../core/clock.ts";
import { CHOKE_ROUND_MS, chooseUnchoked, FIRST_ROUND_MS, gatewaysFor, slotsFor, UNCHOKE_SLOTS } from "./choker.ts";
import { GatewaySlots } from "./gateway-slots.ts";
import type { SessionPeer } from "./session-peer.ts";

export interface UnchokeSlotsOptions {
  readonly random: Random;
  readonly pieceLength: number;
  /** The other site that the peer may bring pieces to. */
  readonly siteServed: (peer: SessionPeer) => string | undefined;
  /** It is sent something, and reads it. */
  readonly isTaking: (peer: SessionPeer, nowMs: number) => boolean;
  /** The peer lost its slot, and was told so. */
  readonly onChoked: (peer: SessionPeer) => void;
}

/** The slots of one bundle: how many its line carries, and which peers have one. */
export class UnchokeSlots {
  readonly #peers: ReadonlyMap<number, SessionPeer>;
  readonly #options: UnchokeSlotsOptions;
  readonly #gateways = new GatewaySlots();
  #roundAtMs = -Infinity;
  #roundMs = FIRST_ROUND_MS;
  #measured: number | undefined;
  #measuredGateways: number | undefined;
  /** The most this side gave to all together. */
  #capacityBytesPerSecond = 0;

  constructor(peers: ReadonlyMap<number, SessionPeer>, options: UnchokeSlotsOptions) {
    this.#peers = peers;
    this.#options = options;
  }

  interestChanged(peer: SessionPeer, isInterested: boolean, nowMs: number): void {
    peer.isInterested = isInterested;
    if (!isInterested) return this.left(peer, nowMs);
    this.#gateways.interested({ key: peer.key, site: this.#options.siteServed(peer) }, this.#gatewayCount, nowMs);
    const hasPlace = this.#gateways.has(peer.key) || this.#servedCount < this.#count;
    if (peer.isChoked && hasPlace) unchoke(peer);
  }

  /** It wants nothing any more, or its connection ended: what it had may be free for somebody who waits. */
  left(peer: SessionPeer, nowMs: number): void {
    this.#gateways.left(peer.key, nowMs);
    const isSomebodyWaiting = [...this.#peers.values()].some((peer) => peer.isInterested && peer.isChoked);
    if (isSomebodyWaiting) this.#choose(nowMs);
  }

  /** Call about ten times a second: holds a round when one is due. */
  tick(nowMs: number): void {
    if (nowMs - this.#roundAtMs < this.#roundMs) return;
    this.#roundAtMs = nowMs;
    this.#choose(nowMs);
    const isInUse = [...this.#peers.values()].some((peer) => peer.isInterested);
    if (isInUse) this.#roundMs = Math.min(CHOKE_ROUND_MS, 2 * this.#roundMs);
  }

  get #count(): number {
    // What was seen of the line in its first seconds is less than what it carries.
    const least = this.#roundMs < CHOKE_ROUND_MS ? UNCHOKE_SLOTS : 0;
    return Math.max(least, this.#measured ?? UNCHOKE_SLOTS);
  }

  get #gatewayCount(): number {
    return this.#measuredGateways ?? UNCHOKE_SLOTS;
  }

  get #servedCount(): number {
    let count = 0;
    for (const { key, isChoked, isInterested } of this.#peers.values())
      if (isInterested && !isChoked && !this.#gateways.has(key)) count++;
    return count;
  }

  #choose(nowMs: number): void {
    this.#measure(nowMs);
    const { siteServed, isTaking, random } = this.#options;
    const all = [...this.#peers.values()];
    const asking = all.map((peer) => ({
      key: peer.key,
      isInterested: peer.isInterested,
      isTaking: isTaking(peer, nowMs),
      site: siteServed(peer),
    }));
    this.#gateways.review(asking, this.#gatewayCount, nowMs);
    const inNeed = all.filter((peer) => !this.#gateways.has(peer.key));
    const rated = inNeed.map((peer) => ({
      key: peer.key,
      isInterested: peer.isInterested,
      givesBytesPerSecond: peer.pipeline.bytesPerSecond(nowMs),
      takesBytesPerSecond: peer.uploadRate.bytesPerSecond(nowMs),
      heldCount: peer.held.count,
    }));
    const chosen = chooseUnchoked(rated, random, this.#count);
    for (const peer of inNeed) {
      if (chosen.has(peer.key) && peer.isChoked) unchoke(peer);
      else if (!chosen.has(peer.key) && !peer.isChoked) this.#choke(peer);
    }
    for (const peer of all) if (peer.isChoked && this.#gateways.has(peer.key)) unchoke(peer);
  }

  #measure(nowMs: number): void {
    let bytesPerSecond = 0;
    for (const { uploadRate } of this.#peers.values()) bytesPerSecond += uploadRate.bytesPerSecond(nowMs);
    this.#capacityBytesPerSecond = Math.max(this.#capacityBytesPerSecond, bytesPerSecond);
    // A line that was not full yet says nothing about what it carries.
    const areSlotsFull = this.#servedCount >= this.#count;
    if (!areSlotsFull && !this.#gateways.areFull(this.#gatewayCount)) return;
    const slots = slotsFor(this.#capacityBytesPerSecond, this.#options.pieceLength);
    // Places may be full of peers that ask for little.
    this.#measured = areSlotsFull ? slots : Math.max(slots, this.#measured ?? UNCHOKE_SLOTS);
    this.#measuredGateways = gatewaysFor(this.#capacityBytesPerSecond, this.#options.pieceLength);
  }

  #choke(peer: SessionPeer): void {
    peer.isChoked = true;
    peer.wire.sendChoke();
    this.#options.onChoked(peer);
  }
}

function unchoke(peer: SessionPeer): void {
  peer.isChoked = false;
  peer.wire.sendUnchoke();
}
