import { formatByteSize } from "../core/byte-size.ts";
import { isSystemError, messageOf } from "../core/errors.ts";
import type { ContentId } from "../core/content-id.ts";
import type { RepoPath } from "../core/repo-path.ts";
import type { Entry } from "../manifest/entry.ts";
import type { Release } from "../manifest/release.ts";
import {
  planSync,
  withoutRemovals,
  type ConsideredPath,
  type ContentToObtain,
  type PathDecision,
  type PlanOptions,
  type SyncPlan,
} from "../plan/plan-sync.ts";
import type { SyncSummary } from "../report/sync-summary.ts";
import type { PathFailure } from "../store/activation.ts";
import { paceOf } from "../net/pace.ts";
import { fatalDiskError, StoreError } from "../store/errors.ts";
import { isIndexDamaged } from "../store/mirror-index-schema.ts";
import { freeSpaceOf, shortfall } from "../store/free-space.ts";
import { parsePublicKey } from "../trust/signing-key.ts";
import { isWholeReleaseVerified } from "./holdings-report.ts";
import { activateRelease, type ActivatedRelease } from "./activate-release.ts";
import { chooseBasisFiles } from "./basis-choice.ts";
import { download, type DownloadFailure } from "./download.ts";
import { SyncError } from "./errors.ts";
import { localHoldings, takeInventory } from "./inventory.ts";
import { dropLeftLinks } from "./left-links.ts";
import { rebuildInside } from "./look-inside-rebuild.ts";
import { learnRecompressions } from "./look-inside-records.ts";
import { LineRate } from "./line-rate.ts";
import { reuseOrLookInside, type ReusedOrInside } from "./look-inside.ts";
import { withMergeFiles } from "./merge-files.ts";
import type { Mirror } from "./mirror.ts";
import { NamesBeside } from "./names-beside.ts";
import { nextManifest } from "./next-manifest.ts";
import type { ReusedContent } from "./reuse.ts";
import { StrayFiles } from "./stray-files.ts";
import { summarize, totalsOf, TrafficMeter } from "./sync-figures.ts";
import { loggingStages, type SyncProgress } from "./sync-progress.ts";

export interface SyncOptions {
  readonly plan: PlanOptions;
  /** Look at every path of DEST if the last whole look is older than this; 0 always. */
  readonly rescanMs: number;
  /** Remove nothing if more paths than this would go; "a-fifth": the larger of 1,000 and 20 % of the release; undefined: no limit. */
  readonly maxDelete: number | "a-fifth" | undefined;
  /** Find what old files hold by blocks of signatures at any offset, or by whole pieces of the swarm at the same one. */
  readonly findsBy: "blocks" | "pieces";
  /** Go by way of inner contents whenever that takes fewer bytes, however long it takes. */
  readonly savesTraffic: boolean;
  /** timestamp.json that came with a release event. */
  readonly pushedTimestamp?: Uint8Array | undefined;
}

/** What a sync did. */
export interface SyncOutcome {
  readonly summary: SyncSummary;
  /** Paths that are not as the release has them; the release counts as held all the same once the rest is there. */
  readonly failures: readonly PathFailure[];
  /** The plan would have removed more than allowed, so nothing was removed. */
  readonly hasTooManyRemovals: boolean;
}

/** Below so many entries a whole look at DEST costs nothing worth saving. */
const ALWAYS_WALK_BELOW_ENTRIES = 100_000;

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
  progress.onStage("release");
  const release = await fetchTrustedRelease(mirror, options);
  const previous = mirror.index.facts.get("heldRelease") ?? 0;
  progress.onStage("manifest");
  await mirror.metadata.follow(release);
  const bundles = await nextManifest(mirror, release);
  await mirror.catalog.learn(bundles, signal);
  await learnRecompressions({ ...mirror, log, signal });
  progress.onStage("inventory");
  const isWhole = isWholeLookDue(mirror, options);
  const selection = await withMergeFiles(mirror);
  const scope = {
    ...mirror,
    log,
    isWhole,
    includesForeign: options.plan.removal === "all",
    isStrict: options.plan.checksum,
    selection,
    strays: new StrayFiles(),
  };
  // What turns out changed from here on is for the next run.
  mirror.index.files.takeChanged();
  dropLeftLinks(mirror);
  const considered = await takeInventory(scope);
  const wholePlan = planSync(considered.values(), localHoldings(scope, considered), options.plan);
  const plan = withoutExcessRemovals(wholePlan, release, options);
  progress.onPlan(plan);
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
    const activated = await activatePlan(mirror, { plan, reused, considered, failed });
    const failures = [...activated.failures, ...unobtained(plan, failed)];
    const failedPaths = [...failures.map(({ path }) => path), ...activated.heldBack];
    // What no release brought is not noted: the next run would take it for its own.
    const isOurs = (path: RepoPath): boolean => considered.get(path)?.isOurs !== false;
    const noted = [...failedPaths, ...keptBy(plan, wholePlan)].filter(isOurs);
    await commit(mirror, { release, isWhole, noted, isComplete: failedPaths.length === 0 });
    const totals = totalsOf(mirror, release, selection);
    const summary = summarize({
      release: release.number,
      totals,
      previous,
      plan,
      reused,
      removed: activated.removed,
      meter,
    });
    return { summary, failures, hasTooManyRemovals: plan !== wholePlan };
  } finally {
    mirror.catalog.transfers.clear();
    mirror.innerStaging.discardAll();
    mirror.situation.load = { ...mirror.situation.load, isSyncing: false, bytesLeft: 0 };
  }
}

