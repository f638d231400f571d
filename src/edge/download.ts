import { RangeSet } from "../core/byte-range.ts";
import type { Clock } from "../core/clock.ts";
import { messageOf, PrsyncError } from "../core/errors.ts";
import { fatalDiskError } from "../store/errors.ts";
import type { Pace } from "../net/pace.ts";
import type { SwarmNode } from "../net/swarm-node.ts";
import type { MirrorIndex } from "../store/mirror-index.ts";
import type { ArrivedContents } from "./arrived-contents.ts";
import type { BundleCatalog } from "./bundle-catalog.ts";
import type { CentralClient } from "./central-client.ts";
import { BundleTurns } from "./bundle-turns.ts";
import { OverallProgress, ProgressSaver } from "./download-progress.ts";
import { SketchBuilder } from "../delta/sketch-builder.ts";
import { SyncError } from "./errors.ts";
import type { LineRate } from "./line-rate.ts";
import { mapParallel } from "./manifest-update.ts";
import type { MirrorBundle } from "./mirror-bundle.ts";
import { piecesOf, type BundleGroups, type PlacedTransfer } from "./placed-transfer.ts";
import type { StagedTransfer } from "./staged-transfer.ts";
import type { SyncLog } from "./sync-log.ts";

/** What a download works with. */
export interface DownloadContext {
  readonly index: MirrorIndex;
  readonly catalog: BundleCatalog;
  /** Told what is on its way. */
  readonly arrived: Pick<ArrivedContents, "follow">;
  readonly central: Pick<CentralClient, "contentRange" | "infoDictionary">;
  readonly swarm: Pick<SwarmNode, "download" | "fetchInfoDictionary" | "offerInfoDictionary" | "announceHave">;
  readonly log: SyncLog;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Of what comes over HTTP. */
  readonly pace: Pace;
  /** Measured on the way. */
  readonly rate: LineRate;
  /** Called as bytes arrive, at most some times a second. */
  readonly onProgress: (receivedBytes: number, wantedBytes: number) => void;
}

/** A content that could not be obtained, and why. */
export interface DownloadFailure {
  readonly transfer: StagedTransfer;
  readonly error: unknown;
}

const SAVE_PROGRESS_MS = 2_000;
const PARALLEL_BUNDLES = 8;
/** Without a block of an info dictionary. The origin is called a second after the others. */
const INFO_SILENCE_MS = 2_500;
const HTTP_RANGE_BYTES = 1024 * 1024;

/**
 * Fetches what the transfers lack, bundle by bundle over the swarm, and proves every byte: pieces by BEP 3's hash, contents
 * by their SHA-256. What the swarm can't give comes from central over HTTP. Returns what could not be obtained.
 */
export async function download(
  transfers: readonly StagedTransfer[],
  context: DownloadContext,
): Promise<readonly DownloadFailure[]> {
  // One look into the index per content: together they lock it once.
  const bundles = context.index.transaction(() => groupByBundle(transfers, context));
  context.arrived.follow({ bundles, transfers: context.catalog.transfers });
  const saver = new ProgressSaver(bundles, context);
  const saving = setInterval(() => saver.save(), SAVE_PROGRESS_MS);
  const missing = new Map([...bundles].map(([number, group]) => [number, missingBytesOf(group)]));
  const progress = new OverallProgress(missing, context.onProgress);
  // What ends one bundle ends all, and nothing goes on behind the back of the next sync.
  const stop = new AbortController();
  const stoppable = { ...context, signal: AbortSignal.any([context.signal, stop.signal]) };
  const turns = new BundleTurns(stoppable.signal, context.clock);
  const fetchOne = async ([number, group]: [number, readonly PlacedTransfer[]]): Promise<DownloadFailure[]> => {
    try {
      using _turn = await turns.take(number, missing.get(number)!);
      return await downloadBundle(number, group, { context: stoppable, progress, turns });
    } catch (error) {
      stop.abort(error);
      throw error;
    }
  };
  try {
    // What customers want most first; the same order at all mirrors.
    const releaseOf = (number: number): number => context.catalog.row(number)?.release ?? 0;
    const inOrder = [...bundles].sort(([a], [b]) => releaseOf(b) - releaseOf(a) || a - b);
    const failures = await mapParallel(inOrder, fetchOne, PARALLEL_BUNDLES);
    return failures.flat();
  } finally {
    clearInterval(saving);
    saver.save();
  }
}

