import type { Random } from "../core/clock.ts";

/** An overdue poll after a start waits a random time up to this, so that a power cut does not bring everybody back at once. */
const MAX_WAIT_AFTER_START_MS = 10 * 60_000;
const FIRST_RETRY_MS = 5_000;
const MAX_RETRY_MS = 15 * 60_000;

/** The next regular poll: uniform in [0.9 T, 1.1 T] after the last one (planet-scale paper, eq. 4's polling rule). */
export function nextPollDelayMs(intervalMs: number, random: Random): number {
  return intervalMs * (0.9 + 0.2 * random());
}

/**
 * The first poll after a program start. Never polled before: at once. Not due yet: what is left of the interval. Overdue: a random wait.
 * @param lastPollMs wall-clock time of the last poll, undefined if there was none
 */
export function firstPollDelayMs(
  state: { readonly lastPollMs: number | undefined; readonly nowMs: number; readonly intervalMs: number },
  random: Random,
): number {
  if (state.lastPollMs === undefined) return 0;
  const dueInMs = state.lastPollMs + nextPollDelayMs(state.intervalMs, random) - state.nowMs;
  // A clock that was set back makes the last poll lie in the future: never wait longer than one interval for it.
  if (dueInMs > 0) return Math.min(dueInMs, state.intervalMs * 1.1);
  return random() * Math.min(MAX_WAIT_AFTER_START_MS, state.intervalMs);
}

/** Exponential backoff with jitter while central cannot be reached, for ever. @param failures how many in a row, from 1 */
export function retryDelayMs(failures: number, random: Random): number {
  const ceiling = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 20));
  return ceiling * (0.5 + 0.5 * random());
}
