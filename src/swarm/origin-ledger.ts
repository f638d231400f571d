/** Who got a piece within this time and is still here will soon offer it to the others; a slow disk takes seconds. */
export const GIVEN_WINDOW_MS = 20_000;
/** Requests for the blocks of one piece come in a burst; within this time they count as one deferred request. */
const BURST_MS = 1_000;
/** After a deferral the same requester gets the piece whenever it asks again within this time. */
const GRACE_MS = 60_000;
/** Bounds the memory: about 20 MB at worst. */
const MAX_ENTRIES = 65_536;

export interface LedgerSituation {
  readonly nowMs: number;
  readonly isUnderWay: (receiver: number, givenMs: number) => boolean;
}

interface Gift {
  readonly receiver: number;
  readonly atMs: number;
}

/**
 * The origin's memory of what it gave to whom, so that it gives different pieces to different volunteers: a request for
 * a piece that another connected volunteer just got is deferred (BEP 6 reject), once per requester and piece. Kept per
 * piece, not per byte: who asked for a part of it holds the rest and will offer the whole.
 */
export class OriginLedger {
  readonly #gifts = new Map<number, Gift>();
  /** Piece and requester → time of the deferral. */
  readonly #deferrals = new Map<string, number>();

  /**
   * Decides on a request and remembers the decision.
   * @param requester key of the connection
   * @param isUnderWay whether the receiver of the piece, who was last given a block of it at `givenMs`, still has some to come: then nobody else gets it
   */
  decide(piece: number, requester: number, { nowMs, isUnderWay }: LedgerSituation): "give" | "defer" {
    const gift = this.#gifts.get(piece);
    const isTaken = gift !== undefined && gift.receiver !== requester && nowMs - gift.atMs <= GIVEN_WINDOW_MS;
    if (isTaken && (isUnderWay(gift.receiver, gift.atMs) || this.#mayDefer(`${piece}:${requester}`, nowMs)))
      return "defer";
    this.given(piece, requester, nowMs);
    return "give";
  }

  /** A block of the piece was sent (or promised) to the receiver now. */
  given(piece: number, receiver: number, nowMs: number): void {
    this.#gifts.delete(piece);
    this.#gifts.set(piece, { receiver, atMs: nowMs });
    dropOldest(this.#gifts);
  }

  /** The receiver cancelled or vanished: it will not offer the piece. */
  withdraw(piece: number, receiver: number): void {
    if (this.#gifts.get(piece)?.receiver === receiver) this.#gifts.delete(piece);
  }

  disconnected(receiver: number): void {
    for (const [piece, gift] of this.#gifts) if (gift.receiver === receiver) this.#gifts.delete(piece);
  }

  /** For tests of the memory bound. */
  get entryCount(): number {
    return this.#gifts.size + this.#deferrals.size;
  }

  #mayDefer(key: string, nowMs: number): boolean {
    const deferredMs = this.#deferrals.get(key);
    if (deferredMs !== undefined && nowMs - deferredMs <= BURST_MS) return true;
    if (deferredMs !== undefined && nowMs - deferredMs <= GRACE_MS) return false;
    this.#deferrals.delete(key);
    this.#deferrals.set(key, nowMs);
    dropOldest(this.#deferrals);
    return true;
  }
}

/** Many at a time: looking for the oldest entry of a Map costs as much as there were removals since it was last rebuilt. */
function dropOldest<Key>(entries: Map<Key, unknown>): void {
  if (entries.size <= MAX_ENTRIES) return;
  let surplus = MAX_ENTRIES / 8;
  for (const key of entries.keys()) {
    if (surplus-- <= 0) return;
    entries.delete(key);
  }
}
