import { Session } from "node:inspector";
import { performance } from "node:perf_hooks";
import { giveBackFreeMemory } from "./free-memory.ts";

const LOOK_EVERY_MS = 10_000;
/** Share of a look's interval in which the event loop may have done something, for the program to be resting. */
const RESTING_SHARE = 0.02;
/** So much more than the last collection left makes another worth its pause. */
const WORTHWHILE_BYTES: number = 24 * 1024 * 1024;
/** V8 frees the memory of collected buffers in a thread of its own. */
const FREED_AFTER_MS = 100;

export interface RestingHeap {
  /** What was needed at the last collection is garbage now, maybe: the next look at rest collects however little was added since. */
  workEnded(): void;
}

/**
 * For a program that works now and then and rests in between: V8 collects when it needs room, so a program that rests keeps all its garbage,
 * and the C library keeps the pieces that were freed in between others. This looks every so often, for as long as the program runs, and gives
 * the memory back when the program rests. The event loop stands still meanwhile, 0.1 s or more, which is why nothing is collected while
 * anybody is served.
 *
 * @param lookEveryMs milliseconds
 */
export function letGoWhenResting(lookEveryMs: number = LOOK_EVERY_MS): RestingHeap {
  const session = new Session();
  session.connect();
  let leftBytes = 0;
  let before = performance.eventLoopUtilization();
  const giveBack = (): void => {
    giveBackFreeMemory();
    leftBytes = process.memoryUsage.rss();
    before = performance.eventLoopUtilization();
  };
  const look = (): void => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    if (utilization > RESTING_SHARE || process.memoryUsage.rss() - leftBytes < WORTHWHILE_BYTES) return;
    // V8's answer to a shortage of memory: unlike `global.gc` it gives the young generation back, too.
    session.post("HeapProfiler.collectGarbage", () => setTimeout(giveBack, FREED_AFTER_MS).unref());
  };
  setInterval(look, lookEveryMs).unref();
  return { workEnded: () => (leftBytes = 0) };
}
