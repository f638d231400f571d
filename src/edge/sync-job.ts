import type { ContentId } from "../core/content-id.ts";
import type { RepoPath } from "../core/repo-path.ts";
import type { Entry } from "../manifest/entry.ts";
import { heldEntry } from "../plan/held-attributes.ts";
import type { ContentToObtain, PathDecision, SyncPlan } from "../plan/plan-sync.ts";
import type { SyncSummary } from "../report/sync-summary.ts";
import type { PathFailure } from "../store/activation.ts";
import { fatalDiskError } from "../store/errors.ts";
import { isIndexDamaged } from "../store/mirror-index-schema.ts";
import { activateRelease, type ActivatedRelease } from "./activate-release.ts";
import { chooseBasisFiles } from "./basis-choice.ts";
import { commitRelease, type WalkedAt } from "./commit-release.ts";
import { fetchMissing } from "./fetch-missing.ts";
import type { InventoryWindow } from "./inventory.ts";
import { inventoryWindows } from "./inventory-windows.ts";
import { reuseOrLookInside, type ReusedOrInside } from "./look-inside.ts";
import type { Mirror } from "./mirror.ts";
import { servesByName } from "./mirror-situation.ts";
import { NamesBeside } from "./names-beside.ts";
import {
  assertRoom,
  assertRoomForAll,
  discardUnplanned,
  planWindow,
  prepareSync,
  rememberGone,
  rememberSelected,
  type PreparedSync,
} from "./prepare-plan.ts";
import { detailsOf, type SyncDetails } from "./sync-details.ts";
import { summarize, totalsOf, TrafficMeter } from "./sync-figures.ts";
import type { SyncOptions } from "./sync-options.ts";
import { addingTo, loggingStages, type SyncProgress } from "./sync-progress.ts";
import { type DoneWindow, SyncTally } from "./sync-tally.ts";

/** What a sync did. */
export interface SyncOutcome {
  readonly summary: SyncSummary;
  /** Paths that are not as the release has them; the release counts as held all the same once the rest is there. */
  readonly failures: readonly PathFailure[];
  /** The plan would have removed more than allowed, so nothing was removed. */
  readonly hasTooManyRemovals: boolean;
  /** For whoever wants to know more; valid while the mirror is open. */
  readonly details: SyncDetails;
}

/**
 * One synchronisation, stage by stage: trusted release → what changed in the manifest → plan → reuse → missing ranges from the
 * swarm → stage and verify → activate → report. Whatever ends it early leaves every path with its old or its new content, and
 * the next run goes on from what was verified.
 * @throws TrustError, NetError, SyncError, StoreError; the signal's reason
 */
export async function runSync(mirror: Mirror, options: SyncOptions, listener: SyncProgress): Promise<SyncOutcome> {
  try {
    return await runStages(mirror, options, listener);
  } catch (error) {
    if (isIndexDamaged(error)) throw mirror.index.noteDamage(error);
    throw fatalDiskError(error, `writing below "${mirror.destination.rootPath}"`) ?? error;
  } finally {
    letMemoryGo(mirror);
  }
}

async function runStages(mirror: Mirror, options: SyncOptions, listener: SyncProgress): Promise<SyncOutcome> {
  const progress = loggingStages(listener, mirror.ports.log);
  const meter = new TrafficMeter(mirror);
  const prepared = await prepareSync(mirror, options, progress);
  const { release, previous, selection } = prepared;
  const tally = new SyncTally();
  const run: SyncRun = { mirror, options, progress, prepared, tally, isSelectionInForce: false, announced: undefined };
  await assertRoomForAll(mirror, prepared);
  try {
    for await (const window of inventoryWindows(prepared.scope)) await bringWindow(run, window);
    const walked = walkedAt(run);
    const { isIncomplete, noted } = tally;
    await commitRelease(mirror, { release, walked, noted, isComplete: !isIncomplete, verified: prepared.verified });
    const totals = totalsOf(mirror, release, selection);
    const summary = summarize({ release: release.number, totals, previous, ...tally, meter });
    const { failures, hasTooManyRemovals } = tally;
    return { summary, failures, hasTooManyRemovals, details: detailsOf(mirror, prepared, tally) };
  } finally {
    mirror.situation.load = { ...mirror.situation.load, isSyncing: false, bytesLeft: 0 };
    mirror.holdings.endPlacing();
    mirror.innerStaging.discardAll();
  }
}

/** A daemon's next sync may be hours away. */
function letMemoryGo({ catalog, staging, innerStaging, search, index }: Mirror): void {
  catalog.memories.letGo();
  for (const part of [staging, innerStaging, search, index]) part.rest();
}

/**
 * After a run that left something behind the last clean look says nothing any more; after one that removes nothing from what other paths
 * are selected, the look that removes what moved out is owed still.
 */