/** The newest signed release; its pass key admits peers from here on. */
async function fetchTrustedRelease(mirror: Mirror, options: SyncOptions): Promise<Release> {
  const { release, expiresMs } = await mirror.trusted.refresh(mirror.ports.signal, {
    timestamp: options.pushedTimestamp,
  });
  mirror.situation.passKey = parsePublicKey(release.passKey);
  mirror.situation.trustEndsMs = expiresMs;
  mirror.situation.announcedRelease = Math.max(mirror.situation.announcedRelease, release.number);
  mirror.index.facts.set("lastPollMs", mirror.ports.clock.wallMs());
  const held = mirror.index.facts.get("heldRelease") ?? 0;
  if (held <= release.number) return release;
  throw new SyncError("manifest-mismatch", `this mirror holds release ${held}, central's newest is ${release.number}`);
}

function isWholeLookDue(mirror: Mirror, options: SyncOptions): boolean {
  const { index, ports } = mirror;
  // Both speak of all files, not of those that a release changed.
  if (options.plan.removal === "all" || options.plan.checksum) return true;
  const lastMs = index.facts.get("lastWholeWalkMs") ?? 0;
  if (ports.clock.wallMs() - lastMs >= options.rescanMs) return true;
  return index.manifest.entryCount() < ALWAYS_WALK_BELOW_ENTRIES;
}

/** The guard against a wiped release: checked against the whole plan, before the first removal. */
function withoutExcessRemovals(plan: SyncPlan, release: Release, { maxDelete }: SyncOptions): SyncPlan {
  const limit = maxDelete === "a-fifth" ? Math.max(1_000, Math.ceil(release.totals.entries / 5)) : maxDelete;
  const removals = plan.decisions.filter((decision) => decision.action === "remove").length;
  if (limit === undefined || removals <= limit) return plan;
  return withoutRemovals(plan);
}

/** Paths that stay only because of {@link withoutExcessRemovals}. */
function keptBy(plan: SyncPlan, wholePlan: SyncPlan): readonly RepoPath[] {
  if (plan === wholePlan) return [];
  return wholePlan.decisions.flatMap((decision) => (decision.action === "remove" ? [decision.path] : []));
}

/** What an interrupted run staged for a release that is no longer the newest only takes room. */
function discardUnplanned({ staging }: Mirror, plan: SyncPlan): void {
  const planned = new Set(plan.contents.map(({ content }) => content));
  for (const { content } of [...staging.parts()]) if (!planned.has(content)) staging.discard(content);
}

/** Refused before anything is fetched: a full disk half way helps nobody. */
function assertRoom(mirror: Mirror, plan: SyncPlan): void {
  const wanted = plan.contents.filter(
    ({ content, source }) => source.how !== "move" && mirror.staging.lengthOf(content) === undefined,
  );
  const bytes = wanted.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  const missing = shortfall(freeSpaceOf(mirror.destination.rootPath), { bytes, files: wanted.length });
  if (missing === undefined || bytes === 0) return;
  const what = missing.bytes > 0 ? `${formatByteSize(missing.bytes)} more` : `${missing.inodes} more inodes`;
  throw new StoreError(
    "disk-full",
    `"${mirror.destination.rootPath}" needs ${what} for this release; nothing was changed`,
  );
}

function bytesOf(plan: SyncPlan): number {
  const isHere = ({ source }: ContentToObtain): boolean => source.how === "copy" || source.how === "move";
  return plan.contents.reduce((sum, content) => sum + (isHere(content) ? 0 : content.lengthBytes), 0);
}

