import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../core/clock.ts";
import type { BudgetClaim } from "../swarm/fair-budget.ts";

/** Resolves when so many bytes may go, or once nobody wants them any more. */
export interface Pace {
  (bytes: number, isWanted: () => boolean): Promise<void>;
  /** Whoever can choose asks for no more at a time, so that bytes flow evenly; Infinity if nothing is limited. */
  readonly stepBytes: number;
}

/** A budget as those see it who wait for their turn. @param claim undefined if nothing is limited */
export function paceOf(claim: BudgetClaim | undefined, clock: Clock): Pace {
  const pass = async (bytes: number, isWanted: () => boolean): Promise<void> => {
    while (claim?.tryTake(bytes, clock.monotonicMs()) === false && isWanted())
      await sleep(claim.lookAgainMs(clock.monotonicMs()));
  };
  return Object.assign(pass, { stepBytes: claim?.stepBytes ?? Infinity });
}
