import type { BundleLayout } from "../core/bundle-layout.ts";
import { RangeSet } from "../core/byte-range.ts";
import { PieceAvailability } from "./piece-availability.ts";
import { type BlockState, PieceProgress } from "./piece-progress.ts";
import type { WantedRanges } from "./ports.ts";
import { SuspectPieces } from "./suspect-pieces.ts";
import type { BlockRequest } from "./wire/peer-wire.ts";

/** Payload figures of one download. */
export interface DownloadProgress {
  readonly wantedBytes: number;
  readonly receivedBytes: number;
  readonly wantedPieces: number;
  readonly verifiedPieces: number;
}

/**
 * The pieces of one download. Every wanted piece is either open (in `availability`), active (begun), or done (no longer
 * `missing`).
 */
export class WantedPieces {
  /** Who offers what, and the open pieces. */
  readonly availability: PieceAvailability;
  readonly suspects: SuspectPieces = new SuspectPieces();
  readonly #layout: BundleLayout;
  readonly #missing = new Map<number, RangeSet>();
  readonly #active = new Map<number, PieceProgress>();
  readonly #incomplete = new Set<PieceProgress>();
  readonly #wantedCount: number;
  #wantedBytes = 0;
  #receivedBytes = 0;

  constructor(layout: BundleLayout, wanted: WantedRanges) {
    this.#layout = layout;
    this.availability = new PieceAvailability(layout.pieceCount);
    for (const [piece, missing] of wanted) {
      this.#missing.set(piece, missing);
      this.availability.want(piece);
      this.#wantedBytes += missing.totalBytes;
    }
    this.#wantedCount = wanted.size;
  }

  get progress(): DownloadProgress {
    return {
      wantedBytes: this.#wantedBytes,
      receivedBytes: this.#receivedBytes,
      wantedPieces: this.#wantedCount,
      verifiedPieces: this.#wantedCount - this.#missing.size,
    };
  }

  /** Wanted and not yet verified. */
  get missing(): ReadonlyMap<number, RangeSet> {
    return this.#missing;
  }

  get active(): ReadonlyMap<number, PieceProgress> {
    return this.#active;
  }

  /** Active pieces with blocks that nobody was asked for. */
  get incomplete(): ReadonlySet<PieceProgress> {
    return this.#incomplete;
  }

  /** Work on an open piece begins. */
  begin(piece: number, owner: number, nowMs: number): PieceProgress {
    this.availability.close(piece);
    const start = {
      piece,
      missing: this.#missing.get(piece)!,
      dataLength: this.#layout.dataLengthOfPiece(piece),
      isSuspect: this.suspects.has(piece),
    };
    const progress = new PieceProgress(start, owner, nowMs);
    this.#wantedBytes += progress.plannedBytes - start.missing.totalBytes;
    this.#active.set(piece, progress);
    this.#incomplete.add(progress);
    return progress;
  }

  /** A block was asked of a connection and should come by `dueMs`. */
  ask(progress: PieceProgress, block: BlockState, { key, dueMs }: { key: number; dueMs: number }): void {
    progress.ask(block, key, dueMs);
    if (progress.freeCount === 0) this.#incomplete.delete(progress);
  }

  /** The request is no longer open at that connection. A piece of which nothing came may as well begin anew elsewhere. */
  release(request: BlockRequest, key: number): void {
    const progress = this.#active.get(request.piece);
    if (progress === undefined || !progress.release(request.offset, key)) return;
    this.#incomplete.add(progress);
    if (!progress.isUntouched) return;
    this.#reopen(progress);
  }

  /** Drops what came of a piece: all of it is asked for again. */
  restart(progress: PieceProgress): void {
    for (const { request, isReceived } of progress.blocks) if (isReceived) this.#wantedBytes += request.lengthBytes;
    this.#reopen(progress);
  }

  /** A block came that was missing. */
  received(lengthBytes: number): void {
    this.#receivedBytes += lengthBytes;
  }

  verified(piece: number): void {
    this.#active.delete(piece);
    this.#missing.delete(piece);
    this.availability.done(piece);
    this.suspects.delete(piece);
  }

  /** Fetched again whole. @param isSuspect several gave bytes of it: next time one peer gives all of it */
  failed(piece: number, isSuspect: boolean): void {
    this.#active.delete(piece);
    if (isSuspect) this.suspects.add(piece);
    const whole = RangeSet.of({ start: 0, end: this.#layout.dataLengthOfPiece(piece) });
    this.#wantedBytes += whole.totalBytes;
    this.#missing.set(piece, whole);
    this.availability.open(piece);
  }

  #reopen(progress: PieceProgress): void {
    this.#wantedBytes -= progress.plannedBytes - this.#missing.get(progress.piece)!.totalBytes;
    this.#active.delete(progress.piece);
    this.#incomplete.delete(progress);
    this.availability.open(progress.piece);
  }
}
