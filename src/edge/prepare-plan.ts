import type { ContentId } from "../core/content-id.ts";
import { formatByteSize } from "../core/byte-size.ts";
import type { RepoPath } from "../core/repo-path.ts";
import type { Selection } from "../filter/selection.ts";
import type { Release } from "../manifest/release.ts";
import { metadataPaths } from "../plan/metadata-class.ts";
import { delayRemovals, noLongerGone, type DelayedRemovals } from "../plan/delayed-removals.ts";
import { planSync, withoutRemovals, type SyncPlan } from "../plan/plan-sync.ts";
import { isWalkDue } from "../plan/walk-due.ts";
import type { ItemizedState } from "../report/itemized-change.ts";
import { StoreError } from "../store/errors.ts";
import { freeSpaceOf, shortfall } from "../store/free-space.ts";
import { orderedWalk } from "../store/ordered-walk.ts";
import { parsePublicKey } from "../trust/signing-key.ts";
import { compareContents } from "./compare-contents.ts";
import { SyncError } from "./errors.ts";
import { type InventoryWindow, localHoldings } from "./inventory.ts";
import type { WindowScope } from "./inventory-windows.ts";
import { dropLeftLinks } from "./left-links.ts";
import { learnRecompressions } from "./look-inside-records.ts";
import { withMergeFiles } from "./merge-files.ts";
import type { Mirror } from "./mirror.ts";
import { nextManifest } from "./next-manifest.ts";
import { learnAssignment, limitToQuota, type LimitedSelection, rememberQuota } from "./quota.ts";
import { StrayFiles } from "./stray-files.ts";
import type { SyncOptions } from "./sync-options.ts";
import type { SyncProgress } from "./sync-progress.ts";
import { VerifiedSince } from "./verified-release.ts";

/** What a sync knows before it looks at paths. */
export interface PreparedSync {
  readonly release: Release;
  /** Number of the release held until now, 0 for none. */
  readonly previous: number;
  /** Every path of DEST is looked at. */
  readonly isWhole: boolean;
  readonly verified: VerifiedSince;
  /** When the look began, wall clock. */
  readonly walkedMs: number;
  readonly selection: Selection;
  readonly selected: SelectedPaths;
  readonly scope: WindowScope;
  /** DEST itself. */
  readonly rootBefore: ItemizedState;
}

/** What decides about paths besides the options and the release, to be remembered once the run changes anything. */
interface SelectedPaths extends Pick<LimitedSelection, "quota"> {
  /** Id of the texts of merge files, "" without. */
  readonly mergeFiles: string;
  /** Other paths than in the last run are meant, whatever the release changed. */
  readonly selectsOthers: boolean;
}

/** What a sync is about to do with a window of paths, before the first byte of content. */
export interface PlannedWindow extends InventoryWindow {
  readonly plan: SyncPlan;
  /** Paths that stay only because the plan would have removed more than allowed. */
  readonly spared: readonly RepoPath[];
  /** What --delete-after-age keeps, and what to remember of it. */
  readonly gone: GoneChanges;
}

/** Paths that the release lacks and that DEST still has. */
export interface GoneChanges extends Pick<DelayedRemovals, "heldBack" | "newlyGone"> {
  /** To be forgotten: they came back, or somebody else removed them. */
  readonly over: readonly RepoPath[];
}

/**
 * Trusted release → what changed in the manifest → what to look at. Changes nothing of DEST.
 * @throws TrustError, NetError, SyncError, StoreError (`staging-removed` first); the signal's reason
 */
