import { join } from "node:path";
import type { Clock } from "../core/clock.ts";
import { RESERVED_TOP_LEVEL_NAME } from "../core/repo-path.ts";
import { StoreError } from "../store/errors.ts";
import { acquireLock, lockHolder, type LockHolder } from "../store/lock.ts";

/** In DEST/.prsync: a lock held by the one run that waits for DEST. */
const QUEUE_LOCK = "queue.sqlite";
/** Between two tries; each costs some milliseconds. */
const RETRY_MS = 1_000;

/** How a run waits. */
export interface Patience {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Names this run to who comes third. */
  readonly command: string;
  /** At most so many milliseconds; 0: not at all. */
  readonly waitMs: number;
  /** Told once, with who has DEST. */
  readonly onWaiting: (reason: string) => void;
}

/**
 * Tries until no other run has DEST. One run waits at most: it begins after whoever comes third asked, so its sync is theirs, too.
 * Both places, that of the run at work and that of the one that waits, are locks of the kernel: whichever process is killed, the
 * next one moves up.
 * @param attempt throws StoreError `state-busy` while another run has DEST
 * @throws StoreError `state-busy` if another run waits already or the time is over; the signal's reason
 */
export async function waitForDestination<T>(
  destinationPath: string,
  attempt: () => Promise<T>,
  patience: Patience,
): Promise<T> {
  const { clock, signal, waitMs } = patience;
  const deadlineMs = clock.monotonicMs() + waitMs;
  const first = await unlessBusy(attempt);
  if ("result" in first) return first.result;
  if (waitMs <= 0) throw first.busy;
  await using _place = await takePlace(destinationPath, first.busy, patience.command);
  patience.onWaiting(first.busy.message);
  for (;;) {
    await pause(Math.min(RETRY_MS, deadlineMs - clock.monotonicMs()), patience);
    signal.throwIfAborted();
    const tried = await unlessBusy(attempt);
    if ("result" in tried) return tried.result;
    if (clock.monotonicMs() >= deadlineMs) throw tried.busy;
  }
}

/** Whether a run waits for DEST, as far as can be told without disturbing it. */
export function isAwaited(destinationPath: string): boolean {
  return lockHolder(queuePath(destinationPath)).pid !== undefined;
}

async function takePlace(destinationPath: string, busy: StoreError, command: string): Promise<AsyncDisposable> {
  const place = await acquireLock(queuePath(destinationPath), { command });
  if (!("heldBy" in place)) return place;
  throw new StoreError("state-busy", `${busy.message}, and ${describeHolder(place.heldBy)} waits for it already`);
}

function queuePath(destinationPath: string): string {
  return join(destinationPath, RESERVED_TOP_LEVEL_NAME, QUEUE_LOCK);
}

/** "prsync sync (process 4711)" */
export function describeHolder({ pid, command }: LockHolder): string {
  return pid === undefined ? "another prsync" : `${command ?? "prsync"} (process ${pid})`;
}

async function unlessBusy<T>(
  attempt: () => Promise<T>,
): Promise<{ readonly result: T } | { readonly busy: StoreError }> {
  try {
    return { result: await attempt() };
  } catch (error) {
    if (error instanceof StoreError && error.code === "state-busy") return { busy: error };
    throw error;
  }
}

/** Ends early, without an error, if the signal aborts. */
async function pause(durationMs: number, { clock, signal }: Patience): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const cancel = clock.schedule(Math.max(0, durationMs), resolve);
  const end = (): void => resolve();
  signal.addEventListener("abort", end);
  await promise;
  cancel();
  signal.removeEventListener("abort", end);
}
