import { parentOf, type RepoPath } from "../core/repo-path.ts";
import { withoutRemovals, type ConsideredPath, type PathDecision, type SyncPlan } from "./plan-sync.ts";

/** A path that stands in DEST and that the release lacks. */
export interface GonePath {
  readonly path: RepoPath;
  /** When this mirror first saw that, wall clock, milliseconds. */
  readonly sinceMs: number;
  /** An earlier release put it there. */
  readonly isOurs: boolean;
}

/** A plan with the removals that are due, and what to remember of the others. */
export interface DelayedRemovals {
  readonly plan: SyncPlan;
  /** Paths that stay for now. */
  readonly heldBack: readonly RepoPath[];
  /** Seen to be gone for the first time, or at a time that has not come yet. */
  readonly newlyGone: readonly GonePath[];
}

type Removal = Extract<PathDecision, { readonly action: "remove" }>;

/**
 * Holds back removals until `ageMs` after a path was first seen to be gone. A directory stays as long as anything below it; what lies
 * below a directory that the release has something else for goes at once, for that is needed now.
 * @param seen what earlier runs remembered
 */
export function delayRemovals(
  plan: SyncPlan,
  seen: ReadonlyMap<RepoPath, GonePath>,
  on: {
    readonly nowMs: number;
    readonly ageMs: number;
    readonly considered: ReadonlyMap<RepoPath, ConsideredPath>;
  },
): DelayedRemovals {
  const { nowMs, ageMs, considered } = on;
  const inTheWay = new Set(plan.decisions.flatMap(clearedDirectory));
  const kept = new Set<RepoPath>();
  const newlyGone: GonePath[] = [];
  for (const { path } of plan.decisions.filter(isRemoval)) {
    const before = seen.get(path)?.sinceMs;
    // A clock that was set back must not make AGE longer.
    const sinceMs = before === undefined || before > nowMs ? nowMs : before;
    if (sinceMs !== before) newlyGone.push({ path, sinceMs, isOurs: considered.get(path)?.isOurs === true });
    if (nowMs - sinceMs < ageMs && !isBelow(path, inTheWay)) kept.add(path);
  }
  for (const path of [...kept]) {
    for (let above = parentOf(path); above !== undefined; above = parentOf(above)) kept.add(above);
  }
  const heldBack = plan.decisions.flatMap((step) => (isRemoval(step) && kept.has(step.path) ? [step.path] : []));
  return { plan: heldBack.length === 0 ? plan : withoutRemovals(plan, kept), heldBack, newlyGone };
}

/** What of `seen` is over: the path came back, or somebody else removed it. */
export function noLongerGone(
  seen: Iterable<GonePath>,
  considered: ReadonlyMap<RepoPath, ConsideredPath>,
  { looksAtForeign }: { readonly looksAtForeign: boolean },
): RepoPath[] {
  const isOver = ({ path, isOurs }: GonePath): boolean => {
    const item = considered.get(path);
    if (item === undefined) return isOurs || looksAtForeign;
    return item.entry !== undefined || item.local.kind === "absent";
  };
  return [...seen].filter(isOver).map(({ path }) => path);
}

function isRemoval(decision: PathDecision): decision is Removal {
  return decision.action === "remove";
}

/** The directory that must be empty for this step. */
function clearedDirectory(decision: PathDecision): RepoPath[] {
  if (!("replaces" in decision) || decision.replaces !== "directory") return [];
  return [decision.entry.path];
}

function isBelow(path: RepoPath, directories: ReadonlySet<RepoPath>): boolean {
  if (directories.size === 0) return false;
  for (let above = parentOf(path); above !== undefined; above = parentOf(above)) {
    if (directories.has(above)) return true;
  }
  return false;
}
