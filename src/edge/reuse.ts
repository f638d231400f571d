import { EMPTY_CONTENT, type ContentId } from "../core/content-id.ts";
import { DISK_FAILURES, isSystemError, messageOf, PrsyncError } from "../core/errors.ts";
import { displayPath, type RepoPath } from "../core/repo-path.ts";
import { isSigned } from "../delta/block-length.ts";
import { isSketched } from "../delta/sketch.ts";
import { SketchBuilder } from "../delta/sketch-builder.ts";
import { loadStrongSum, type StrongSum } from "../delta/strong-sum.ts";
import type { ContentToObtain } from "../plan/plan-sync.ts";
import type { ConfinedDirectory } from "../store/confined-directory.ts";
import type { MirrorIndex } from "../store/mirror-index.ts";
import { StoreError } from "../store/errors.ts";
import { stageFromFile } from "../store/stage-from-file.ts";
import type { StagingArea } from "../store/staging.ts";
import type { BundleCatalog } from "./bundle-catalog.ts";
import { copyMatches, type OpenBasis } from "./copy-matches.ts";
import type { HoldingsReporter } from "./holdings-report.ts";
import { StagedTransfer } from "./staged-transfer.ts";
import type { SearchPool } from "./search-pool.ts";
import type { SignatureSource } from "./signature-source.ts";
import type { SyncLog } from "./sync-log.ts";

/** What reuse works with. */
export interface ReuseContext {
  readonly index: MirrorIndex;
  readonly destination: ConfinedDirectory;
  readonly staging: StagingArea;
  readonly catalog: BundleCatalog;
  readonly signatures: SignatureSource;
  readonly search: SearchPool;
  /** "pieces": without a signature, what has the same offset in the file at the same path. */
  readonly findsBy: "blocks" | "pieces";
  /** Told that what was believed of DEST is wrong. */
  readonly holdings: Pick<HoldingsReporter, "isComplete">;
  readonly log: SyncLog;
  readonly signal: AbortSignal;
}

/** A content after this host gave what it could. */
export interface ReusedContent {
  readonly wanted: ContentToObtain;
  /** How it turned out: "copied" needs nothing more, the others may lack bytes. */
  readonly how: "copied" | "delta" | "fetched";
  /** Undefined for "copied". */
  readonly transfer: StagedTransfer | undefined;
  /** Bytes that this host gave, hints included. */
  readonly reusedBytes: number;
}

/** Stages everything that this host can give: whole copies, parts of an interrupted run, matches of basis files. */
export async function reuseLocalData(
  contents: readonly ContentToObtain[],
  context: ReuseContext,
): Promise<readonly ReusedContent[]> {
  if (context.findsBy === "blocks") {
    const withBasis = contents.filter(({ source, lengthBytes }) => source.how === "delta" && isSigned(lengthBytes));
    await context.signatures.prepare(withBasis, context.signal);
  }
  const reused: ReusedContent[] = [];
  for (const wanted of contents) {
    context.signal.throwIfAborted();
    reused.push(await reuseOne(wanted, context));
  }
  return reused;
}

async function reuseOne(wanted: ContentToObtain, context: ReuseContext): Promise<ReusedContent> {
  const { content, lengthBytes, source } = wanted;
  if (content === EMPTY_CONTENT) return { wanted, how: "copied", transfer: undefined, reusedBytes: 0 };
  const isMoved = source.how === "move" && moveWhole(wanted, source.from, context);
  const isWhole = isMoved || ("from" in source && (await copyWhole(wanted, source.from, context)));
  if (isWhole) return { wanted, how: "copied", transfer: undefined, reusedBytes: lengthBytes };
  const lengthThereBytes = context.staging.lengthOf(content);
  const transfer = new StagedTransfer(content, context.staging.stage(content, lengthBytes, wanted.attributes));
  context.catalog.transfers.set(content, transfer);
  if (isSketched(lengthBytes) && context.index.sketches.get(content) === undefined) {
    transfer.observe(new SketchBuilder(await strongSum()));
  }
  const resumedBytes = lengthThereBytes === lengthBytes ? resume(transfer, context) : 0;
  if (source.how !== "delta" || resumedBytes === lengthBytes) {
    return { wanted, how: "fetched", transfer, reusedBytes: resumedBytes };
  }
  const before = transfer.present.totalBytes;
  await (context.findsBy === "blocks" ? searchBases : copyAligned)({ transfer, context }, source.basis);
  const reusedBytes = transfer.present.totalBytes - before;
  return { wanted, how: reusedBytes > 0 ? "delta" : "fetched", transfer, reusedBytes: reusedBytes + resumedBytes };
}

/**
 * The file is going away from its path and becomes the staged content without being read: its bytes were hashed when they came,
 * and its stat says that nobody touched it since. False if that is not so; then its bytes decide.
 */
function moveWhole(
  { content }: ContentToObtain,
  from: RepoPath,
  { index, destination, staging }: ReuseContext,
): boolean {
  const record = index.files.get(from);
  if (record?.content !== content || !record.isVerified) return false;
  const linked = staging.stageLink(content, { directory: destination, path: from, expectedStat: record.stat });
  if (linked === undefined) return false;
  index.files.restat(from, record.stat, linked);
  return true;
}

let loadedSum: Promise<StrongSum> | undefined;
function strongSum(): Promise<StrongSum> {
  loadedSum ??= loadStrongSum();
  return loadedSum;
}

