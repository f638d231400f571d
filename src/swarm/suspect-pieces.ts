/** A giver of a suspect piece may pause for so long in all, then another one is asked; */
const PATIENCE_MS = 5_000;
/** a block that comes within this time after the last one is no pause. */
export const SUSPECT_BLOCK_MS = 500;
/** Who left a suspect piece is passed over for so long. */
const PASS_OVER_MS = 30_000;
/** A slow peer gets twice the time when its turn comes again; but a liar's turns must take a share of time that falls. */
const PATIENCE_GROWTH = 2;
const PASS_OVER_GROWTH = 4;

interface Leaver {
  /** How often it left the piece. */
  readonly times: number;
  readonly untilMs: number;
}

/**
 * Pieces that failed their hash with bytes of several peers. A single peer gives all of one from then on, so that a liar is known;
 * one that does not bring it to its end is passed over for a while, else it could keep the piece from everybody.
 */
export class SuspectPieces {
  /** Piece → peer id. */
  readonly #leavers = new Map<number, Map<string, Leaver>>();

  get pieces(): Iterable<number> {
    return this.#leavers.keys();
  }

  has(piece: number): boolean {
    return this.#leavers.has(piece);
  }

  add(piece: number): void {
    if (!this.#leavers.has(piece)) this.#leavers.set(piece, new Map());
  }

  delete(piece: number): void {
    this.#leavers.delete(piece);
  }

  passOver(piece: number, peerId: string, nowMs: number): void {
    const times = this.#timesLeft(piece, peerId);
    const leaver = { times: times + 1, untilMs: nowMs + PASS_OVER_MS * PASS_OVER_GROWTH ** times };
    this.#leavers.get(piece)?.set(peerId, leaver);
  }

  isPassedOver(piece: number, peerId: string, nowMs: number): boolean {
    return nowMs < (this.#leavers.get(piece)?.get(peerId)?.untilMs ?? -Infinity);
  }

  /** How long the peer may pause in all while it gives the piece, in ms. */
  patienceMs(piece: number, peerId: string): number {
    return PATIENCE_MS * PATIENCE_GROWTH ** this.#timesLeft(piece, peerId);
  }

  #timesLeft(piece: number, peerId: string): number {
    return this.#leavers.get(piece)?.get(peerId)?.times ?? 0;
  }
}
