import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../core/clock.ts";
import type { BudgetClaim } from "../swarm/fair-budget.ts";

/** Resolves when so many bytes may go, or once nobody wants them any more. */
export type Pace = (bytes: number, isWanted: () => boolean) => Promise<void>;

/** Two looks within the time that a waiting claim is kept. */
const LOOK_AGAIN_MS = 50;

/** A budget as those see it who wait for their turn. @param claim undefined if nothing is limited */
export function paceOf(claim: BudgetClaim | undefined, clock: Clock): Pace {
  return async (bytes, isWanted) => {
    while (claim?.tryTake(bytes, clock.monotonicMs()) === false && isWanted()) await sleep(LOOK_AGAIN_MS);
  };
}