function walkedAt({ prepared, tally, options }: SyncRun): WalkedAt {
  const { isWhole, walkedMs, scope, selected } = prepared;
  if (options.plan.removal === "none" && selected.selectsOthers) return {};
  const whole = isWhole ? { lastWholeWalkMs: walkedMs } : {};
  if (!scope.includesForeign) return whole;
  if (tally.hasTooManyRemovals || tally.undone.size > 0) return { ...whole, lastCleanWalkMs: 0 };
  return isWhole ? { ...whole, lastCleanWalkMs: walkedMs } : whole;
}

interface SyncRun {
  readonly mirror: Mirror;
  readonly options: SyncOptions;
  readonly progress: SyncProgress;
  readonly prepared: PreparedSync;
  readonly tally: SyncTally;
  isSelectionInForce: boolean;
  /** Once contents are wanted. */
  announced: Promise<void> | undefined;
}

/** Plan → reuse → missing ranges from the swarm → activate, for some or all paths of the release. */
async function bringWindow(run: SyncRun, window: InventoryWindow): Promise<void> {
  const { mirror, options, progress, prepared, tally } = run;
  const planned = await planWindow(mirror, prepared, { window, options });
  const { plan } = planned;
  progress.onPlan(plan);
  discardUnplanned(mirror, plan, window.isWhole);
  assertRoom(mirror, plan);
  if (!run.isSelectionInForce) await rememberSelected(mirror, prepared.selected);
  run.isSelectionInForce = true;
  rememberGone(mirror, planned.gone);
  mirror.situation.load = { ...mirror.situation.load, isSyncing: true, bytesLeft: bytesOf(plan) };
  try {
    // The tracker answers while this host searches its own files. It sends nobody to a web server below which files change, so it is told before.
    const isSeen =
      servesByName(mirror.situation) && plan.decisions.some((decision) => changedPaths(decision).length > 0);
    if (plan.contents.length > 0 || isSeen) run.announced ??= mirror.announcer.announceNow();
    progress.onStage("reuse");
    const local = await reuseLocally(plan, run);
    await run.announced;
    if (mirror.announcer.revocation !== undefined) throw mirror.announcer.revocation;
    progress.onStage("download");
    const added = addingTo(progress, tally.literalBytes);
    const { reused, failed } = await fetchMissing(mirror, local, { progress: added, findsBy: options.findsBy });
    progress.onStage("activate");
    const activated = await activatePlan(run, { planned, reused, failed });
    tally.add({ planned, reused, failed, activated }, options.keepsChanges || window.isLast);
  } finally {
    mirror.arrived.end();
    for (const transfer of mirror.catalog.transfers.values()) transfer.end();
    mirror.catalog.transfers.clear();
  }
}

async function reuseLocally({ contents }: SyncPlan, { mirror, options }: SyncRun): Promise<ReusedOrInside> {
  const { clock, log, signal } = mirror.ports;
  const { savesTraffic, findsBy } = options;
  const context = { ...mirror, log, signal, names: new NamesBeside(mirror.index) };
  const useDelta = options.plan.useDelta && findsBy === "blocks";
  const chosen = useDelta ? await chooseBasisFiles(contents, context) : contents;
  return await reuseOrLookInside(chosen, { ...context, clock, savesTraffic, useDelta, findsBy });
}

function bytesOf(plan: SyncPlan): number {
  const isHere = ({ source }: ContentToObtain): boolean => source.how === "copy" || source.how === "move";
  return plan.contents.reduce((sum, content) => sum + (isHere(content) ? 0 : content.lengthBytes), 0);
}

async function activatePlan(
  { mirror, prepared, tally }: SyncRun,
  work: Pick<DoneWindow, "planned" | "reused" | "failed">,
): Promise<ActivatedRelease> {
  const { plan, considered, entryElsewhere } = work.planned;
  const entryOf = (path: RepoPath): Entry | undefined => {
    const decided = considered.get(path);
    if (decided !== undefined) return decided.entry;
    const entry = entryElsewhere(path);
    return entry === undefined ? undefined : heldEntry(entry, mirror.attributes);
  };
  const unavailable = new Set<ContentId>(work.failed.map(({ transfer }) => transfer.content));
  const changing = plan.decisions.flatMap(changedPaths);
  if (changing.length > 0) mirror.holdings.beginPlacing(changing.length);
  using _expected = mirror.held.expectChanges(new Set(changing));
  return await activateRelease(plan, work.reused, {
    ...mirror,
    log: mirror.ports.log,
    signal: mirror.ports.signal,
    entryOf,
    unavailable,
    isIncomplete: tally.isIncomplete,
    isMetadata: prepared.scope.isMetadata,
  });
}

/** Paths whose stat an activation changes; a further name changes that of the first too. */
function changedPaths(decision: PathDecision): readonly RepoPath[] {
  if (decision.action === "keep") return [];
  if (decision.action === "remove") return [decision.path];
  return decision.action === "link" ? [decision.entry.path, decision.to] : [decision.entry.path];
}