/** First what comes by way of inner contents, then all the rest, and what could not be made. */
async function fetchMissing(
  mirror: Mirror,
  local: ReusedOrInside,
  { progress, findsBy }: Pick<SyncOptions, "findsBy"> & { readonly progress: SyncProgress },
): Promise<{ readonly reused: readonly ReusedContent[]; readonly failed: readonly DownloadFailure[] }> {
  const { index, swarm, http, ports } = mirror;
  const rate = new LineRate(() => swarm.counters.receivedBytes + http.receivedBytes, ports.clock);
  const context = {
    ...mirror,
    findsBy,
    log: ports.log,
    signal: ports.signal,
    rate,
    pace: paceOf(mirror.bandwidth.fetches, ports.clock),
    onProgress: (receivedBytes: number, wantedBytes: number) => {
      // What failed its hash is received more than once.
      mirror.situation.load = { ...mirror.situation.load, bytesLeft: Math.max(0, wantedBytes - receivedBytes) };
      progress.onBytes(receivedBytes, wantedBytes);
    },
  };
  const reused = [...local.reused, ...(await rebuildInside(local.inside, context))];
  const transfers = reused.flatMap(({ transfer }) => (transfer === undefined ? [] : [transfer]));
  const failed = await download(transfers, context);
  // What the next sync goes by when it chooses between fetching and working.
  const bytesPerSecond = rate.revise(index.facts.get("downloadBytesPerSecond"));
  if (bytesPerSecond !== undefined) index.facts.set("downloadBytesPerSecond", bytesPerSecond);
  return { reused, failed };
}

interface PlannedWork {
  readonly plan: SyncPlan;
  readonly reused: readonly ReusedContent[];
  readonly considered: ReadonlyMap<RepoPath, ConsideredPath>;
  readonly failed: readonly DownloadFailure[];
}

async function activatePlan(mirror: Mirror, work: PlannedWork): Promise<ActivatedRelease> {
  const entryOf = (path: RepoPath): Entry | undefined => {
    const decided = work.considered.get(path);
    return decided === undefined ? mirror.index.manifest.entry(path) : decided.entry;
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
  });
}

/** Paths whose stat an activation changes; a further name changes that of the first too. */
function changedPaths(decision: PathDecision): readonly RepoPath[] {
  if (decision.action === "keep") return [];
  if (decision.action === "remove") return [decision.path];
  return decision.action === "link" ? [decision.entry.path, decision.to] : [decision.entry.path];
}

/**
 * The release number changes in one durable transaction with the manifest. Paths that failed, or whose removal was too
 * much, stay noted: the next run looks at them again.
 */
async function commit(
  mirror: Mirror,
  done: {
    readonly release: Release;
    readonly isWhole: boolean;
    readonly noted: readonly RepoPath[];
    readonly isComplete: boolean;
  },
): Promise<void> {
  const { index, staging, catalog, swarm, holdings, ports } = mirror;
  setRootAttributes(mirror, done.release);
  const settle = (): void => {
    index.files.clearPending();
    index.files.addPending([...done.noted, ...index.files.takeChanged()]);
  };
  if (index.manifest.next() === undefined) index.transaction(settle);
  else await index.commitRelease(settle);
  index.transaction(() => {
    index.facts.set("sketchesSwept", index.sketches.sweep(index.facts.get("sketchesSwept") ?? 0));
  });
  if (done.isWhole) index.facts.set("lastWholeWalkMs", ports.clock.wallMs());
  index.transaction(() => [...index.staged.all()].forEach(({ content }) => index.staged.remove(content)));
  staging.discardAll();
  catalog.refreshLiving((infoHash, piece) => swarm.announceHave(infoHash, piece));
  holdings.isComplete = done.isComplete && isWholeReleaseVerified(index, mirror.selected.selection);
}

/** DEST itself may belong to somebody else; that is no reason to be without the release. */
function setRootAttributes({ destination, ports }: Mirror, release: Release): void {
  try {
    destination.setRootAttributes(release.root);
  } catch (error) {
    if (!isSystemError(error, "EPERM", "EACCES")) throw error;
    ports.log.warn({ reason: messageOf(error) }, "mode and time of DEST itself can't be set");
  }
}

function unobtained(plan: SyncPlan, failed: readonly DownloadFailure[]): PathFailure[] {
  const errors = new Map(failed.map(({ transfer, error }) => [transfer.content, error]));
  return plan.decisions.flatMap((decision) => {
    if (decision.action !== "place" && decision.action !== "link") return [];
    const { path, content } = decision.entry;
    return errors.has(content) ? [{ path, error: errors.get(content) }] : [];
  });
}