export async function prepareSync(mirror: Mirror, options: SyncOptions, progress: SyncProgress): Promise<PreparedSync> {
  const { signal, log } = mirror.ports;
  mirror.places.assertInPlace();
  progress.onStage("release");
  const release = await fetchTrustedRelease(mirror, options);
  const previous = mirror.index.facts.get("heldRelease") ?? 0;
  progress.onStage("manifest");
  await mirror.metadata.follow(release);
  const bundles = await nextManifest(mirror, release);
  await mirror.catalog.learn(bundles, signal);
  // Reads all of them.
  if (previous !== release.number) mirror.index.recompressions.removeOrphans();
  await learnRecompressions({ ...mirror, log, signal });
  progress.onStage("inventory");
  const merged = await withMergeFiles(mirror, mirror.selected.selection);
  await learnAssignment(mirror, release.number);
  const { selection, quota, isMoved } = limitToQuota(mirror, merged.selection, release.number);
  const { mergeFiles } = merged;
  const selectsOthers = mirror.selected.isNew || isMoved || mergeFiles !== (mirror.index.facts.get("mergeFiles") ?? "");
  const walkedMs = mirror.ports.clock.wallMs();
  const isWhole = selectsOthers || isWholeLookDue(mirror, options);
  const scope = {
    ...mirror,
    log,
    isWhole,
    includesForeign: options.plan.removal === "all",
    isStrict: options.plan.checksum,
    selection,
    strays: new StrayFiles(),
    windowPaths: options.windowPaths,
    isMetadata: metadataPaths(options.last),
  };
  const rootBefore = rootState(mirror, previous);
  // What turns out changed from here on is for the next run.
  mirror.index.files.takeChanged();
  const verified = new VerifiedSince(mirror.index);
  dropLeftLinks(mirror);
  const selected = { quota, mergeFiles, selectsOthers };
  return { release, previous, isWhole, walkedMs, verified, selection, selected, scope, rootBefore };
}

/** Decides about the paths of a window; changes nothing of DEST. */
export async function planWindow(
  mirror: Mirror,
  { scope, release }: PreparedSync,
  { window, options }: { readonly window: InventoryWindow; readonly options: SyncOptions },
): Promise<PlannedWindow> {
  const considered = options.plan.checksum ? await compareContents(mirror, window.considered) : window.considered;
  const compared = { ...window, considered };
  // Asks the index about each content: together they lock it once.
  const ask = (): SyncPlan => planSync(considered.values(), localHoldings(scope, compared), options.plan);
  const wholePlan = mirror.index.transaction(ask);
  const { plan: duePlan, ...gone } = dueRemovals(mirror, { ...compared, wholePlan, options });
  const plan = withoutExcessRemovals(duePlan, release, options);
  return { ...compared, plan, spared: keptBy(plan, duePlan), gone };
}

