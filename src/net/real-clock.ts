import type { Clock } from "../core/clock.ts";

/** What Node's timers can wait; anything longer would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The machine's clock. Timers keep the process alive until cancelled. */
export const realClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  schedule: (delayMs, action) => {
    let timer: NodeJS.Timeout;
    const wait = (leftMs: number): void => {
      const isLast = leftMs <= LONGEST_TIMER_MS;
      timer = setTimeout(isLast ? action : () => wait(leftMs - LONGEST_TIMER_MS), isLast ? leftMs : LONGEST_TIMER_MS);
    };
    wait(delayMs);
    return () => clearTimeout(timer);
  },
};
