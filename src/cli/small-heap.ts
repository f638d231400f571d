import { PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from "node:v8";

/** How much garbage the old generation may gather on top of what lives, in percent; V8 alone: up to 300 where memory is plenty. */
const OLD_GROWTH_PERCENT = 40;
/** With a smaller limit than this V8 is thriftier than that by itself. */
const LARGE_HEAP_BYTES: number = 1024 * 1024 * 1024;
/** Both halves of the young generation; V8 alone takes 128 MiB. Half as much costs a sixth more CPU. */
const YOUNG_BYTES: number = 32 * 1024 * 1024;
/** Each half of a thread's, from its start: it could not double while the program's own may not. No more than the thread's own limit. */
const THREAD_HALF_MEBIBYTES = 8;

/**
 * For programs that live on machines whose owners give them: V8 clears garbage away early instead of taking all the memory that it might.
 * The flags are read by V8 each time it decides, so they can be set while it runs. The limit of the young generation can't be: that
 * doubles when it is too small, at the end of a collection, so after each the doubling is switched off or on, for all threads alike. Within one long
 * turn of the event loop nobody looks.
 */
export function keepHeapSmall(): void {
  if (getHeapStatistics().heap_size_limit >= LARGE_HEAP_BYTES)
    setFlagsFromString(`--heap-growing-percent=${OLD_GROWTH_PERCENT}`);
  setFlagsFromString(`--min-semi-space-size=${THREAD_HALF_MEBIBYTES}`);
  let isHeld = false;
  new PerformanceObserver(() => {
    const isLarge = youngBytes() >= YOUNG_BYTES;
    if (isLarge === isHeld) return;
    isHeld = isLarge;
    setFlagsFromString(`--semi-space-growth-factor=${isLarge ? 1 : 2}`);
  }).observe({ entryTypes: ["gc"] });
}

function youngBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.space_size ?? 0;
}
