import type { BundleLayout } from "../core/bundle-layout.ts";
import type { Bitfield } from "../core/bitfield.ts";
import type { Random } from "../core/clock.ts";
import { BorderPolicy } from "./border-policy.ts";
import type { BudgetClaim } from "./fair-budget.ts";
import type { ArrivedBlock, DownloadEffect } from "./download-effect.ts";
import type { DownloadPeer } from "./download-peer.ts";
import { OriginPolicy } from "./origin-policy.ts";
import { pickBlocks, type PickerView } from "./piece-picker.ts";
import type { BlockState, PieceProgress } from "./piece-progress.ts";
import type { WantedRanges } from "./ports.ts";
import { RequestBudget } from "./request-budget.ts";
import type { SiteView } from "./site-view.ts";
import { SourceRules } from "./source-rules.ts";
import { type DownloadProgress, WantedPieces } from "./wanted-pieces.ts";
import type { BlockRequest } from "./wire/peer-wire.ts";

/**
 * Received bytes that the disk has not taken yet; beyond this nothing more is asked for. With what is under way it stays below what a
 * mirror keeps in memory of begun pieces (`edge/mirror-bundle.ts`): where the disk was slow, blocks beyond that were written one by one
 * and read again, and made it slower.
 */
const MAX_UNWRITTEN_BYTES: number = 8 * 1024 * 1024;
/** Interest outlasts the last useful piece: haves come five times a second, and each change is a message. */
const INTEREST_MS = 5_000;

export interface DownloadOptions {
  readonly layout: BundleLayout;
  readonly wanted: WantedRanges;
  readonly random: Random;
  readonly nowMs: number;
  /** Undefined if what is received is not limited. */
  readonly budget?: BudgetClaim | undefined;
  /** This volunteer's peer id. */
  readonly ownId: string;
  readonly sites: SiteView;
  /** Nobody but the origin is known of; false if it is not told. */
  readonly isAlone?: (() => boolean) | undefined;
}

/** The decisions of one bundle's download: event in, effects out; no I/O, no timers. */
export class Download {
  readonly #pieces: WantedPieces;
  readonly #peers = new Map<number, DownloadPeer>();
  readonly #originPolicy: OriginPolicy;
  readonly #border: BorderPolicy;
  readonly #sources: SourceRules;
  readonly #view: PickerView;
  readonly #budget: RequestBudget;
  #unwrittenBytes = 0;
  #progressMs: number;
  #effects: DownloadEffect[] = [];