function groupByBundle(transfers: readonly StagedTransfer[], { catalog }: DownloadContext): BundleGroups {
  const groups = new Map<number, PlacedTransfer[]>();
  for (const transfer of transfers) {
    const place = catalog.placeOf(transfer.content);
    if (place === undefined || place.lengthBytes !== transfer.lengthBytes) {
      throw new SyncError("content-unavailable", `no bundle of the release has content ${transfer.content}`);
    }
    const group = groups.get(place.bundle);
    if (group === undefined) groups.set(place.bundle, [{ transfer, place }]);
    else group.push({ transfer, place });
  }
  return groups;
}

function missingBytesOf(group: readonly PlacedTransfer[]): number {
  return group.reduce((sum, { transfer }) => sum + transfer.lengthBytes - transfer.present.totalBytes, 0);
}

interface DownloadRun {
  readonly context: DownloadContext;
  readonly progress: OverallProgress;
  readonly turns: BundleTurns;
}

async function downloadBundle(
  number: number,
  group: readonly PlacedTransfer[],
  run: DownloadRun,
): Promise<DownloadFailure[]> {
  const { context } = run;
  const row = context.catalog.row(number);
  const bundle = row === undefined ? undefined : await context.catalog.bundle(row.infoHash);
  if (bundle === undefined) throw new SyncError("content-unavailable", `bundle ${number} is not known`);
  bundle.dropUnfinished();
  withdrawUnproved(bundle, group);
  // Neither goes on without the other.
  const failed = new AbortController();
  const stoppable = { ...context, signal: AbortSignal.any([context.signal, failed.signal]) };
  const hashes = providePieceHashes(bundle, group, stoppable);
  hashes?.catch((error: unknown) => failed.abort(error));
  try {
    const failures = await fetchAndProve(bundle, group, { ...run, context: stoppable, hashes });
    await hashes;
    return failures;
  } catch (error) {
    failed.abort(error);
    await hashes?.catch(() => undefined);
    throw error;
  }
}

async function fetchAndProve(
  bundle: MirrorBundle,
  group: readonly PlacedTransfer[],
  run: DownloadRun & { readonly hashes: Promise<void> | undefined },
): Promise<DownloadFailure[]> {
  const { context, hashes } = run;
  await verifyPresent(bundle, group, context);
  const wanted = wantedRanges(bundle, group);
  const wantedBytes = sumBytes(wanted);
  const report = run.progress.forBundle(bundle.number, wantedBytes);
  const fetched = async (ranges: ReadonlyMap<number, RangeSet>): Promise<boolean> => {
    const hereBytes = wantedBytes - sumBytes(ranges);
    return await fetchFromSwarm(bundle, ranges, { ...run, report: (bytes) => report(hereBytes + bytes) });
  };
  let isHere = wanted.size === 0 || (await fetched(wanted));
  if (!isHere && hashes !== undefined && !bundle.hasPieceHashes) {
    // All may have come, and waited for its proof until the sources were gone.
    await hashes;
    isHere = await fetched(wantedRanges(bundle, group));
  }
  if (isHere) return await proveAll(group, context);
  // Others need not wait for what only central has.
  run.turns.note(bundle.number, 0);
  let receivedBytes = Math.max(0, wantedBytes - missingBytesOf(group));
  report(receivedBytes);
  const onBytes = (bytes: number): void => report((receivedBytes += bytes));
  return await fetchOverHttp(bundle, group, { ...context, onBytes });
}

/** What is on its way is not held, whatever DEST had of it before: the swarm leaves out pieces that are held. */
function withdrawUnproved(bundle: MirrorBundle, group: readonly PlacedTransfer[]): void {
  for (const { transfer, place } of group) {
    for (const { piece, start, end } of piecesOf(bundle, place)) {
      if (!transfer.verified.covers(start, end)) bundle.held.clear(piece);
    }
  }
}

