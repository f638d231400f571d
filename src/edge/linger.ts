import { isAwaited } from "./destination-queue.ts";
import type { Mirror } from "./mirror.ts";

/** How long a one-shot sync goes on giving to others. */
export type Linger = { readonly durationMs: number } | { readonly ratio: number };

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };
const CHECK_MS = 500;
/** A ratio may never be reached: nobody may want anything. */
const LONGEST_MS = 24 * 3_600_000;

/** "15m", "90s", "2h" or "ratio:1.5"; undefined for anything else. */
export function parseLinger(text: string): Linger | undefined {
  const ratio = /^ratio:(\d+(?:\.\d+)?)$/.exec(text);
  if (ratio !== null) return { ratio: Number(ratio[1]) };
  const duration = /^(\d+)([smh])$/.exec(text);
  return duration === null ? undefined : { durationMs: Number(duration[1]) * UNITS[duration[2]!]! };
}

/** Seeds until the time is over, as much was given as asked for, another run waits for DEST, or the signal aborts. */
export async function linger(mirror: Mirror, wanted: Linger): Promise<void> {
  const { clock, signal } = mirror.ports;
  await mirror.announcer.announceNow("completed");
  const startMs = clock.monotonicMs();
  const isOver = (): boolean => {
    const spentMs = clock.monotonicMs() - startMs;
    if (signal.aborted || spentMs > LONGEST_MS || isAwaited(mirror.destination.rootPath)) return true;
    if ("durationMs" in wanted) return spentMs >= wanted.durationMs;
    const { uploadedBytes, receivedBytes } = mirror.swarm.counters;
    return uploadedBytes >= wanted.ratio * receivedBytes;
  };
  while (!isOver()) await new Promise<void>((resolve) => clock.schedule(CHECK_MS, resolve));
}