/** Copies by reflink or bytes and checks the SHA-256 on the way; false if the source is not what it was said to be. */
async function copyWhole(wanted: ContentToObtain, from: RepoPath, context: ReuseContext): Promise<boolean> {
  try {
    const record = context.index.files.get(from);
    const source = { directory: context.destination, path: from };
    const outcome = await stageFromFile(
      context.staging,
      wanted.content,
      record === undefined ? source : { ...source, expectedStat: record.stat },
    );
    if (outcome.outcome === "copied") return true;
    if (outcome.outcome === "differs") noteWrong(from, outcome.content, context);
  } catch (error) {
    if (!isSystemError(error, "ENOENT", "ENOTDIR", "EACCES", ...DISK_FAILURES) && !(error instanceof PrsyncError))
      throw error;
    context.log.warn({ path: displayPath(from), reason: messageOf(error) }, "source of a copy can't be read");
  }
  return false;
}

/** Of a file that nothing is recorded about nothing was claimed. */
function noteWrong(path: RepoPath, content: ContentId, { index, holdings }: ReuseContext): void {
  const record = index.files.get(path);
  if (record === undefined) return;
  holdings.isComplete = false;
  index.transaction(() => index.files.noteFound(path, { stat: record.stat, content }));
}

/** Believes nothing of what an interrupted run left: its pieces are hashed again. @returns bytes that are verified */
function resume(transfer: StagedTransfer, context: ReuseContext): number {
  const { content, lengthBytes } = transfer;
  if (isOnePiece(transfer, context)) {
    // Written in one go, so nothing is noted about it.
    transfer.present.add(0, lengthBytes);
    return lengthBytes;
  }
  const record = context.index.staged.get(content);
  if (record === undefined || record.lengthBytes !== lengthBytes) return 0;
  for (const piece of record.verified) {
    const start = piece * record.pieceLength;
    transfer.present.add(start, Math.min(lengthBytes, start + record.pieceLength));
  }
  return transfer.present.totalBytes;
}

function isOnePiece({ content, lengthBytes }: StagedTransfer, { catalog }: ReuseContext): boolean {
  const place = catalog.placeOf(content);
  const row = place === undefined ? undefined : catalog.row(place.bundle);
  return row !== undefined && lengthBytes <= row.pieceLength;
}

interface ContentReuse {
  readonly transfer: StagedTransfer;
  readonly context: ReuseContext;
}

/**
 * Takes what basis files have of a content, best first. A signature that can't be had or used, a basis that can't be read
 * or changes meanwhile cost bytes, nothing else: every match is checked by hashes later.
 */
async function searchBases(work: ContentReuse, basisPaths: readonly RepoPath[]): Promise<void> {
  const { transfer, context } = work;
  const { content, lengthBytes } = transfer;
  if (!isSigned(lengthBytes)) return;
  try {
    const signature = await context.signatures.signature(transfer, context.signal);
    if (signature === undefined) return;
    await using bases = await openBases(basisPaths, context);
    const task = { signature, contentLength: lengthBytes, bases: bases.opened.map(({ handle }) => handle) };
    const { runs, unreadable } = await context.search.search(task, context.signal);
    for (const { basis, reason } of unreadable) {
      context.log.warn({ path: displayPath(bases.opened[basis]!.path), reason }, "basis file can't be read to its end");
    }
    await copyMatches(runs, bases.opened, { transfer, log: context.log });
  } catch (error) {
    context.signal.throwIfAborted();
    if (!(error instanceof PrsyncError) || isBrokenInstallation(error)) throw error;
    context.log.warn({ content, reason: messageOf(error) }, "basis files can't be used, fetching what is missing");
  }
}

/** Stages the basis as it lies, whole pieces of it: those that are not the content's are found by their hashes and fetched. */
async function copyAligned({ transfer, context }: ContentReuse, basisPaths: readonly RepoPath[]): Promise<void> {
  const place = context.catalog.placeOf(transfer.content);
  const pieceLength = place === undefined ? undefined : context.catalog.row(place.bundle)?.pieceLength;
  if (pieceLength === undefined) return;
  await using bases = await openBases(basisPaths.slice(0, 1), context);
  const [basis] = bases.opened;
  if (basis === undefined) return;
  const { size } = await basis.handle.stat();
  const length = size >= transfer.lengthBytes ? transfer.lengthBytes : size - (size % pieceLength);
  const run = { basis: 0, targetOffset: 0, basisOffset: 0, length };
  await copyMatches([run], bases.opened, { transfer, log: context.log });
}

function isBrokenInstallation(error: unknown): boolean {
  return error instanceof StoreError && error.code === "kernel-missing";
}

export interface OpenBases extends AsyncDisposable {
  readonly opened: readonly OpenBasis[];
}

/** Opens what can be opened of the basis files. */
export async function openBases(
  wanted: readonly RepoPath[],
  { destination, log }: Pick<ReuseContext, "destination" | "log">,
): Promise<OpenBases> {
  const resources = new AsyncDisposableStack();
  const opened: OpenBasis[] = [];
  for (const path of wanted) {
    try {
      opened.push({ handle: resources.use(await destination.openForReading(path)), path });
    } catch (error) {
      log.warn({ path: displayPath(path), reason: messageOf(error) }, "basis file can't be opened");
    }
  }
  return { opened, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}
