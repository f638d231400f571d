import { Bitfield } from "../../src/core/bitfield.ts";
import { type Random, seededRandom } from "../../src/core/clock.ts";
import { MAX_REQUEST_BYTES } from "../../src/swarm/block-requests.ts";
import type { BlockRequest } from "../../src/swarm/wire/peer-wire.ts";
import type { Actor, Arena, Line } from "./liar-arena.ts";

export interface HonestConduct {
  readonly blocksPerSecond: number;
  readonly delayMs: number;
  /** Central's own: it defers this share of the pieces once each. */
  readonly deferredShare: number | undefined;
}

/** Has everything, gives everything, one block after the other. */
export class HonestActor implements Actor {
  readonly peerId = "honest";
  readonly isOrigin: boolean;
  readonly #arena: Arena;
  readonly #conduct: HonestConduct;
  readonly #random: Random;
  readonly #deferred = new Map<number, boolean>();
  #waiting: { readonly line: Line; readonly request: BlockRequest }[] = [];
  #isBusy = false;

  constructor(arena: Arena, conduct: HonestConduct, seed: number) {
    this.#arena = arena;
    this.#conduct = conduct;
    this.#random = seededRandom(seed);
    this.isOrigin = conduct.deferredShare !== undefined;
  }

  held(pieceCount: number): Bitfield {
    return Bitfield.full(pieceCount);
  }

  interested(line: Line): void {
    if (line.peer.isChoking) line.unchoke();
  }

  asked(line: Line, request: BlockRequest): void {
    if (this.#defers(request.piece)) return this.#arena.later(this.#conduct.delayMs, () => line.reject(request));
    this.#waiting.push({ line, request });
    if (!this.#isBusy) this.#serve();
  }

  /** BEP 6: answered by a reject, unless its block is under way. */
  cancelled(line: Line, request: BlockRequest): void {
    this.#arena.later(this.#conduct.delayMs, () => {
      const waiting = this.#waiting.findIndex((each) => each.request === request);
      if (waiting < 0) return;
      this.#waiting.splice(waiting, 1);
      this.#arena.later(this.#conduct.delayMs, () => line.reject(request));
    });
  }

  #serve(): void {
    const next = this.#waiting.shift();
    this.#isBusy = next !== undefined;
    if (next === undefined) return;
    const { lengthBytes } = next.request;
    this.#arena.later((1000 * lengthBytes) / MAX_REQUEST_BYTES / this.#conduct.blocksPerSecond, () => {
      this.#arena.later(this.#conduct.delayMs, () => next.line.give(next.request, true));
      this.#serve();
    });
  }

  /** The first burst of requests for a piece is deferred or not. */
  #defers(piece: number): boolean {
    const { deferredShare } = this.#conduct;
    if (deferredShare === undefined) return false;
    const known = this.#deferred.get(piece);
    if (known !== undefined) return known;
    const isDeferred = this.#random() < deferredShare;
    this.#deferred.set(piece, isDeferred);
    this.#arena.later(1_000, () => this.#deferred.set(piece, false));
    return isDeferred;
  }
}

/** What a liar does with a request. */
export type LiarAnswer =
  "right" | "wrong" | "other-offset" | "silence" | "reject" | "flap" | "choke-and-reject" | "leave";

export interface LiarConduct {
  /** For blocks of a piece in turn, or for requests in turn: then over and over. */
  readonly answers: readonly LiarAnswer[];
  readonly isByBlock: boolean;
  /** Between two answers. */
  readonly blockMs: number;
  /** Claims only every n-th piece. */
  readonly claimsEvery: number;
  /** Chokes and unchokes, without rejects, this often. */
  readonly chokeMs: number | undefined;
  /** Takes all pieces back and has them again, this often. */
  readonly haveMs: number | undefined;
  /** Comes back under the same id after so long. */
  readonly awayMs: number;
  /** Comes this late. */
  readonly startMs: number;
}

/** Somebody with a pass who does as badly as it can within what the gate lets through. */
export class LiarActor implements Actor {
  readonly peerId: string;
  readonly isOrigin = false;
  readonly #arena: Arena;
  readonly #conduct: LiarConduct;
  #answered = 0;
  #freeMs = 0;

  constructor(arena: Arena, conduct: LiarConduct, name: string) {
    this.#arena = arena;
    this.#conduct = conduct;
    this.peerId = name;
    arena.later(conduct.startMs, () => arena.connect(this));
  }

  held(pieceCount: number): Bitfield {
    const held = new Bitfield(pieceCount);
    for (let piece = 0; piece < pieceCount; piece += this.#conduct.claimsEvery) held.set(piece);
    return held;
  }

  connected(line: Line): void {
    const { chokeMs, haveMs } = this.#conduct;
    if (chokeMs !== undefined) this.#every(line, chokeMs, () => (line.peer.isChoking ? line.unchoke() : line.choke()));
    if (haveMs !== undefined) this.#every(line, haveMs, () => this.#flap(line));
  }

  interested(line: Line): void {
    if (line.isOpen && line.peer.isChoking) line.unchoke();
  }

  asked(line: Line, request: BlockRequest): void {
    const nowMs = this.#arena.clock.monotonicMs();
    this.#freeMs = Math.max(nowMs, this.#freeMs) + this.#conduct.blockMs;
    this.#arena.later(this.#freeMs - nowMs, () => this.#answer(line, request));
  }

  #answer(line: Line, request: BlockRequest): void {
    const { answers, isByBlock, awayMs } = this.#conduct;
    const turn = isByBlock ? Math.floor(request.offset / MAX_REQUEST_BYTES) : this.#answered++;
    const answer = answers[turn % answers.length]!;
    if (answer === "right" || answer === "wrong") line.give(request, answer === "right");
    else if (answer === "other-offset") line.give({ ...request, offset: request.offset + 1 }, false);
    else if (answer === "reject") line.reject(request);
    else if (answer === "flap") {
      line.reject(request);
      line.have(request.piece);
    } else if (answer === "choke-and-reject") this.#chokeAndReject(line);
    else if (answer === "leave" && line.isOpen) {
      line.close();
      this.#arena.later(awayMs, () => this.#arena.connect(this));
    }
  }

  #chokeAndReject(line: Line): void {
    line.choke();
    for (const request of line.openRequests) line.reject(request);
    line.unchoke();
  }

  #flap(line: Line): void {
    for (const piece of this.held(line.peer.held.length)) {
      if (line.peer.held.has(piece)) line.dontHave(piece);
      else line.have(piece);
    }
  }

  /** As often as the gate lets such things through: 300 times. */
  #every(line: Line, everyMs: number, act: () => void, times = 300): void {
    if (times === 0) return;
    this.#arena.later(everyMs, () => {
      if (!line.isOpen) return;
      act();
      this.#every(line, everyMs, act, times - 1);
    });
  }
}
