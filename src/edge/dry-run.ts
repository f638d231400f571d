import { RangeSet } from "../core/byte-range.ts";
import type { RepoPath } from "../core/repo-path.ts";
import { messageOf, PrsyncError } from "../core/errors.ts";
import { isSigned } from "../delta/block-length.ts";
import type { Release } from "../manifest/release.ts";
import type { ContentToObtain, SyncPlan } from "../plan/plan-sync.ts";
import type { SyncSummary } from "../report/sync-summary.ts";
import type { AnnounceAnswer } from "./announce-client.ts";
import { chooseBasisFiles } from "./basis-choice.ts";
import { takeInventory, wholeWindow } from "./inventory.ts";
import type { Mirror } from "./mirror.ts";
import { NamesBeside } from "./names-beside.ts";
import { planWindow, prepareSync, type PlannedWindow, type PreparedSync } from "./prepare-plan.ts";
import { openBases } from "./reuse.ts";
import { detailsOf } from "./sync-details.ts";
import { countChanged, literalBytesOf, summarize, TrafficMeter, type ObtainedContent } from "./sync-figures.ts";
import type { SyncOutcome } from "./sync-job.ts";
import type { SyncOptions } from "./sync-options.ts";
import { loggingStages, type SyncProgress } from "./sync-progress.ts";

/**
 * What {@link runSync} would do: the same plan, the same search over basis files, and what the tracker says who holds. DEST stays
 * as it is; of the index only what any run learns on its way to a plan is kept.
 * @throws as runSync does before it changes anything
 */
export async function predictSync(mirror: Mirror, options: SyncOptions, listener: SyncProgress): Promise<SyncOutcome> {
  const progress = loggingStages(listener, mirror.ports.log);
  const meter = new TrafficMeter(mirror);
  const prepared = await prepareSync(mirror, { ...options, rescanMs: 0 }, progress);
  const window = wholeWindow(mirror.index, await takeInventory(prepared.scope));
  const planned = await planWindow(mirror, prepared, { window, options });
  progress.onPlan(planned.plan);
  progress.onStage("reuse");
  const announced = planned.plan.contents.length > 0 ? mirror.announcer.announceNow() : Promise.resolve();
  const predicted = await predictContents(mirror, planned, options);
  await announced;
  if (mirror.announcer.revocation !== undefined) throw mirror.announcer.revocation;
  const told = { windows: [planned], undone: new Set<RepoPath>(), literalBytes: literalBytesOf(predicted) };
  const details = detailsOf(mirror, prepared, told);
  const { files, fileBytes } = prepared.selection.isEverything ? wholeOf(prepared.release) : details.entries();
  const totals = { files, bytes: fileBytes };
  const summary = predictedSummary(mirror, prepared, { ...planned, predicted, totals, meter });
  return { summary, failures: [], hasTooManyRemovals: planned.spared.length > 0, details };
}

async function predictContents(
  mirror: Mirror,
  { plan }: PlannedWindow,
  { plan: { useDelta }, findsBy }: SyncOptions,
): Promise<readonly ObtainedContent[]> {
  const { signal, log } = mirror.ports;
  const names = new NamesBeside(mirror.index);
  // What pieces in place would give is not known before they are hashed: counted as fetched.
  const contents =
    useDelta && findsBy === "blocks"
      ? await chooseBasisFiles(plan.contents, { ...mirror, log, signal, names })
      : plan.contents.map(fetchedUnlessHeld);
  const withBasis = contents.filter(({ source, lengthBytes }) => source.how === "delta" && isSigned(lengthBytes));
  await mirror.signatures.prepare(withBasis, signal);
  const predicted: ObtainedContent[] = [];
  for (const wanted of contents) {
    signal.throwIfAborted();
    predicted.push(await predictOne(mirror, wanted));
  }
  return predicted;
}

function fetchedUnlessHeld(wanted: ContentToObtain): ContentToObtain {
  return wanted.source.how === "delta" ? { ...wanted, source: { how: "fetch" } } : wanted;
}

