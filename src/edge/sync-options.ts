import type { PlanOptions } from "../plan/plan-sync.ts";

/** How a mirror synchronises. */
export interface SyncOptions {
  readonly plan: PlanOptions;
  /** Look at every path of DEST if the last whole look is older than this; 0 always. */
  readonly rescanMs: number;
  /** Remove nothing if more paths than this would go; "a-fifth": the larger of 1,000 and 20 % of the release; undefined: no limit. */
  readonly maxDelete: number | "a-fifth" | undefined;
  /** Remove a path only so long after it was first seen to be gone; undefined: at once. */
  readonly removeAfterMs: number | undefined;
  /** Find what old files hold by blocks of signatures at any offset, or by whole pieces of the swarm at the same one. */
  readonly findsBy: "blocks" | "pieces";
  /** Go by way of inner contents whenever that takes fewer bytes, however long it takes. */
  readonly savesTraffic: boolean;
  /** Patterns of paths that come last, with the index files of package managers. */
  readonly last: readonly string[];
  /** A first release of more paths is brought so many at a time. */
  readonly windowPaths: number;
  /** What was done path by path will be asked for: it is kept in memory. */
  readonly keepsChanges: boolean;
  /** timestamp.json that came with a release event. */
  readonly pushedTimestamp?: Uint8Array | undefined;
}
