import type { BudgetClaim } from "./fair-budget.ts";

/** After a refusal the limit counts as what holds the download back for so long. */
const HOLDING_BACK_MS = 1_000;

/** The limit on what a download receives, kept where it can be kept: at what it asks for. */
export class RequestBudget {
  readonly #claim: BudgetClaim | undefined;
  #refusedMs = -Infinity;

  /** @param claim undefined if nothing is limited */
  constructor(claim: BudgetClaim | undefined) {
    this.#claim = claim;
  }

  /** May so much be asked for now? Then it counts as received. */
  mayAsk(lengthBytes: number, nowMs: number): boolean {
    if (this.#claim?.tryTake(lengthBytes, nowMs) !== false) return true;
    this.#refusedMs = nowMs;
    return false;
  }

  /** What was asked for does not come. */
  rejected(lengthBytes: number, nowMs: number): void {
    this.#claim?.giveBack(lengthBytes, nowMs);
  }

  /** It is this limit, not the peers, that makes the download slow. */
  isHoldingBack(nowMs: number): boolean {
    return nowMs - this.#refusedMs < HOLDING_BACK_MS;
  }
}
