import { SecondCopyBudget } from "./second-copy-budget.ts";

/** After the origin deferred a piece, somebody else is getting it and will offer it within about this time. */
export const DEFERRAL_MS = 2_000;
/** Without a block from any peer, or in the endgame for a begun piece, for so long, the swarm counts as slow and the origin helps. */
export const PATIENCE_MS = 2_000;
/** A begun piece while there is other work: on slow lines that many share, blocks come seconds apart. */
const STUCK_MS = 10_000;
/**
 * Peers that together give less than this share of what the origin gave when it was asked (never asked: than this rate),
 * while what they offer would take longer than {@link WEAK_TIME_MS}, get help.
 */
const WEAK_SHARE = 0.5;
const WEAK_BYTES_PER_SECOND: number = 256 * 1024;
/** Single pieces tell nothing of the origin's rate: it must have had work for so long. */
const MEASURED_AFTER_MS = 1_000;
const WEAK_TIME_MS = 5_000;
/** … once that lasted: in the first seconds of a swarm everybody offers little and gives slowly. */
const WEAK_FOR_MS = 3_000;
/** No block from anybody: even what the origin deferred is asked for again, but not in a loop of requests and rejects. */
const STARVATION_MS = 1_000;
const STARVING_REST_MS = 500;

/** What the origin policy must know about a piece. */
export interface PieceSituation {
  readonly piece: number;
  /** Peers other than the origin that offer it. */
  readonly offerCount: number;
  /** No piece is left that nobody works on. */
  readonly isEndgame: boolean;
  /** Last time a block of it was asked for or came; undefined if nobody works on it. */
  readonly progressMs: number | undefined;
  /** It failed its hash with bytes of several peers. */
  readonly isSuspect: boolean;
}

/**
 * What a volunteer asks the origin for: "origin last, never slower". Pieces that a peer offers come from peers unless
 * the peers are slow; pieces nobody offers come from the origin, except for a while those it deferred. What the origin gives
 * although a peer offers it, or after a deferral, is its second copy: a budget that grows while the peers are slow bounds it.
 */
export class OriginPolicy {
  /** Piece → until when; in order of time, so expired ones are at the front. */
  readonly #deferred = new Map<number, number>();
  /** Pieces that it deferred at any time. */
  readonly #wereDeferred = new Set<number>();
  #peerBlockMs: number;
  #anyBlockMs: number;
  #weakSinceMs: number | undefined;
  /** The best the origin gave so far: what plain download would be like. */
  #originBytesPerSecond = 0;
  #originBusySinceMs: number;
  readonly #secondCopies = new SecondCopyBudget();

  constructor(nowMs: number) {
    this.#peerBlockMs = nowMs;
    this.#anyBlockMs = nowMs;
    this.#originBusySinceMs = nowMs;
  }

  noteBlock(isFromOrigin: boolean, nowMs: number): void {
    this.#anyBlockMs = nowMs;
    if (isFromOrigin) return;
    this.#peerBlockMs = nowMs;
    if (!this.arePeersSlow(nowMs)) this.#secondCopies.close();
  }

  /** No peer but the origin offers anything that is missing: then peers can't be slow. */
  noteNoOffers(nowMs: number): void {
    this.#peerBlockMs = nowMs;
  }

  noteDeferral(piece: number, nowMs: number): void {
    this.#dropExpired(nowMs);
    this.#deferred.delete(piece);
    this.#deferred.set(piece, nowMs + DEFERRAL_MS);
    this.#wereDeferred.add(piece);
  }

  /** Somebody else is getting the same, whether or not the tracker named them yet. */
  get hasDeferred(): boolean {
    return this.#wereDeferred.size > 0;
  }

  /** How fast the origin gives, and whether it has requests to answer; call about ten times a second. */
  noteOriginRate(bytesPerSecond: number, isBusy: boolean, nowMs: number): void {
    if (!isBusy) this.#originBusySinceMs = nowMs;
    if (nowMs - this.#originBusySinceMs < MEASURED_AFTER_MS) return;
    this.#originBytesPerSecond = Math.max(this.#originBytesPerSecond, bytesPerSecond);
  }

  /** How fast the peers other than the origin are, and how much they offer of what is missing; call now and then. */
  notePeerRate(bytesPerSecond: number, offeredBytes: number, nowMs: number): void {
    const enough = this.#originBytesPerSecond === 0 ? WEAK_BYTES_PER_SECOND : this.#originBytesPerSecond * WEAK_SHARE;
    const isWeak = bytesPerSecond < enough && offeredBytes * 1000 > bytesPerSecond * WEAK_TIME_MS;
    this.#weakSinceMs = isWeak ? (this.#weakSinceMs ?? nowMs) : undefined;
  }

  /** The peers that offer pieces deliver nothing, or next to nothing for what they offer. */
  arePeersSlow(nowMs: number): boolean {
    return nowMs - this.#peerBlockMs > PATIENCE_MS || nowMs - (this.#weakSinceMs ?? nowMs) > WEAK_FOR_MS;
  }

  /** The origin deferred the piece a moment ago, and there is other work. */
  isResting(piece: number, nowMs: number): boolean {
    const untilMs = this.#deferred.get(piece) ?? 0;
    const isStarving = nowMs - this.#anyBlockMs > STARVATION_MS;
    return nowMs < (isStarving ? untilMs - DEFERRAL_MS + STARVING_REST_MS : untilMs);
  }

  mayAsk(situation: PieceSituation, nowMs: number): boolean {
    if (this.isResting(situation.piece, nowMs)) return false;
    const patienceMs = situation.isEndgame ? PATIENCE_MS : STUCK_MS;
    if (situation.isSuspect || !this.#isSecondCopy(situation.piece, situation.offerCount)) return true;
    if (situation.progressMs !== undefined && nowMs - situation.progressMs > patienceMs) return true;
    if (situation.offerCount > 0 && !this.arePeersSlow(nowMs)) return false;
    this.#secondCopies.open(nowMs);
    return this.#secondCopies.hasRoom(nowMs);
  }

  /** A block of the piece was asked of the origin. */
  noteAsked(piece: number, offerCount: number, lengthBytes: number): void {
    if (this.#isSecondCopy(piece, offerCount)) this.#secondCopies.spend(lengthBytes);
  }

  /** Another volunteer has the piece, or got it from the origin. */
  #isSecondCopy(piece: number, offerCount: number): boolean {
    return offerCount > 0 || this.#wereDeferred.has(piece);
  }

  #dropExpired(nowMs: number): void {
    for (const [piece, untilMs] of this.#deferred) {
      if (untilMs > nowMs) return;
      this.#deferred.delete(piece);
    }
  }
}
