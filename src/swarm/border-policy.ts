import type { Bitfield } from "../core/bitfield.ts";
import { SecondCopyBudget } from "./second-copy-budget.ts";
import type { SiteView } from "./site-view.ts";

/** The next neighbour in turn waits for so long: a piece of 64 KiB is over and announced by then on lines of some Mbit/s. */
const TURN_MS = 2_000;
/** Nobody waits longer for neighbours: they may all have left. */
const MAX_WAIT_MS = 20_000;
/** Peers of spared sites get their turn so much later. */
const SPARED_WAIT_MS = 4_000;
/** Some neighbours have just come, left or can't be reached; beyond this the order of the connected ones says too little. */
const STRANGERS_FACTOR = 1.2;
/** All peers together give less than this share of the best they gave, for so long: then the border counts for nothing. */
const STARVING_SHARE = 0.3;
const STARVING_MS = 3_000;

/** What the policy looks at in a connection. */
export interface BorderPeer {
  readonly peerId: string;
  readonly isOrigin: boolean;
  readonly held: Bitfield;
  /** Kept by {@link BorderPolicy.moved}. */
  isNear: boolean;
}

export interface BorderPolicyOptions {
  readonly pieceCount: number;
  /** This volunteer's peer id. */
  readonly ownId: string;
  readonly sites: SiteView;
}

/**
 * Which pieces come from other sites: one copy per site crosses the border where possible. Neighbours take turns piece by
 * piece, in an order that follows from their ids and the piece, so nobody has to be asked; each waits {@link TURN_MS} for each of those
 * before it. Who sees more neighbours than it is connected to estimates its place. If the neighbours starve, all may ask.
 */
export class BorderPolicy {
  readonly #nearCounts: Uint16Array;
  /** Piece → when this volunteer's turn comes; set once, when the piece is first found beyond the border and not within. */
  readonly #turns = new Map<number, number>();
  readonly #ownHash: number;
  readonly #hashes = new Map<string, number>();
  readonly #budget = new SecondCopyBudget();
  #bestBytesPerSecond = 0;
  #starvingSinceMs: number | undefined;
  readonly #sites: SiteView;
  /** Ids of the neighbours that are connected. */
  #neighbours: readonly string[] = [];

  constructor({ pieceCount, ownId, sites }: BorderPolicyOptions) {
    this.#nearCounts = new Uint16Array(pieceCount);
    this.#ownHash = hashOf(ownId);
    this.#sites = sites;
  }

  isNear({ peerId, isOrigin }: BorderPeer): boolean {
    return !isOrigin && this.#sites.nearnessOf(peerId) === "near";
  }

  /** The tracker told only now where the peer stands; it was counted as standing elsewhere. */
  moved(peer: BorderPeer, wanted: Iterable<number>): void {
    peer.isNear = !peer.isNear;
    for (const piece of wanted) if (peer.held.has(piece)) this.change(piece, peer.isNear ? 1 : -1);
  }

  /** A neighbour offers (+1) or no longer offers (−1) the piece. */
  change(piece: number, by: 1 | -1): void {
    this.#nearCounts[piece]! += by;
  }

  /** What all peers but the origin give together; call about ten times a second. */
  noteRate(bytesPerSecond: number, peers: Iterable<BorderPeer>, nowMs: number): void {
    this.#neighbours = [...peers].filter((peer) => peer.isNear).map((peer) => peer.peerId);
    this.#bestBytesPerSecond = Math.max(this.#bestBytesPerSecond, bytesPerSecond);
    if (bytesPerSecond >= this.#bestBytesPerSecond * STARVING_SHARE) {
      this.#starvingSinceMs = undefined;
      this.#budget.close();
      return;
    }
    this.#starvingSinceMs ??= nowMs;
    if (nowMs - this.#starvingSinceMs > STARVING_MS) this.#budget.open(nowMs);
  }

  /** Blocks of the piece were asked of a peer of another site. */
  noteAsked(piece: number, lengthBytes: number): void {
    if (this.#nearCounts[piece]! > 0) this.#budget.spend(lengthBytes);
  }

  mayAsk(piece: number, peer: BorderPeer, nowMs: number): boolean {
    if (peer.isNear) return true;
    if (this.#nearCounts[piece]! > 0) return this.#budget.hasRoom(nowMs);
    let turnMs = this.#turns.get(piece);
    if (turnMs === undefined) {
      turnMs = nowMs + Math.min(MAX_WAIT_MS, this.#place(piece) * TURN_MS);
      this.#turns.set(piece, turnMs);
    }
    if (nowMs < turnMs) return this.#budget.hasRoom(nowMs);
    const isSpared = this.#sites.nearnessOf(peer.peerId) === "spared";
    return !isSpared || nowMs >= turnMs + SPARED_WAIT_MS;
  }

  /** The piece is here. */
  forget(piece: number): void {
    this.#turns.delete(piece);
  }

  /** How many neighbours go first. */
  #place(piece: number): number {
    const own = mixed(this.#ownHash, piece);
    // Strangers among the neighbours: of n places drawn evenly this one is about the share of lower numbers.
    const { neighbourCount } = this.#sites;
    if (neighbourCount > this.#neighbours.length * STRANGERS_FACTOR) return (own / 2 ** 32) * (neighbourCount + 1);
    let place = 0;
    for (const peerId of this.#neighbours) if (mixed(this.#hashOf(peerId), piece) < own) place++;
    return place;
  }

  #hashOf(peerId: string): number {
    let hash = this.#hashes.get(peerId);
    if (hash === undefined) this.#hashes.set(peerId, (hash = hashOf(peerId)));
    return hash;
  }
}

/** Peer ids are hashes already: their first 32 bits. */
function hashOf(peerId: string): number {
  return Number.parseInt(peerId.slice(0, 8), 16) >>> 0;
}

/** Spreads (peer, piece) over 32 bits: the finaliser of MurmurHash3. */
function mixed(hash: number, piece: number): number {
  let value = (hash ^ Math.imul(piece + 1, 0x9e3779b1)) >>> 0;
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
