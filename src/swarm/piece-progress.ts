import type { RangeSet } from "../core/byte-range.ts";
import { planBlockRequests } from "./block-requests.ts";
import { SUSPECT_BLOCK_MS } from "./suspect-pieces.ts";
import type { BlockRequest } from "./wire/peer-wire.ts";

/** One request of a piece and who was asked for it; `isReceived` once its bytes came. */
export interface BlockState {
  readonly request: BlockRequest;
  /** Connections with this request open. */
  readonly askedOf: Set<number>;
  /** When it should come: it was last asked for then, or what the peer had to send before it took so long. */
  dueMs: number;
  isReceived: boolean;
}

/** What is known about a piece when work on it begins. */
export interface PieceStart {
  readonly piece: number;
  readonly missing: RangeSet;
  /** Content bytes of the piece. */
  readonly dataLength: number;
  /** It failed its hash with bytes of several peers: now a single peer gives all of it, so that the liar is known. */
  readonly isSuspect: boolean;
}

/** A begun piece: its requests, their givers, and when it is ready for its hash. */
export class PieceProgress {
  readonly piece: number;
  /** Bytes of the piece come from this host: a failed hash blames nobody. */
  readonly hasBasisBytes: boolean;
  readonly isSuspect: boolean;
  /** Of all its requests: what is missing, and gaps that are cheaper to fetch again than to leave out. */
  readonly plannedBytes: number;
  /** Connection that began it; others help only when nothing else is left, so that a bad piece has one giver. */
  owner: number | undefined;
  /** Last time a block was asked for or came; in the future while blocks wait for their turn at a peer. */
  progressMs: number;
  readonly #blocks = new Map<number, BlockState>();
  readonly #givers = new Set<string>();
  #freeCount: number;
  #unwrittenCount: number;
  #unreceivedCount: number;
  #pausedMs = 0;

  constructor(start: PieceStart, owner: number, nowMs: number) {
    this.piece = start.piece;
    this.isSuspect = start.isSuspect;
    this.owner = owner;
    this.progressMs = nowMs;
    let plannedBytes = 0;
    for (const request of planBlockRequests(start.piece, start.missing)) {
      this.#blocks.set(request.offset, { request, askedOf: new Set(), dueMs: nowMs, isReceived: false });
      plannedBytes += request.lengthBytes;
    }
    this.plannedBytes = plannedBytes;
    this.hasBasisBytes = plannedBytes < start.dataLength;
    this.#freeCount = this.#blocks.size;
    this.#unwrittenCount = this.#blocks.size;
    this.#unreceivedCount = this.#blocks.size;
  }

  /** Peer ids that gave bytes of it. */
  get givers(): ReadonlySet<string> {
    return this.#givers;
  }

  /** Blocks neither received nor asked for. */
  get freeCount(): number {
    return this.#freeCount;
  }

  get isWritten(): boolean {
    return this.#unwrittenCount === 0;
  }

  /** Something is still to come, and the disk has all that came: it may begin anew, and no old bytes come over new ones. */
  get canRestart(): boolean {
    return this.#unreceivedCount > 0 && this.#unwrittenCount <= this.#unreceivedCount;
  }

  /** How long its givers let it wait, in ms: times between blocks, as far as they were longer than usual. */
  pausedMs(nowMs: number): number {
    return this.#pausedMs + Math.max(0, nowMs - this.progressMs - SUSPECT_BLOCK_MS);
  }

  block(offset: number): BlockState | undefined {
    return this.#blocks.get(offset);
  }

  get blocks(): Iterable<BlockState> {
    return this.#blocks.values();
  }

  /** @param dueMs when it should come */
  ask(block: BlockState, key: number, dueMs: number): void {
    if (block.askedOf.size === 0) this.#freeCount--;
    block.askedOf.add(key);
    block.dueMs = dueMs;
    this.progressMs = Math.max(this.progressMs, dueMs);
  }

  /** The request is no longer open at that connection; true if the block is free again. */
  release(offset: number, key: number): boolean {
    const block = this.#blocks.get(offset);
    if (block === undefined || !block.askedOf.delete(key) || block.isReceived) return false;
    if (this.owner === key && !this.#isAskedOf(key)) this.owner = undefined;
    if (block.askedOf.size > 0) return false;
    this.#freeCount++;
    return true;
  }

  /** Nothing received and nothing under way: work on it may as well start anew elsewhere. */
  get isUntouched(): boolean {
    return this.#freeCount === this.#blocks.size;
  }

  #isAskedOf(key: number): boolean {
    for (const block of this.#blocks.values()) if (block.askedOf.has(key)) return true;
    return false;
  }

  /** Takes a block in. @returns the other connections asked for it; undefined if it was there already */
  receive(
    block: BlockState,
    key: number,
    options: { readonly peerId: string; readonly nowMs: number },
  ): number[] | undefined {
    block.askedOf.delete(key);
    if (block.isReceived) return undefined;
    block.isReceived = true;
    this.#unreceivedCount--;
    this.#givers.add(options.peerId);
    this.#pausedMs = this.pausedMs(options.nowMs);
    this.progressMs = Math.max(this.progressMs, options.nowMs);
    const others = [...block.askedOf];
    block.askedOf.clear();
    return others;
  }

  written(): void {
    this.#unwrittenCount--;
  }
}
