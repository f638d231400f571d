import type { PlanOptions } from "./plan-sync.ts";

/** What is known about DEST without a look at it. */
export interface WalkedBefore {
  /** Of the held release. */
  readonly entries: number;
  /** Wall clock, milliseconds, 0 never: when each path of DEST was last compared with its record. */
  readonly lastWholeMs: number;
  /** The same, and nothing was left afterwards that the release lacks. */
  readonly lastCleanMs: number;
}

/** Below so many entries a whole look at DEST costs nothing worth saving. */
const ALWAYS_WALK_BELOW_ENTRIES = 100_000;

/** Whether a sync looks at every path of DEST, not only at those that the release changed or that somebody noted. */
export function isWalkDue(
  before: WalkedBefore,
  on: { readonly nowMs: number; readonly rescanMs: number },
  { removal, checksum }: Pick<PlanOptions, "removal" | "checksum">,
): boolean {
  // It speaks of all files.
  if (checksum || before.entries < ALWAYS_WALK_BELOW_ENTRIES) return true;
  const { lastWholeMs, lastCleanMs } = before;
  // A look that passed over what no release brought says nothing about it.
  const lastMs = removal === "all" ? Math.min(lastWholeMs, lastCleanMs) : lastWholeMs;
  // A clock that was wrong then is right by now.
  return on.rescanMs === 0 || lastMs > on.nowMs || on.nowMs - lastMs >= on.rescanMs;
}