async function predictOne(mirror: Mirror, wanted: ContentToObtain): Promise<ObtainedContent> {
  const { source, lengthBytes } = wanted;
  if ("from" in source || lengthBytes === 0) return { wanted, how: "copied", reusedBytes: lengthBytes };
  const present = stagedRanges(mirror, wanted);
  const resumedBytes = present.totalBytes;
  if (source.how === "fetch" || !isSigned(lengthBytes)) return { wanted, how: "fetched", reusedBytes: resumedBytes };
  for (const { start, end } of await matchedRanges(mirror, wanted, source.basis)) present.add(start, end);
  return { wanted, how: present.totalBytes > resumedBytes ? "delta" : "fetched", reusedBytes: present.totalBytes };
}

/** What an interrupted run left, verified. */
function stagedRanges({ index, staging }: Mirror, { content, lengthBytes }: ContentToObtain): RangeSet {
  const present = new RangeSet();
  const record = index.staged.get(content);
  if (record === undefined || staging.lengthOf(content) !== lengthBytes) return present;
  for (const piece of record.verified) {
    const start = piece * record.pieceLength;
    present.add(start, Math.min(lengthBytes, start + record.pieceLength));
  }
  return present;
}

/** Bytes of the content that its basis files seem to have. */
async function matchedRanges(
  { signatures, search, destination, ports }: Mirror,
  wanted: ContentToObtain,
  basis: ContentToObtain["paths"],
): Promise<readonly { readonly start: number; readonly end: number }[]> {
  const { signal, log } = ports;
  try {
    const signature = await signatures.signature(wanted, signal);
    if (signature === undefined) return [];
    await using bases = await openBases(basis, { destination, log });
    const task = { signature, contentLength: wanted.lengthBytes, bases: bases.opened.map(({ handle }) => handle) };
    const { runs } = await search.search(task, signal);
    return runs.map(({ targetOffset, length }) => ({ start: targetOffset, end: targetOffset + length }));
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof PrsyncError)) throw error;
    log.warn({ content: wanted.content, reason: messageOf(error) }, "basis files can't be used");
    return [];
  }
}

function wholeOf({ totals }: Release): { readonly files: number; readonly fileBytes: number } {
  return { files: totals.files, fileBytes: totals.bytes };
}

function predictedSummary(
  mirror: Mirror,
  { release, previous }: PreparedSync,
  found: {
    readonly plan: SyncPlan;
    readonly gone: PlannedWindow["gone"];
    readonly predicted: readonly ObtainedContent[];
    readonly totals: { readonly files: number; readonly bytes: number };
    readonly meter: TrafficMeter;
  },
): SyncSummary {
  const { plan, predicted, totals, meter } = found;
  const heldBack = found.gone.heldBack.length;
  const removed = plan.decisions.filter(({ action }) => action === "remove").length;
  const literalBytes = literalBytesOf(predicted);
  const changed = countChanged(plan, predicted);
  const summary = summarize({
    release: release.number,
    totals,
    previous,
    changed,
    literalBytes,
    removed,
    heldBack,
    meter,
  });
  const fromPeers = literalBytesOf(predicted.filter(({ wanted }) => isHeldByPeer(mirror, release.number, wanted)));
  const { metadata } = summary.bytes;
  const bytesPerSecond = mirror.index.facts.get("downloadBytesPerSecond");
  return {
    ...summary,
    bytes: {
      ...summary.bytes,
      received: metadata + literalBytes,
      fromPeers,
      fromOrigin: literalBytes - fromPeers,
      uploaded: 0,
    },
    seconds: bytesPerSecond === undefined ? 0 : literalBytes / bytesPerSecond,
    dryRun: true,
  };
}

/** Whether a mirror that the tracker named has the bundle of a content, or all of the release. */
function isHeldByPeer({ catalog, announcer }: Mirror, release: number, { content }: ContentToObtain): boolean {
  const bundle = catalog.placeOf(content)?.bundle;
  const holds = ({ complete, bundles }: AnnounceAnswer["peers"][number]): boolean =>
    complete === release || (bundle !== undefined && bundles?.includes(bundle) === true);
  return announcer.namedPeers.some(holds);
}
