import { MESSAGE, refusal, type PieceGeometry, type WireRefusal } from "./frame-rules.ts";
import { MinuteBudget } from "./minute-budget.ts";

/** `drop`: legal, but of no use to us. */
export type Verdict = "deliver" | "drop" | WireRefusal;

/** How often per minute: more than any client does, little enough to cost nothing. */
const IGNORED_PER_MINUTE = 100;
const STATE_CHANGES_PER_MINUTE = 600;
const EXTENDED_PER_MINUTE = 1200;
/** Requests while choked and cancels: two full queues cross the wire in the worst honest minute, several times. */
const USELESS_PER_MINUTE = 5000;
/** A peer says `have` (and takes it back) once per piece; this many more for pieces it lost and fetched again. */
const SPARE_HAVES = 1000;
/** aria2 says twenty haves and more as one bitfield (1.36, `DefaultBtInteractive::checkHave`). */
const HAVES_PER_BITFIELD = 20;

/** What a connection is about at this moment. */
export interface TrafficContext {
  readonly geometry: PieceGeometry;
  readonly isFast: boolean;
  readonly isChoking: boolean;
  /** Whether the peer may send a bitfield in place of many haves, which BEP 3 does not allow and stock clients do. */
  readonly mayRepeatHeld: boolean;
}

/** Judges well-formed messages of an admitted peer by their order and number. */
export class TrafficRules {
  readonly #nowMs: () => number;
  #haves = 0;
  #dontHaves = 0;
  /** The peer said something about what it holds: BEP 3 and 6 allow a bitfield only before that; see `mayRepeatHeld`. */
  #hasHeld = false;
  readonly #ignored = new MinuteBudget(IGNORED_PER_MINUTE);
  readonly #stateChanges = new MinuteBudget(STATE_CHANGES_PER_MINUTE);
  readonly #extended = new MinuteBudget(EXTENDED_PER_MINUTE);
  readonly #useless = new MinuteBudget(USELESS_PER_MINUTE);

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** @param id undefined for a keep-alive; not an extended message */
  judge(id: number | undefined, context: TrafficContext): Verdict {
    switch (id) {
      case MESSAGE.piece:
        return "deliver";
      case MESSAGE.request:
        return context.isChoking ? this.#spend(this.#useless, "deliver") : "deliver";
      case MESSAGE.cancel:
        return this.#spend(this.#useless, "deliver");
      case MESSAGE.have:
        return this.#countHaves(1, context.geometry);
      case MESSAGE.bitfield:
        return this.#judgeHeld(context);
      case MESSAGE.suggest:
      case MESSAGE.haveAll:
      case MESSAGE.haveNone:
      case MESSAGE.reject:
      case MESSAGE.allowedFast:
        if (!context.isFast) return refusal("no-fast", `message ${id} without the fast extension`);
        return this.#judgeFast(id, context);
      case MESSAGE.port: // of a DHT, which we have not
        return this.#spend(this.#stateChanges, "drop");
      default:
        return isStateChange(id) ? this.#spend(this.#stateChanges, "deliver") : this.#spend(this.#ignored, "drop");
    }
  }

  judgeExtended(isKnown: boolean): Verdict {
    return isKnown ? this.#spend(this.#extended, "deliver") : this.#spend(this.#ignored, "drop");
  }

  judgeDontHave({ pieceCount }: PieceGeometry): Verdict {
    this.#dontHaves++;
    return this.#dontHaves <= pieceCount + SPARE_HAVES
      ? "deliver"
      : refusal("flood", `${this.#dontHaves} pieces taken back`);
  }

  #judgeFast(id: number, context: TrafficContext): Verdict {
    if (id === MESSAGE.haveAll || id === MESSAGE.haveNone) return this.#judgeHeld(context);
    // Suggestions and allowed-fast sets are offers; we take none.
    return id === MESSAGE.reject ? "deliver" : this.#spend(this.#stateChanges, "drop");
  }

  #countHaves(count: number, { pieceCount }: PieceGeometry): Verdict {
    this.#hasHeld = true;
    this.#haves += count;
    return this.#haves <= pieceCount + SPARE_HAVES ? "deliver" : refusal("flood", `${this.#haves} haves`);
  }

  #judgeHeld({ geometry, mayRepeatHeld }: TrafficContext): Verdict {
    if (this.#hasHeld && !mayRepeatHeld)
      return refusal("held-twice", "a bitfield after other news of what the peer holds");
    return this.#countHaves(this.#hasHeld ? HAVES_PER_BITFIELD : 0, geometry);
  }

  #spend(budget: MinuteBudget, verdict: "deliver" | "drop"): Verdict {
    return budget.spend(this.#nowMs()) ? verdict : refusal("flood", "too many messages of little use");
  }
}

/** Keep-alive, choke, unchoke, interested, uninterested. */
function isStateChange(id: number | undefined): boolean {
  return id === undefined || id <= MESSAGE.uninterested;
}
