import { MAX_PIECE_LENGTH } from "../core/bundle-layout.ts";
import { MAX_REQUEST_BYTES } from "./block-requests.ts";
import { RateMeter } from "./rate-meter.ts";
import { RequestRoom } from "./request-room.ts";
import type { BlockRequest } from "./wire/peer-wire.ts";

/** Enough to keep a link of 10 Mbit/s and 50 ms busy before anything was measured, and then it grows; a piece of 64 KiB. */
export const MIN_PIPELINE_DEPTH = 4;
/**
 * Once a peer was measured: one block on its way, one waiting. Twenty peers with a piece waiting at each of them fill the queues
 * of lines until those drop packets, and all pieces come late together (docs/decisions/0044).
 */
export const MEASURED_MIN_DEPTH = 2;
/** 4 MiB under way, or as many small files; what other clients' request queues certainly take. */
export const MAX_PIPELINE_DEPTH = 256;
/** Requests kept waiting at the peer on top of what the delay needs: covers pauses of both event loops and disks. */
const RESERVE_MS = 300;
/** A slower peer is not waited for. */
const MAX_QUEUE_MS = 10_000;
/** A "delay" beyond this is the peer's queue, not the way to it. */
const MAX_DELAY_MS = 1_000;
/** Without any block for so long a peer is snubbing us. */
export const SILENCE_MS = 10_000;
/** A request the peer passed over while it answered others. */
export const REQUEST_TIMEOUT_MS = 60_000;
/** Who refuses is asked again after the next tick, so that others come first; twice as late with each time in a row, up to this. */
const FIRST_REST_MS = 50;
const LONGEST_REST_MS = 1_600;

/**
 * Who has so many requests open for each that was answered need not be asked for the next one at once: a fast peer is asked for several
 * pieces by one message, which it reads in one go, and for so little of its pipeline that it never runs dry.
 */
const ASKED_PER_ANSWERED = 16;

interface OpenRequest {
  readonly request: BlockRequest;
  readonly sentMs: number;
}

/**
 * Requests under way to one peer, and how many there should be: measured rate × (shortest delay seen + a reserve), in bytes
 * and in requests, so that small files keep the line as busy as large ones. A peer that stays silent for {@link SILENCE_MS}
 * is trusted with a single request until it answers again.
 */
export class PeerPipeline {
  readonly #open = new Map<number, OpenRequest>();
  #openBytes = 0;
  readonly #rate: RateMeter;
  readonly #requestRate: RateMeter;
  #shortestDelayMs = MAX_DELAY_MS;
  #progressMs: number;
  #isSnubbed = false;
  #isMeasured = false;
  /** Since the last block. */
  #refusals = 0;
  #restsUntilMs = -Infinity;
  /** Since its room was looked at last. */
  #answered = 0;

  constructor(nowMs: number) {
    this.#rate = new RateMeter(nowMs);
    this.#requestRate = new RateMeter(nowMs);
    this.#progressMs = nowMs;
  }

  get openCount(): number {
    return this.#open.size;
  }

  get isSnubbed(): boolean {
    return this.#isSnubbed;
  }

  /** What it was asked for last came to nothing: others go before it, and what it is asked for is no copy. */
  get isDoubtful(): boolean {
    return this.#isSnubbed || this.#refusals > 0;
  }

  /** Payload rate of the last second or so. */
  bytesPerSecond(nowMs: number): number {
    return this.#rate.bytesPerSecond(nowMs);
  }

