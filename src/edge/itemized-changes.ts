import type { RepoPath } from "../core/repo-path.ts";
import { isSameMtime } from "../core/time.ts";
import type { ConsideredPath, PathDecision, SyncPlan } from "../plan/plan-sync.ts";
import type { ItemizedChange, ItemizedState } from "../report/itemized-change.ts";

/** Of a window what is told about it afterwards. */
export interface WindowChanges {
  readonly plan: Pick<SyncPlan, "decisions">;
  readonly considered: ReadonlyMap<RepoPath, ConsideredPath>;
}

export interface PlannedChanges {
  readonly windows: readonly WindowChanges[];
  /** DEST itself. */
  readonly root: {
    readonly before: ItemizedState;
    readonly after: { readonly mode: number; readonly mtimeNs: bigint };
  };
}

/** The same without what stays as it is: of a run that goes on where another was killed that may be most of the release. */
export function changesIn({ plan, considered }: WindowChanges): WindowChanges {
  const decisions = plan.decisions.filter(({ action }) => action !== "keep");
  const changed = decisions.flatMap((decision) => considered.get(pathOf(decision)) ?? []);
  return { plan: { decisions }, considered: new Map(changed.map((item) => [item.path, item])) };
}

/** What plans do to DEST, path by path; removals last, as they are done. */
export function* itemizedChanges(
  { windows, root }: PlannedChanges,
  undone: ReadonlySet<RepoPath>,
): Generator<ItemizedChange> {
  const ofRoot = itemizeRoot(root);
  if (ofRoot !== undefined) yield ofRoot;
  const isDone = (decision: PathDecision): boolean => !undone.has(pathOf(decision));
  for (const { plan, considered } of windows) {
    const ordered = plan.decisions.filter(isDone).sort(removalsLast);
    for (const decision of ordered) {
      const before = considered.get(pathOf(decision))?.local ?? { kind: "absent" };
      const change = itemize(decision, before);
      if (change !== undefined) yield change;
    }
  }
}

function itemizeRoot({ before, after }: PlannedChanges["root"]): ItemizedChange | undefined {
  const isAsItWas =
    before.kind === "directory" && before.mode === after.mode && isSameMtime(before.mtimeNs ?? 0n, after.mtimeNs);
  if (isAsItWas) return undefined;
  const action = before.kind === "absent" ? "update" : "attributes";
  return { path: ".", action, before, after: { kind: "directory", ...after } };
}

function itemize(decision: PathDecision, before: ItemizedState): ItemizedChange | undefined {
  switch (decision.action) {
    case "keep":
      return undefined;
    case "remove":
      return { path: decision.path, action: "remove", before, after: { kind: "absent" } };
    case "attributes":
      return { path: decision.entry.path, action: "attributes", before, after: decision.entry };
    case "link":
      return {
        path: decision.entry.path,
        action: "link",
        before,
        after: decision.entry,
        linkTo: decision.to,
      };
    case "place":
    case "make":
      return { path: decision.entry.path, action: "update", before, after: decision.entry };
  }
}

function pathOf(decision: PathDecision): RepoPath {
  return decision.action === "remove" ? decision.path : decision.entry.path;
}

/** Removals from the bottom up, all else from the top down. */
function removalsLast(a: PathDecision, b: PathDecision): number {
  const [isRemovalA, isRemovalB] = [a.action === "remove", b.action === "remove"];
  if (isRemovalA !== isRemovalB) return isRemovalA ? 1 : -1;
  const order = pathOf(a) < pathOf(b) ? -1 : 1;
  return isRemovalA ? -order : order;
}