async function proveAll(group: readonly PlacedTransfer[], context: DownloadContext): Promise<DownloadFailure[]> {
  const failures: DownloadFailure[] = [];
  for (const { transfer } of group) {
    const error = await prove(transfer, context);
    if (error !== undefined) failures.push({ transfer, error });
    else keepSketch(transfer, context);
  }
  return failures;
}

/** What a content is like was not known before it came: a later one like it finds it as a basis. */
function keepSketch({ content, observer }: StagedTransfer, { index }: DownloadContext): void {
  if (observer instanceof SketchBuilder) index.transaction(() => index.sketches.put(content, observer.digest()));
}

/**
 * Contents of several pieces are proved piece by piece; their hashes come from peers if somebody is there, else from central. Nothing waits
 * for them but the proof of what came, and of what was here before.
 */
function providePieceHashes(
  bundle: MirrorBundle,
  group: readonly PlacedTransfer[],
  context: DownloadContext,
): Promise<void> | undefined {
  const needsHashes = group.some(({ place }) => bundle.layout.content(place.ordinal).pieceCount > 1);
  if (!needsHashes || bundle.hasPieceHashes) return undefined;
  const kept = context.index.bundles.info(bundle.infoHash);
  if (kept === undefined) return bundle.awaitPieceHashes(fetchInfo(bundle, context));
  bundle.usePieceHashes(kept);
  return undefined;
}

async function fetchInfo(bundle: MirrorBundle, context: DownloadContext): Promise<Uint8Array> {
  const info =
    (await infoFromPeers(bundle, context)) ?? (await context.central.infoDictionary(bundle.infoHash, context.signal));
  context.index.bundles.putInfo(bundle.infoHash, info);
  context.swarm.offerInfoDictionary(bundle.infoHash, info.length);
  return info;
}

/** BEP 9: whoever is in the swarm gives it block by block. Undefined if nobody does soon: central has it for sure. */
async function infoFromPeers(bundle: MirrorBundle, context: DownloadContext): Promise<Uint8Array | undefined> {
  try {
    return await context.swarm.fetchInfoDictionary(bundle.infoHash, bundle.number, {
      signal: context.signal,
      silenceMs: INFO_SILENCE_MS,
    });
  } catch (error) {
    context.signal.throwIfAborted();
    context.log.debug({ bundle: bundle.number, reason: messageOf(error) }, "no peer gave the info dictionary");
    return undefined;
  }
}

/** Checks the pieces that are all there already (basis files, interrupted runs); the wrong ones are wanted again. */
async function verifyPresent(
  bundle: MirrorBundle,
  group: readonly PlacedTransfer[],
  context: DownloadContext,
): Promise<void> {
  for (const { transfer, place } of group) {
    if (transfer.present.isEmpty) continue;
    for (const { piece, start, end } of piecesOf(bundle, place)) {
      if (!transfer.present.covers(start, end) || transfer.verified.covers(start, end)) continue;
      context.signal.throwIfAborted();
      if ((await bundle.completePiece(piece)) === "verified" && bundle.held.set(piece)) {
        context.swarm.announceHave(bundle.infoHash, piece);
      }
    }
  }
}

/** Exactly the bytes that are missing, per piece, offsets within the piece. */
function wantedRanges(bundle: MirrorBundle, group: readonly PlacedTransfer[]): Map<number, RangeSet> {
  const wanted = new Map<number, RangeSet>();
  // Pieces of which nothing is there share one set for each length.
  const whole = new Map<number, RangeSet>();
  for (const { transfer, place } of group) {
    for (const { piece, start, end } of piecesOf(bundle, place)) {
      if (transfer.present.isEmpty) {
        const ranges = whole.get(end - start) ?? RangeSet.of({ start: 0, end: end - start });
        whole.set(end - start, ranges);
        wanted.set(piece, ranges);
        continue;
      }
      const missing = [...transfer.present.missingIn(start, end)];
      if (missing.length === 0) continue;
      wanted.set(
        piece,
        RangeSet.of(...missing.map((range) => ({ start: range.start - start, end: range.end - start }))),
      );
    }
  }
  return wanted;
}

