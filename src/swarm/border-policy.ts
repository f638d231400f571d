import type { Bitfield } from "../core/bitfield.ts";
import { hashOfId, mixedHash } from "../core/rendezvous.ts";
import { PieceHomes } from "./piece-homes.ts";
import { SecondCopyBudget } from "./second-copy-budget.ts";
import type { SiteView } from "./site-view.ts";

/** The next neighbour in turn waits for so long: a piece of 64 KiB is over and announced by then on lines of some Mbit/s. */
const TURN_MS = 2_000;
/** Nobody waits longer for neighbours: they may all have left. */
const MAX_WAIT_MS = 20_000;
/** Some neighbours have just come, left or can't be reached; beyond this the order of the connected ones says too little. */
const STRANGERS_FACTOR = 1.2;
/** All peers together give less than this share of the best they gave, for so long: then the border counts for nothing. */
const STARVING_SHARE = 0.3;
const STARVING_MS = 3_000;
/** What a piece beyond the border takes to come near, while nobody knows; then an average in which the last one weighs so much. */
const UNKNOWN_COMING_MS = 5_000;
const COMING_WEIGHT = 1 / 16;

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
  /** Pieces that are fetched. */
  readonly wanted: Iterable<number>;
  /** This volunteer's peer id. */
  readonly ownId: string;
  readonly sites: SiteView;
  readonly nowMs: number;
}

/** A piece found beyond the border and not within. */
interface FarPiece {
  readonly sinceMs: number;
  /** What this volunteer leaves to its neighbours before it asks. */
  readonly turnMs: number;
}

/**
 * Which pieces come from other sites: one copy per site crosses the border where possible. Neighbours take turns piece by
 * piece, in an order that follows from their ids and the piece, so nobody has to be asked; each waits {@link TURN_MS} for each of those
 * before it. Who sees more neighbours than it is connected to estimates its place. If the neighbours starve, all may ask. Where
 * sites share the work ({@link PieceHomes}), the pieces of a site are one neighbour's task.
 */
export class BorderPolicy {
  readonly #nearCounts: Uint16Array;
  readonly #farPieces = new Map<number, FarPiece>();
  readonly #homes: PieceHomes;
  readonly #ownHash: number;
  readonly #hashes = new Map<string, number>();
  readonly #budget = new SecondCopyBudget();
  #bestBytesPerSecond = 0;
  #starvingSinceMs: number | undefined;
  readonly #sites: SiteView;
  /** Ids of the neighbours that are connected. */
  #neighbours: readonly string[] = [];
  #comingMs = UNKNOWN_COMING_MS;
  /** Of the last tick. */
  #nowMs: number;

  constructor({ pieceCount, wanted, ownId, sites, nowMs }: BorderPolicyOptions) {
    this.#homes = new PieceHomes({ pieceCount, wanted, sites, nowMs });
    this.#nowMs = nowMs;
    this.#nearCounts = new Uint16Array(pieceCount);
    this.#ownHash = hashOfId(ownId);
    this.#sites = sites;
  }

  isNear({ peerId, isOrigin }: BorderPeer): boolean {
    return !isOrigin && this.#sites.isNear(peerId);
  }

  /** The tracker told only now where the peer stands; it was counted as standing elsewhere. */
  moved(peer: BorderPeer, wanted: Iterable<number>): void {
    peer.isNear = !peer.isNear;
    for (const piece of wanted) if (peer.held.has(piece)) this.change(piece, peer.isNear ? 1 : -1);
  }

  /** A neighbour offers (+1) or no longer offers (−1) the piece. */
  change(piece: number, by: 1 | -1): void {
    if (by === 1 && this.#nearCounts[piece] === 0) this.#cameNear(piece);
    this.#nearCounts[piece]! += by;
  }

  /**
   * Time went by: call about ten times a second.
   * @param bytesPerSecond what all peers but the origin give together
   */
  tick(bytesPerSecond: number, peers: Iterable<BorderPeer>, nowMs: number): void {
    this.#nowMs = nowMs;
    this.#homes.tick(nowMs);
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

  /** Do sites share the work of bringing pieces from the origin? */
  get sharesWork(): boolean {
    return this.#homes.areUsed;
  }

  /** Do other sites wait for the piece to be here? */
  isUrgent(piece: number): boolean {
    return this.#homes.isOurs(piece);
  }

  /** A block came. */
  noteBlock(nowMs: number): void {
    this.#homes.moved(nowMs);
  }

  /** A peer other than the origin has the piece now, or it is here. */
  appeared(piece: number, nowMs: number): void {
    this.#homes.appeared(piece, nowMs);
  }

  mayAsk(piece: number, peer: BorderPeer, nowMs: number): boolean {
    if (peer.isNear) return true;
    if (this.#nearCounts[piece]! > 0) return this.#budget.hasRoom(nowMs);
    const { sinceMs, turnMs } = this.#farPiece(piece, nowMs);
    const times = { turnMs, comingMs: this.#comingMs };
    const waitMs = this.#homes.waitMs(piece, this.#sites.siteOf(peer.peerId), times);
    return nowMs >= sinceMs + waitMs || this.#budget.hasRoom(nowMs);
  }

  /** May the origin be asked for a piece, as far as sites go? */
  mayAskOrigin(piece: number): boolean {
    return this.#homes.mayAskOrigin(piece);
  }

  /** The piece is here. */
  forget(piece: number): void {
    this.#farPieces.delete(piece);
  }

  #cameNear(piece: number): void {
    const far = this.#farPieces.get(piece);
    if (far !== undefined) this.#comingMs += (this.#nowMs - far.sinceMs - this.#comingMs) * COMING_WEIGHT;
  }

  #farPiece(piece: number, nowMs: number): FarPiece {
    let found = this.#farPieces.get(piece);
    if (found === undefined) {
      found = { sinceMs: nowMs, turnMs: Math.min(MAX_WAIT_MS, this.#place(piece) * TURN_MS) };
      this.#farPieces.set(piece, found);
    }
    return found;
  }

  /** How many neighbours go first. */
  #place(piece: number): number {
    const own = mixedHash(this.#ownHash, piece);
    // Strangers among the neighbours: of n places drawn evenly this one is about the share of lower numbers.
    const { neighbourCount } = this.#sites;
    if (neighbourCount > this.#neighbours.length * STRANGERS_FACTOR) return (own / 2 ** 32) * (neighbourCount + 1);
    let place = 0;
    for (const peerId of this.#neighbours) if (mixedHash(this.#hashOf(peerId), piece) < own) place++;
    return place;
  }

  #hashOf(peerId: string): number {
    let hash = this.#hashes.get(peerId);
    if (hash === undefined) this.#hashes.set(peerId, (hash = hashOfId(peerId)));
    return hash;
  }
}
