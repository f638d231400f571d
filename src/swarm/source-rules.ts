import type { BorderPolicy } from "./border-policy.ts";
import type { DownloadPeer } from "./download-peer.ts";
import type { OriginPolicy } from "./origin-policy.ts";
import type { RequestBudget } from "./request-budget.ts";
import type { WantedPieces } from "./wanted-pieces.ts";
import type { BlockRequest } from "./wire/peer-wire.ts";

/** Where sites share the work of bringing pieces from the origin, peers must be slow for so long before all ask it. */
const SHARED_PATIENCE_MS = 10_000;

export interface SourceRulesOptions {
  readonly pieces: WantedPieces;
  readonly border: BorderPolicy;
  readonly originPolicy: OriginPolicy;
  readonly budget: RequestBudget;
  readonly nowMs: number;
}

/** Who may be asked for which piece, as far as the origin, sites and lies go. */
export class SourceRules {
  readonly #pieces: WantedPieces;
  readonly #border: BorderPolicy;
  readonly #originPolicy: OriginPolicy;
  readonly #budget: RequestBudget;
  /** When the peers were last not slow. */
  #quickMs: number;
  /** Where sites share the work: when the pieces were last looked through for one that this volunteer is to bring, and the outcome. */
  #lookedMs = -Infinity;
  #hasTask = false;

  constructor({ pieces, border, originPolicy, budget, nowMs }: SourceRulesOptions) {
    this.#pieces = pieces;
    this.#border = border;
    this.#originPolicy = originPolicy;
    this.#budget = budget;
    this.#quickMs = nowMs;
  }

  /** Is the origin of use: something is missing that no other peer offers, or the peers are slow. */
  needsOrigin(nowMs: number): boolean {
    if (this.#arePeersSlow(nowMs)) return true;
    const { availability, missing } = this.#pieces;
    if (availability.unofferedCount === 0 || !this.#border.sharesWork) return availability.unofferedCount > 0;
    if (this.#lookedMs !== nowMs) {
      this.#lookedMs = nowMs;
      this.#hasTask = missing
        .keys()
        .some((piece) => availability.countOf(piece) === 0 && this.#border.mayAskOrigin(piece));
    }
    return this.#hasTask;
  }

  mayAsk(peer: DownloadPeer, piece: number, nowMs: number): boolean {
    const { suspects } = this.#pieces;
    // Lies are rare, and thrift would leave the piece to the liars who offer it.
    if (suspects.has(piece)) return !suspects.isPassedOver(piece, peer.peerId, nowMs);
    if (!peer.isOrigin) return this.#border.mayAsk(piece, peer, nowMs);
    return this.#border.mayAskOrigin(piece) || this.#arePeersSlow(nowMs);
  }

  noteAsked(peer: DownloadPeer, { piece, lengthBytes }: BlockRequest): void {
    if (peer.isOrigin) this.#originPolicy.noteAsked(piece, this.#pieces.availability.countOf(piece), lengthBytes);
    else if (!peer.isNear) this.#border.noteAsked(piece, lengthBytes);
  }

  /** Time went by: how do the peers do? Offers are taken from the best of them: cheap, and never too much. */
  tick(peers: Iterable<DownloadPeer>, nowMs: number): void {
    const all = [...peers];
    let bytesPerSecond = 0;
    let mostOffered = 0;
    for (const { isOrigin, pipeline, offeredCount } of all) {
      const rate = pipeline.bytesPerSecond(nowMs);
      if (isOrigin) {
        this.#originPolicy.noteOriginRate(rate, pipeline.openCount > 0, nowMs);
        continue;
      }
      bytesPerSecond += rate;
      mostOffered = Math.max(mostOffered, offeredCount);
    }
    this.#border.tick(bytesPerSecond, all, nowMs);
    const isOursTheLimit = this.#budget.isHoldingBack(nowMs);
    if (mostOffered === 0 || isOursTheLimit) this.#originPolicy.noteNoOffers(nowMs);
    if (isOursTheLimit) bytesPerSecond = Infinity;
    const { wantedBytes, receivedBytes } = this.#pieces.progress;
    const missingShare = mostOffered / Math.max(1, this.#pieces.missing.size);
    this.#originPolicy.notePeerRate(bytesPerSecond, missingShare * (wantedBytes - receivedBytes), nowMs);
    if (!this.#originPolicy.arePeersSlow(nowMs)) this.#quickMs = nowMs;
  }

  /** Are the others so slow that the origin has to help? Where many share the work that takes longer to say. */
  #arePeersSlow(nowMs: number): boolean {
    if (!this.#originPolicy.arePeersSlow(nowMs)) return false;
    return !this.#border.sharesWork || nowMs - this.#quickMs > SHARED_PATIENCE_MS;
  }
}