/** @returns false if the swarm can't give all of it */
async function fetchFromSwarm(
  bundle: MirrorBundle,
  wanted: ReadonlyMap<number, RangeSet>,
  { context, turns, report }: DownloadRun & { readonly report: (receivedBytes: number) => void },
): Promise<boolean> {
  const wantedBytes = sumBytes(wanted);
  try {
    const options = {
      signal: context.signal,
      onProgress: ({ receivedBytes }: { readonly receivedBytes: number }) => {
        report(receivedBytes);
        turns.note(bundle.number, wantedBytes - receivedBytes);
      },
    };
    await context.rate.during(() => context.swarm.download(bundle, wanted, options));
    return true;
  } catch (error) {
    context.signal.throwIfAborted();
    if (!(error instanceof PrsyncError) || fatalDiskError(error, "") !== undefined) throw error;
    context.log.warn(
      { bundle: bundle.number, reason: messageOf(error) },
      "the swarm has no source, asking central over HTTP",
    );
    return false;
  } finally {
    // Peers may hold the bundle for long after; its memory for pieces need not stay with it.
    bundle.dropUnfinished();
  }
}

function sumBytes(wanted: ReadonlyMap<number, RangeSet>): number {
  let bytes = 0;
  for (const ranges of wanted.values()) bytes += ranges.totalBytes;
  return bytes;
}

/** Told how many bytes each answer brought. */
type HttpContext = DownloadContext & { readonly onBytes: (bytes: number) => void };

/** The way that needs no swarm. A content that central lacks fails alone; if central can't be reached, all of it fails. */
async function fetchOverHttp(
  bundle: MirrorBundle,
  group: readonly PlacedTransfer[],
  context: HttpContext,
): Promise<DownloadFailure[]> {
  const failures: DownloadFailure[] = [];
  for (const placed of group) {
    try {
      await fetchContentOverHttp(bundle, placed, context);
    } catch (error) {
      if (!(error instanceof SyncError && error.code === "content-unavailable")) throw error;
      failures.push({ transfer: placed.transfer, error });
      continue;
    }
    failures.push(...(await proveAll([placed], context)));
  }
  return failures;
}

/** Every missing range, then what turned out wrong once its piece was whole: bytes of this host are hints. */
async function fetchContentOverHttp(bundle: MirrorBundle, placed: PlacedTransfer, context: HttpContext): Promise<void> {
  const { transfer } = placed;
  for (const _round of ["missing", "wrong"]) {
    for (const missing of [...transfer.present.missingIn(0, transfer.lengthBytes)]) {
      await fetchRange(transfer, missing, context);
    }
    await verifyPresent(bundle, [placed], context);
  }
}

async function fetchRange(
  transfer: StagedTransfer,
  range: { readonly start: number; readonly end: number },
  { central, signal, pace, rate, onBytes }: DownloadContext & Partial<HttpContext>,
): Promise<void> {
  for (let { start } = range; start < range.end; start += HTTP_RANGE_BYTES) {
    const end = Math.min(range.end, start + HTTP_RANGE_BYTES);
    const bytes = await rate.during(async () => {
      await pace(end - start, () => !signal.aborted);
      return await central.contentRange(transfer.content, { start, end }, signal);
    });
    await transfer.write(start, bytes);
    onBytes?.(end - start);
  }
}

/** @returns why the content is not what the manifest says, after one more try from the origin alone; undefined if it is */
async function prove(transfer: StagedTransfer, context: DownloadContext): Promise<unknown> {
  if (await transfer.isExact()) return undefined;
  context.log.warn(
    { content: transfer.content },
    "content has right pieces and a wrong SHA-256, fetching it from the origin",
  );
  try {
    await transfer.restart();
    await fetchRange(transfer, { start: 0, end: transfer.lengthBytes }, context);
  } catch (error) {
    context.signal.throwIfAborted();
    if (fatalDiskError(error, "") !== undefined) throw error;
    return error;
  }
  if (await transfer.isExact()) return undefined;
  return new SyncError("wrong-bytes", `content ${transfer.content} has another SHA-256 even from the origin`);
}
