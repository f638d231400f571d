import type { Random } from "../core/clock.ts";
import type { DownloadPeer } from "./download-peer.ts";
import type { OriginPolicy } from "./origin-policy.ts";
import type { PieceAvailability } from "./piece-availability.ts";
import type { BlockState, PieceProgress } from "./piece-progress.ts";
import type { RequestRoom } from "./request-room.ts";
import type { SuspectPieces } from "./suspect-pieces.ts";

/** In the endgame a block is asked for again once its piece made no progress for so long; earlier costs more than it brings. */
export const ENDGAME_IDLE_MS = 500;
/** … or once it is late by so long although others of its piece come. */
const ENDGAME_AGE_MS = 3_000;
/** At most so many peers are asked for one block. */
const ENDGAME_COPIES = 3;

/** What the picker looks at; owned by the download. */
export interface PickerView {
  readonly availability: PieceAvailability;
  readonly active: ReadonlyMap<number, PieceProgress>;
  /** Those of `active` with blocks nobody was asked for. */
  readonly incomplete: ReadonlySet<PieceProgress>;
  readonly originPolicy: OriginPolicy;
  /** May the peer be asked for this piece, as far as sites and lies go? */
  mayAsk(peer: DownloadPeer, piece: number, nowMs: number): boolean;
  /** Pieces that failed their hash with bytes of several peers. */
  readonly suspects: SuspectPieces;
  /** Do some pieces go before rarer ones? */
  hasUrgent(): boolean;
  isUrgent(piece: number): boolean;
  readonly random: Random;
  /** The peer is the only one connected, and nobody but the origin is known of. */
  isAlone(): boolean;
  /** Begins work on an open piece. */
  begin(piece: number, owner: number): PieceProgress;
}

/**
 * The next blocks to ask a peer for, while `room` is left: rest of the pieces it has begun, then new pieces (rarest first; from
 * the origin those nobody offers), then free blocks of other peers' pieces, at last blocks others are slow to bring.
 */
export function* pickBlocks(
  view: PickerView,
  peer: DownloadPeer,
  options: PickOptions,
): Generator<[PieceProgress, BlockState]> {
  const { room } = options;
  const take = function* (progress: PieceProgress): Generator<[PieceProgress, BlockState]> {
    for (const block of progress.blocks) {
      if (!room.isLeft || progress.freeCount === 0) return;
      if (block.isReceived || block.askedOf.size > 0) continue;
      room.take(block.request.lengthBytes);
      yield [progress, block];
    }
  };
  const begun = [...view.incomplete].filter((progress) => peer.held.has(progress.piece));
  for (const progress of begun) {
    const isOrphan = progress.owner === undefined && mayHelp(view, peer, { progress, nowMs: options.nowMs });
    if (isOrphan) progress.owner = peer.key;
    const isResting = peer.isOrigin && view.originPolicy.isResting(progress.piece, options.nowMs);
    if (progress.owner === peer.key && !isResting) yield* take(progress);
  }
  while (room.isLeft) {
    const piece = pickNewPiece(view, peer, options.nowMs);
    if (piece === undefined) break;
    yield* take(view.begin(piece, peer.key));
  }
  if (room.isLeft)
    for (const progress of begun) if (mayHelp(view, peer, { progress, nowMs: options.nowMs })) yield* take(progress);
  if (room.isLeft && view.availability.openCount === 0) yield* pickSlowBlocks(view, peer, options);
}

export interface PickOptions {
  /** What is picked is taken from it. */
  readonly room: RequestRoom;
  readonly nowMs: number;
}

function pickNewPiece(view: PickerView, peer: DownloadPeer, nowMs: number): number | undefined {
  const { availability, originPolicy } = view;
  if (!peer.isOrigin) {
    const isHeld = (piece: number): boolean => peer.held.has(piece) && view.mayAsk(peer, piece, nowMs);
    const anywhere = { from: 1, to: Infinity };
    if (view.hasUrgent() && !peer.hasNothingUrgent) {
      const isUrgent = (piece: number): boolean => view.isUrgent(piece) && isHeld(piece);
      const urgent = availability.pickRarest(isUrgent, view.random, anywhere);
      if (urgent !== undefined) return urgent;
      peer.hasNothingUrgent = true;
    }
    return availability.pickRarest(isHeld, view.random, anywhere);
  }
  const isAcceptable = (piece: number): boolean => {
    if (!peer.held.has(piece) || !view.mayAsk(peer, piece, nowMs)) return false;
    const facts = { progressMs: undefined, isEndgame: false, isSuspect: view.suspects.has(piece) };
    return originPolicy.mayAsk({ piece, offerCount: availability.countOf(piece), ...facts }, nowMs);
  };
  for (const piece of view.suspects.pieces) if (availability.isOpen(piece) && isAcceptable(piece)) return piece;
  // With nobody to share with, in order: the disks of both read and write on, and the SHA-256 of contents grows with them.
  const next = view.isAlone() ? availability.pickFirst(isAcceptable) : undefined;
  if (next !== undefined) return next;
  const counts = { from: 0, to: originPolicy.arePeersSlow(nowMs) ? Infinity : 0 };
  return availability.pickRarest(isAcceptable, view.random, counts);
}

interface HelpOptions {
  readonly progress: PieceProgress;
  readonly nowMs: number;
}

/** May the peer give blocks of a piece that another one began? */
function mayHelp(view: PickerView, peer: DownloadPeer, { progress, nowMs }: HelpOptions): boolean {
  if (progress.owner === peer.key) return false;
  if (progress.isSuspect && (progress.owner !== undefined || progress.givers.size > 0)) return false;
  if (!view.mayAsk(peer, progress.piece, nowMs)) return false;
  if (!peer.isOrigin) return true;
  const { piece, progressMs, isSuspect } = progress;
  const isEndgame = view.availability.openCount === 0;
  const offerCount = view.availability.countOf(piece);
  return view.originPolicy.mayAsk({ piece, offerCount, progressMs, isEndgame, isSuspect }, nowMs);
}

/** Endgame: every block has been asked for; those that are slow to come are asked of another peer as well. */
function* pickSlowBlocks(
  view: PickerView,
  peer: DownloadPeer,
  options: PickOptions,
): Generator<[PieceProgress, BlockState]> {
  const { room } = options;
  // There is room for few copies: who may not bring one must not take it from who does.
  if (peer.pipeline.isDoubtful) return;
  for (const progress of view.active.values()) {
    const isIdle = options.nowMs - progress.progressMs >= ENDGAME_IDLE_MS;
    if (!peer.held.has(progress.piece) || !mayHelp(view, peer, { progress, nowMs: options.nowMs })) continue;
    for (const block of progress.blocks) {
      if (!room.isLeft) return;
      if (block.isReceived || block.askedOf.has(peer.key) || block.askedOf.size >= ENDGAME_COPIES) continue;
      if (!isIdle && options.nowMs - block.dueMs < ENDGAME_AGE_MS) continue;
      room.take(block.request.lengthBytes);
      yield [progress, block];
    }
  }
}
