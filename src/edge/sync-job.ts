import type { ContentId } from "../core/content-id.ts";
import type { RepoPath } from "../core/repo-path.ts";
import type { Entry } from "../manifest/entry.ts";
import { heldEntry } from "../plan/held-attributes.ts";
import { metadataPaths } from "../plan/metadata-class.ts";
import type { ConsideredPath, ContentToObtain, PathDecision, SyncPlan } from "../plan/plan-sync.ts";
import type { SyncSummary } from "../report/sync-summary.ts";
import type { PathFailure } from "../store/activation.ts";
import { fatalDiskError } from "../store/errors.ts";
import { isIndexDamaged } from "../store/mirror-index-schema.ts";
import { activateRelease, type ActivatedRelease } from "./activate-release.ts";
import { chooseBasisFiles } from "./basis-choice.ts";
import { commitRelease } from "./commit-release.ts";
import type { DownloadFailure } from "./download.ts";
import { fetchMissing } from "./fetch-missing.ts";
import { reuseOrLookInside } from "./look-inside.ts";
import type { Mirror } from "./mirror.ts";
import { NamesBeside } from "./names-beside.ts";
import { assertRoom, discardUnplanned, preparePlan, rememberGone } from "./prepare-plan.ts";
import { rememberQuota } from "./quota.ts";
import type { ReusedContent } from "./reuse.ts";
import { detailsOf, type SyncDetails } from "./sync-details.ts";
import { literalBytesOf, summarize, totalsOf, TrafficMeter } from "./sync-figures.ts";
import type { SyncOptions } from "./sync-options.ts";
import { loggingStages, type SyncProgress } from "./sync-progress.ts";

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
  }
}

async function runStages(mirror: Mirror, options: SyncOptions, listener: SyncProgress): Promise<SyncOutcome> {
  const { signal, log } = mirror.ports;
  const progress = loggingStages(listener, log);
  const meter = new TrafficMeter(mirror);
  const prepared = await preparePlan(mirror, options, progress);
  const { plan, considered, selection, release, previous } = prepared;
  rememberGone(mirror, prepared.gone);
  rememberQuota(mirror.index, prepared.quota);
  discardUnplanned(mirror, plan);
  assertRoom(mirror, plan);
  mirror.situation.load = { ...mirror.situation.load, isSyncing: true, bytesLeft: bytesOf(plan) };
  try {
    // The tracker answers while this host searches its own files.
    const announced = plan.contents.length > 0 ? mirror.announcer.announceNow() : Promise.resolve();
    progress.onStage("reuse");
    const context = { ...mirror, log, signal, names: new NamesBeside(mirror.index) };
    const usesBlocks = options.plan.useDelta && options.findsBy === "blocks";
    const contents = usesBlocks ? await chooseBasisFiles(plan.contents, context) : plan.contents;
    const local = await reuseOrLookInside(contents, {
      ...context,
      clock: mirror.ports.clock,
      savesTraffic: options.savesTraffic,
      useDelta: usesBlocks,
      findsBy: options.findsBy,
    });
    await announced;
    if (mirror.announcer.revocation !== undefined) throw mirror.announcer.revocation;
    progress.onStage("download");
    const { reused, failed } = await fetchMissing(mirror, local, { progress, findsBy: options.findsBy });
    progress.onStage("activate");
    const isMetadata = metadataPaths(options.last);
    const activated = await activatePlan(mirror, { plan, reused, considered, failed, isMetadata });
    const failures = [...activated.failures, ...unobtained(plan, failed)];
    const failedPaths = [...failures.map(({ path }) => path), ...activated.heldBack];
    // What no release brought is not noted: the next run would take it for its own.
    const isOurs = (path: RepoPath): boolean => considered.get(path)?.isOurs !== false;
    const noted = [...failedPaths, ...prepared.spared].filter(isOurs);
    await commitRelease(mirror, { release, isWhole: prepared.isWhole, noted, isComplete: failedPaths.length === 0 });
    const totals = totalsOf(mirror, release, selection);
    const summary = summarize({
      release: release.number,
      totals,
      previous,
      plan,
      reused,
      removed: activated.removed,
      heldBack: prepared.gone.heldBack.length,
      meter,
    });
    const undone = new Set([...failedPaths, ...activated.leftAlone]);
    const details = detailsOf(mirror, prepared, { undone, literalBytes: literalBytesOf(reused) });
    return { summary, failures, hasTooManyRemovals: prepared.spared.length > 0, details };
  } finally {
    mirror.catalog.transfers.clear();
    mirror.innerStaging.discardAll();
    mirror.situation.load = { ...mirror.situation.load, isSyncing: false, bytesLeft: 0 };
  }
}

function bytesOf(plan: SyncPlan): number {
  const isHere = ({ source }: ContentToObtain): boolean => source.how === "copy" || source.how === "move";
  return plan.contents.reduce((sum, content) => sum + (isHere(content) ? 0 : content.lengthBytes), 0);
}

interface PlannedWork {
  readonly plan: SyncPlan;
  readonly reused: readonly ReusedContent[];
  readonly considered: ReadonlyMap<RepoPath, ConsideredPath>;
  readonly failed: readonly DownloadFailure[];
  readonly isMetadata: (path: RepoPath) => boolean;
}

async function activatePlan(mirror: Mirror, work: PlannedWork): Promise<ActivatedRelease> {
  const entryOf = (path: RepoPath): Entry | undefined => {
    const decided = work.considered.get(path);
    if (decided !== undefined) return decided.entry;
    const entry = mirror.index.manifest.entry(path);
    return entry === undefined ? undefined : heldEntry(entry, mirror.attributes);
  };
  const unavailable = new Set<ContentId>(work.failed.map(({ transfer }) => transfer.content));
  const changing = work.plan.decisions.flatMap(changedPaths);
  if (changing.length > 0) mirror.holdings.isComplete = false;
  using _expected = mirror.held.expectChanges(new Set(changing));
  return await activateRelease(work.plan, work.reused, {
    ...mirror,
    log: mirror.ports.log,
    signal: mirror.ports.signal,
    entryOf,
    unavailable,
    isMetadata: work.isMetadata,
  });
}

/** Paths whose stat an activation changes; a further name changes that of the first too. */
function changedPaths(decision: PathDecision): readonly RepoPath[] {
  if (decision.action === "keep") return [];
  if (decision.action === "remove") return [decision.path];
  return decision.action === "link" ? [decision.entry.path, decision.to] : [decision.entry.path];
}

function unobtained(plan: SyncPlan, failed: readonly DownloadFailure[]): PathFailure[] {
  const errors = new Map(failed.map(({ transfer, error }) => [transfer.content, error]));
  return plan.decisions.flatMap((decision) => {
    if (decision.action !== "place" && decision.action !== "link") return [];
    const { path, content } = decision.entry;
    return errors.has(content) ? [{ path, error: errors.get(content) }] : [];
  });
}