  constructor({ layout, wanted, random, nowMs, budget, ownId, sites, isAlone }: DownloadOptions) {
    this.#budget = new RequestBudget(budget);
    this.#pieces = new WantedPieces(layout, wanted);
    this.#border = new BorderPolicy({
      pieceCount: layout.pieceCount,
      wanted: wanted.keys(),
      ownId,
      sites,
      nowMs,
    });
    this.#originPolicy = new OriginPolicy(nowMs);
    this.#progressMs = nowMs;
    const parts = { pieces: this.#pieces, border: this.#border, originPolicy: this.#originPolicy };
    this.#sources = new SourceRules({ ...parts, budget: this.#budget, nowMs });
    this.#view = {
      availability: this.#pieces.availability,
      active: this.#pieces.active,
      incomplete: this.#pieces.incomplete,
      originPolicy: this.#originPolicy,
      suspects: this.#pieces.suspects,
      random,
      isAlone: () => this.#peers.size === 1 && !this.#originPolicy.hasDeferred && isAlone?.() === true,
      mayAsk: (peer, piece, nowMs) => this.#sources.mayAsk(peer, piece, nowMs),
      hasUrgent: () => this.#border.sharesWork,
      isUrgent: (piece) => this.#border.isUrgent(piece),
      begin: (piece, owner) => this.#pieces.begin(piece, owner, this.#progressMs),
    };
  }

  get isComplete(): boolean {
    return this.#pieces.missing.size === 0;
  }

  /** When the last block came (or the download began). */
  get progressMs(): number {
    return this.#progressMs;
  }

  get progress(): DownloadProgress {
    return this.#pieces.progress;
  }

  /** Pieces still missing, ascending. */
  get missingPieces(): number[] {
    return [...this.#pieces.missing.keys()].sort((a, b) => a - b);
  }

  /** Does anybody connected offer anything that is missing? */
  get hasSource(): boolean {
    for (const peer of this.#peers.values()) if (peer.offeredCount > 0) return true;
    return false;
  }

  /** Is the origin of use: something is missing that no other peer offers, or the peers are slow. */
  needsOrigin(nowMs: number): boolean {
    return this.#sources.needsOrigin(nowMs);
  }

  addPeer(peer: DownloadPeer, nowMs: number): DownloadEffect[] {
    this.#peers.set(peer.key, peer);
    peer.offeredCount = 0;
    peer.isExhausted = false;
    peer.hasNothingUrgent = false;
    peer.isNear = this.#border.isNear(peer);
    for (const piece of this.#pieces.missing.keys()) if (peer.held.has(piece)) this.#offer(peer, piece, 1);
    this.#fill(peer, nowMs);
    return this.#takeEffects();
  }

  removePeer(key: number, nowMs: number): DownloadEffect[] {
    const peer = this.#peers.get(key);
    if (peer === undefined) return [];
    this.#peers.delete(key);
    for (const request of peer.pipeline.takeAll()) this.#pieces.release(request, peer.key);
    if (!peer.isOrigin) {
      for (const piece of this.#pieces.missing.keys()) if (peer.held.has(piece)) this.#count(peer, piece, -1);
    }
    this.#fillAll(nowMs);
    return this.#takeEffects();
  }

  /** The peer's first word on what it holds. */
  peerHolds(key: number, held: Bitfield, nowMs: number): DownloadEffect[] {
    const peer = this.#peers.get(key);
    if (peer === undefined) return [];
    const before = peer.held;
    peer.held = held;
    for (const piece of this.#pieces.missing.keys()) {
      if (held.has(piece) === before.has(piece)) continue;
      this.#offer(peer, piece, held.has(piece) ? 1 : -1);
      if (held.has(piece) && !peer.isOrigin) this.#border.appeared(piece, nowMs);
    }
    this.#fill(peer, nowMs);
    return this.#takeEffects();
  }

  /** The peer got a piece that it did not hold; `held` says so already. */
  peerHas(key: number, piece: number, nowMs: number): DownloadEffect[] {
    const peer = this.#peers.get(key);
    if (peer === undefined || !this.#pieces.missing.has(piece)) return [];
    this.#offer(peer, piece, 1);
    this.#border.appeared(piece, nowMs);
    this.#fill(peer, nowMs);
    return this.#takeEffects();
  }

  /** The peer lost a piece that it held; `held` says so already. What was asked of it ends by rejects. */
  peerLost(key: number, piece: number): DownloadEffect[] {
    const peer = this.#peers.get(key);
    if (peer !== undefined && this.#pieces.missing.has(piece)) this.#offer(peer, piece, -1);
    return this.#takeEffects();
  }

  /** The peer unchoked us. */
  peerUnchoked(key: number, nowMs: number): DownloadEffect[] {
    const peer = this.#peers.get(key);
    if (peer !== undefined) this.#fill(peer, nowMs);
    return this.#takeEffects();
  }

  rejected(key: number, request: BlockRequest, nowMs: number): DownloadEffect[] {
    const peer = this.#peers.get(key);
    if (peer === undefined) return [];
    const { pipeline, isOrigin } = peer;
    if (!(isOrigin ? pipeline.forget(request) : pipeline.rejected(request, nowMs))) return [];
    this.#budget.rejected(request.lengthBytes, nowMs);
    this.#pieces.release(request, peer.key);
    if (peer.isChoking) return this.#takeEffects();
    // The origin says so of what it no longer holds. Another peer may just refuse it: it would be asked for ever.
    if (peer.isOrigin && peer.held.has(request.piece)) this.#originPolicy.noteDeferral(request.piece, nowMs);
    else if (peer.held.clear(request.piece) && this.#pieces.missing.has(request.piece))
      this.#offer(peer, request.piece, -1);
    this.#fill(peer, nowMs);
    return this.#takeEffects();
  }

  arrived(key: number, { piece, offset, bytes }: ArrivedBlock, nowMs: number): DownloadEffect[] {
    const peer = this.#peers.get(key);
    const request = peer?.pipeline.arrived(piece, offset, nowMs);
    if (peer === undefined || request === undefined) return [];
    this.#progressMs = nowMs;
    this.#originPolicy.noteBlock(peer.isOrigin, nowMs);
    this.#border.noteBlock(nowMs);
    const progress = this.#pieces.active.get(piece);
    const block = progress?.block(offset);
    if (progress !== undefined && block?.request.lengthBytes === bytes.length) {
      this.#receive(peer, { progress, block, bytes, nowMs });
    }
    if (peer.pipeline.isDue) this.#fill(peer, nowMs);
    return this.#takeEffects();
  }

  /** A "write" effect was carried out. */
  written(progress: PieceProgress, lengthBytes: number, nowMs: number): DownloadEffect[] {
    const wasFull = this.#unwrittenBytes > MAX_UNWRITTEN_BYTES;
    this.#unwrittenBytes -= lengthBytes;
    progress.written();
    if (progress.isWritten) this.#effects.push({ kind: "check", piece: progress.piece });
    if (wasFull && this.#unwrittenBytes <= MAX_UNWRITTEN_BYTES) this.#fillAll(nowMs);
    return this.#takeEffects();
  }

  /** A "check" effect was carried out. */
  checked(piece: number, outcome: "verified" | "mismatch", nowMs: number): DownloadEffect[] {
    const progress = this.#pieces.active.get(piece);
    if (progress === undefined) return [];
    if (outcome === "verified") this.#verified(piece, nowMs);
    else this.#failed(progress);
    if (outcome === "mismatch") this.#fillAll(nowMs);
    return this.#takeEffects();
  }

  /** Call about ten times a second: time-outs, endgame, everything that waits for time to pass. */
  tick(nowMs: number): DownloadEffect[] {
    for (const peer of this.#peers.values()) {
      this.#noteUse(peer, nowMs);
      if (peer.isNear !== this.#border.isNear(peer)) this.#border.moved(peer, this.#pieces.missing.keys());
      for (const request of peer.pipeline.takeLate(nowMs)) {
        this.#effects.push({ kind: "cancel", peer: peer.key, request });
        this.#pieces.release(request, peer.key);
      }
    }
    for (const piece of this.#pieces.suspects.pieces) {
      const progress = this.#pieces.active.get(piece);
      if (progress?.canRestart === true) this.#passOn(progress, nowMs);
    }
    this.#sources.tick(this.#peers.values(), nowMs);
    this.#fillAll(nowMs);
    return this.#takeEffects();
  }

  /** Gives up: cancels what is under way. */
  stop(): DownloadEffect[] {
    for (const peer of this.#peers.values()) {
      for (const request of peer.pipeline.takeAll()) this.#effects.push({ kind: "cancel", peer: peer.key, request });
      if (peer.isInteresting) this.#setInterest(peer, false);
    }
    this.#peers.clear();
    return this.#takeEffects();
  }

  #receive(
    peer: DownloadPeer,
    arrival: { progress: PieceProgress; block: BlockState; bytes: Uint8Array; nowMs: number },
  ): void {
    const { progress, block, bytes, nowMs } = arrival;
    const others = progress.receive(block, peer.key, { peerId: peer.peerId, nowMs });
    if (others === undefined) return;
    this.#cancel(block.request, others);
    this.#pieces.received(bytes.length);
    this.#unwrittenBytes += bytes.length;
    this.#effects.push({ kind: "write", progress, offset: block.request.offset, bytes });
  }

  #verified(piece: number, nowMs: number): void {
    for (const peer of this.#peers.values()) if (peer.held.has(piece)) this.#offer(peer, piece, -1);
    this.#pieces.verified(piece);
    this.#border.appeared(piece, nowMs);
    this.#border.forget(piece);
  }

  /** Fetched again whole; who gave all of it is to blame. */
  #failed(progress: PieceProgress): void {
    const { piece, givers } = progress;
    const [giver] = givers;
    if (!progress.hasBasisBytes && givers.size === 1 && giver !== undefined) {
      this.#effects.push({ kind: "offence", peerId: giver, piece });
    }
    this.#pieces.failed(piece, givers.size > 1);
  }

  /** A suspect piece that its giver left or does not bring begins anew, with another if there is one: bytes of both blame nobody. */
  #passOn(progress: PieceProgress, nowMs: number): void {
    const { piece, owner } = progress;
    const { suspects } = this.#pieces;
    const leavers = new Set(progress.givers);
    const ownerId = owner === undefined ? undefined : this.#peers.get(owner)?.peerId;
    if (ownerId !== undefined) {
      if (progress.pausedMs(nowMs) < suspects.patienceMs(piece, ownerId)) return;
      leavers.add(ownerId);
    }
    const isOffered = this.#peers
      .values()
      .filter((peer) => !peer.isChoking && !leavers.has(peer.peerId) && peer.held.has(piece))
      .some((peer) => !suspects.isPassedOver(piece, peer.peerId, nowMs));
    if (owner !== undefined && !isOffered) return;
    for (const { request, askedOf } of progress.blocks) this.#cancel(request, askedOf);
    this.#pieces.restart(progress);
    if (isOffered) for (const peerId of leavers) suspects.passOver(piece, peerId, nowMs);
  }

  #cancel(request: BlockRequest, keys: Iterable<number>): void {
    for (const key of keys) {
      if (this.#peers.get(key)?.pipeline.forget(request) !== true) continue;
      this.#effects.push({ kind: "cancel", peer: key, request });
    }
  }

  #offer(peer: DownloadPeer, piece: number, by: 1 | -1): void {
    if (!peer.isOrigin) this.#count(peer, piece, by);
    peer.offeredCount += by;
    peer.isExhausted = false;
    peer.hasNothingUrgent = false;
    // Whether the origin is of use is looked at with every tick where many share the work.
    const isCertain = !peer.isOrigin || !this.#border.sharesWork;
    if (peer.offeredCount > 0 && !peer.isInteresting && isCertain) this.#setInterest(peer, true);
  }

  #count(peer: DownloadPeer, piece: number, by: 1 | -1): void {
    this.#pieces.availability.change(piece, by);
    if (peer.isNear) this.#border.change(piece, by);
  }

  /** A peer that was of no use for a while may close the connection or give its slot to others. */
  #noteUse(peer: DownloadPeer, nowMs: number): void {
    if (peer.offeredCount > 0) peer.usefulMs = nowMs;
    // Of many that share the work only some have to do with the origin, and each for a short while: its slots are few.
    const isSparing = peer.isOrigin && this.#border.sharesWork;
    const isUseful = peer.offeredCount > 0 && (!isSparing || this.needsOrigin(nowMs));
    if (isUseful && !peer.isInteresting) this.#setInterest(peer, true);
    if (isUseful || !peer.isInteresting) return;
    if (isSparing || nowMs - peer.usefulMs > INTEREST_MS) this.#setInterest(peer, false);
  }

  #setInterest(peer: DownloadPeer, isInterested: boolean): void {
    peer.isInteresting = isInterested;
    this.#effects.push({ kind: "interest", peer: peer.key, isInterested });
  }

  /** Who kept its word goes first: else silent peers would take what another is about to be asked for, over and over. */
  #fillAll(nowMs: number): void {
    for (const peer of this.#peers.values()) {
      peer.isExhausted = false;
      peer.hasNothingUrgent = false;
      if (!peer.pipeline.isDoubtful) this.#fill(peer, nowMs);
    }
    for (const peer of this.#peers.values()) if (peer.pipeline.isDoubtful) this.#fill(peer, nowMs);
  }

  #fill(peer: DownloadPeer, nowMs: number): void {
    if (peer.isChoking || peer.isExhausted || peer.offeredCount === 0) return;
    if (this.#unwrittenBytes > MAX_UNWRITTEN_BYTES) return;
    const room = peer.pipeline.room(nowMs);
    if (!room.isLeft) return;
    for (const [progress, block] of pickBlocks(this.#view, peer, { room, nowMs })) {
      if (!this.#budget.mayAsk(block.request.lengthBytes, nowMs)) return;
      this.#pieces.ask(progress, block, { key: peer.key, dueMs: nowMs + peer.pipeline.queueMs(nowMs) });
      peer.pipeline.sent(block.request, nowMs);
      this.#sources.noteAsked(peer, block.request);
      this.#effects.push({ kind: "request", peer: peer.key, request: block.request });
    }
    peer.isExhausted = room.isLeft;
  }

  #takeEffects(): DownloadEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }
}