  /** How many requests should be open, if they are as long as those that were answered. */
  depth(nowMs: number): number {
    if (this.#isSnubbed) return 1;
    const wanted = Math.ceil((this.#requestRate.bytesPerSecond(nowMs) * this.#coveredMs) / 1000);
    return Math.min(MAX_PIPELINE_DEPTH, Math.max(this.#leastDepth, wanted));
  }

  /** How long the peer will need for what it was asked for already; 0 if nothing is known of its speed. */
  queueMs(nowMs: number): number {
    const rate = this.bytesPerSecond(nowMs);
    if (rate < 1) return 0;
    const requestRate = this.#requestRate.bytesPerSecond(nowMs);
    return Math.min(MAX_QUEUE_MS, Math.max(this.#openBytes / rate, this.#open.size / requestRate) * 1000);
  }

  /** Enough was answered to look for more to ask for; a slow peer is asked after each answer. */
  get isDue(): boolean {
    return this.#answered * ASKED_PER_ANSWERED >= this.#open.size;
  }

  /** What may be asked for on top of what is open. */
  room(nowMs: number): RequestRoom {
    this.#answered = 0;
    if (nowMs < this.#restsUntilMs) return new RequestRoom(0, 0);
    return new RequestRoom(this.depth(nowMs) - this.#open.size, this.#depthBytes(nowMs) - this.#openBytes);
  }

  sent(request: BlockRequest, nowMs: number): void {
    if (this.#open.size === 0) this.#progressMs = nowMs;
    const key = keyOf(request.piece, request.offset);
    this.#drop(key);
    this.#open.set(key, { request, sentMs: nowMs });
    this.#openBytes += request.lengthBytes;
  }

  /** The request a block answers; undefined if none is open for it. */
  arrived(piece: number, offset: number, nowMs: number): BlockRequest | undefined {
    const key = keyOf(piece, offset);
    const open = this.#open.get(key);
    if (open === undefined) return undefined;
    this.#drop(key);
    this.#rate.add(open.request.lengthBytes, nowMs);
    this.#requestRate.add(1, nowMs);
    this.#shortestDelayMs = Math.min(this.#shortestDelayMs, nowMs - open.sentMs);
    this.#progressMs = nowMs;
    this.#isSnubbed = false;
    this.#refusals = 0;
    this.#isMeasured = true;
    this.#answered++;
    return open.request;
  }

  /** The peer will not answer it; false if it is not open. */
  rejected(request: BlockRequest, nowMs: number): boolean {
    if (!this.forget(request)) return false;
    if (nowMs < this.#restsUntilMs) return true; // of the same burst
    this.#restsUntilMs = nowMs + Math.min(LONGEST_REST_MS, FIRST_REST_MS * 2 ** this.#refusals++);
    return true;
  }

  /** Cancelled, or put off. */
  forget(request: BlockRequest): boolean {
    return this.#drop(keyOf(request.piece, request.offset));
  }

  /** When the request was sent; undefined if it is not open. */
  sentMs(request: BlockRequest): number | undefined {
    return this.#open.get(keyOf(request.piece, request.offset))?.sentMs;
  }

  /** Takes out what should be cancelled and asked elsewhere: everything if the peer is silent, else single late ones. */
  takeLate(nowMs: number): BlockRequest[] {
    const isSilent = this.#open.size > 0 && nowMs - this.#progressMs > SILENCE_MS;
    if (isSilent) this.#isSnubbed = true;
    const late: BlockRequest[] = [];
    for (const { request, sentMs } of this.#open.values()) {
      if (!isSilent && nowMs - sentMs <= REQUEST_TIMEOUT_MS) break; // in order of sending: the rest is younger
      late.push(request);
    }
    for (const request of late) this.forget(request);
    return late;
  }

  /** Empties the pipeline (choked by a peer without BEP 6, or closed). */
  takeAll(): BlockRequest[] {
    const all = [...this.#open.values()].map((open) => open.request);
    this.#open.clear();
    this.#openBytes = 0;
    return all;
  }

  get #leastDepth(): number {
    return this.#isMeasured ? MEASURED_MIN_DEPTH : MIN_PIPELINE_DEPTH;
  }

  /** What is open should last for so long. */
  get #coveredMs(): number {
    return this.#shortestDelayMs + RESERVE_MS;
  }

  #depthBytes(nowMs: number): number {
    if (this.#isSnubbed) return 1;
    return Math.max(this.#leastDepth * MAX_REQUEST_BYTES, (this.bytesPerSecond(nowMs) * this.#coveredMs) / 1000);
  }

  #drop(key: number): boolean {
    const open = this.#open.get(key);
    if (open === undefined) return false;
    this.#openBytes -= open.request.lengthBytes;
    return this.#open.delete(key);
  }
}

/** Exact up to 2^29 pieces, whose hashes alone would be 10 GB. */
function keyOf(piece: number, offset: number): number {
  return piece * MAX_PIECE_LENGTH + offset;
}