function rootState({ destination, isNewDestination }: Mirror, previous: number): ItemizedState {
  if (isNewDestination && previous === 0) return { kind: "absent" };
  return { kind: "directory", ...destination.rootAttributes() };
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

function isWholeLookDue({ index, ports }: Mirror, { plan, rescanMs }: SyncOptions): boolean {
  const before = {
    entries: index.manifest.entryCount(),
    lastWholeMs: index.facts.get("lastWholeWalkMs") ?? 0,
    lastCleanMs: index.facts.get("lastCleanWalkMs") ?? 0,
  };
  return isWalkDue(before, { nowMs: ports.clock.wallMs(), rescanMs }, plan);
}

/** The plan with the removals whose time has come (--delete-after-age). */
function dueRemovals(
  { index, ports }: Mirror,
  planned: InventoryWindow & { readonly wholePlan: SyncPlan; readonly options: SyncOptions },
): GoneChanges & { readonly plan: SyncPlan } {
  const { wholePlan, considered, options } = planned;
  if (!planned.isLast) return { plan: wholePlan, heldBack: [], newlyGone: [], over: [] };
  const records = index.gone.all();
  const over = noLongerGone(records, considered, { looksAtForeign: options.plan.removal === "all" });
  const ageMs = options.removeAfterMs;
  if (ageMs === undefined) return { plan: wholePlan, heldBack: [], newlyGone: [], over };
  const seen = new Map(records.map((record) => [record.path, record]));
  return { ...delayRemovals(wholePlan, seen, { nowMs: ports.clock.wallMs(), ageMs, considered }), over };
}

/**
 * A run that ends early has decided about some paths only: the next one looks at all of them again. The selection itself comes last, as
 * without it that look is due anyway.
 */
export async function rememberSelected(
  { index, selected }: Mirror,
  { quota, mergeFiles, selectsOthers }: SelectedPaths,
): Promise<void> {
  const remember = (): void => {
    rememberQuota(index, quota);
    if (!selectsOthers) return;
    index.facts.set("mergeFiles", mergeFiles);
    index.facts.set("lastWholeWalkMs", 0);
  };
  // The selection outlives a power cut: the look that is owed for it must, too.
  if (selectsOthers) index.durably(remember);
  else index.transaction(remember);
  await selected.remember();
}

/** Written before anything is done: a sync that takes hours, or never ends, does not make a path stay longer. */
export function rememberGone({ index }: Mirror, { newlyGone, over }: GoneChanges): void {
  if (newlyGone.length + over.length === 0) return;
  index.transaction(() => {
    for (const path of over) index.gone.forget(path);
    for (const record of newlyGone) index.gone.put(record);
  });
}

/** The guard against a wiped release: checked against all removals that are due, before the first of them. */
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

/**
 * What an interrupted run staged for a release that is no longer the newest only takes room. @param isWhole the plan has all
 * contents that are wanted; of others only what no bundle has is certain
 */
export function discardUnplanned({ staging, index, catalog }: Mirror, plan: SyncPlan, isWhole: boolean): void {
  const planned = new Set(plan.contents.map(({ content }) => content));
  const isWanted = (content: ContentId): boolean =>
    planned.has(content) || (!isWhole && catalog.placeOf(content) !== undefined);
  for (const { content } of [...staging.parts()]) if (!isWanted(content)) staging.discard(content);
  const isOver = (content: ContentId): boolean => !isWanted(content) || staging.lengthOf(content) === undefined;
  const records = [...index.staged.all()].filter(({ content }) => isOver(content));
  if (records.length > 0) index.transaction(() => records.forEach(({ content }) => index.staged.remove(content)));
}

/**
 * The same for all windows of a first release, as far as it is known before they are planned: where DEST is empty. A bundle may have
 * contents that the release lacks by now, and several files may share one: the lesser count is nearer. What an interrupted run
 * staged takes its room already.
 */
export async function assertRoomForAll(mirror: Mirror, { release, selection }: PreparedSync): Promise<void> {
  const { index, destination } = mirror;
  if (index.manifest.held() !== undefined || !selection.isEverything) return;
  for await (const _batch of orderedWalk(destination)) return;
  const bundles = index.bundles.all().filter(({ kind }) => kind === "content");
  const bundled = index.bundles.totalsOf(bundles.map(({ number }) => number));
  const wanted = {
    files: Math.min(release.totals.files, bundled.files),
    bytes: Math.min(release.totals.bytes, bundled.bytes),
  };
  for (const { lengthBytes } of mirror.staging.parts()) {
    wanted.files -= 1;
    wanted.bytes -= lengthBytes;
  }
  assertFree(mirror, wanted);
}

/** Refused before anything is fetched: a full disk half way helps nobody. */
export function assertRoom(mirror: Mirror, plan: SyncPlan): void {
  const wanted = plan.contents.filter(
    ({ content, source }) => source.how !== "move" && mirror.staging.lengthOf(content) === undefined,
  );
  const bytes = wanted.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  assertFree(mirror, { bytes, files: wanted.length });
}

function assertFree(
  { destination, staging }: Mirror,
  wanted: { readonly bytes: number; readonly files: number },
): void {
  if (wanted.bytes <= 0) return;
  // How much of them are holes nobody knows before they are here.
  const needed = { ...wanted, bytes: staging.isSparse ? 0 : wanted.bytes };
  const missing = shortfall(freeSpaceOf(destination.rootPath), needed);
  if (missing === undefined) return;
  const what = missing.bytes > 0 ? `${formatByteSize(missing.bytes)} more` : `${missing.inodes} more inodes`;
  throw new StoreError("disk-full", `"${destination.rootPath}" needs ${what} for this release; nothing was changed`);
}
