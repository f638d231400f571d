import { setImmediate } from "node:timers/promises";
import { EMPTY_CONTENT, type ContentId } from "../core/content-id.ts";
import { isSystemError, messageOf, PrsyncError } from "../core/errors.ts";
import { displayPath, type RepoPath } from "../core/repo-path.ts";
import { isSigned } from "../delta/block-length.ts";
import { findMatchesAsync, type AsyncBasisFile } from "../delta/find-matches.ts";
import type { MatchResult } from "../delta/match-search.ts";
import { maxSignatureByteLength, parseSignature, type BlockSignature } from "../delta/signature.ts";
import { loadStrongSum, type StrongSum } from "../delta/strong-sum.ts";
import type { ContentToObtain } from "../plan/plan-sync.ts";
import type { ConfinedDirectory } from "../store/confined-directory.ts";
import type { MirrorIndex } from "../store/mirror-index.ts";
import { stageFromFile } from "../store/stage-from-file.ts";
import type { StagingArea } from "../store/staging.ts";
import type { BundleCatalog } from "./bundle-catalog.ts";
import type { CentralClient } from "./central-client.ts";
import { StagedTransfer } from "./staged-transfer.ts";
import type { SyncLog } from "./sync-log.ts";

/** What reuse works with. */
export interface ReuseContext {
  readonly index: MirrorIndex;
  readonly destination: ConfinedDirectory;
  readonly staging: StagingArea;
  readonly catalog: BundleCatalog;
  readonly central: CentralClient;
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

const COPY_CHUNK_BYTES = 256 * 1024;

/** Stages everything that this host can give: whole copies, parts of an interrupted run, matches of basis files. */
export async function reuseLocalData(
  contents: readonly ContentToObtain[],
  context: ReuseContext,
): Promise<readonly ReusedContent[]> {
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
  if (source.how === "copy" && (await copyWhole(wanted, source.from, context))) {
    return { wanted, how: "copied", transfer: undefined, reusedBytes: lengthBytes };
  }
  const transfer = new StagedTransfer(content, context.staging.stage(content, lengthBytes));
  context.catalog.transfers.set(content, transfer);
  const resumedBytes = await resume(transfer, context);
  if (source.how !== "delta" || resumedBytes === lengthBytes) {
    return { wanted, how: "fetched", transfer, reusedBytes: resumedBytes };
  }
  const before = transfer.present.totalBytes;
  await searchBasis(transfer, source.basis, context);
  const reusedBytes = transfer.present.totalBytes - before;
  return { wanted, how: reusedBytes > 0 ? "delta" : "fetched", transfer, reusedBytes: reusedBytes + resumedBytes };
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
    if (!isSystemError(error, "ENOENT", "ENOTDIR", "EACCES", "EIO") && !(error instanceof PrsyncError)) throw error;
    context.log.warn({ path: displayPath(from), reason: messageOf(error) }, "source of a copy can't be read");
  }
  return false;
}

/** What it really holds is recorded: by size and time alone it would be believed again. */
function noteWrong(path: RepoPath, content: ContentId, { index }: ReuseContext): void {
  const record = index.files.get(path);
  index.transaction(() => {
    index.files.noteChanged(path);
    if (record !== undefined) index.files.put(path, { stat: record.stat, content, isVerified: true });
  });
}

/** Believes nothing of what an interrupted run left: its pieces are hashed again. @returns bytes that are verified */
async function resume(transfer: StagedTransfer, context: ReuseContext): Promise<number> {
  const record = context.index.staged.get(transfer.content);
  if (record === undefined || record.lengthBytes !== transfer.lengthBytes) return 0;
  for (const piece of record.verified) {
    const start = piece * record.pieceLength;
    transfer.present.add(start, Math.min(transfer.lengthBytes, start + record.pieceLength));
  }
  return transfer.present.totalBytes;
}

async function searchBasis(
  transfer: StagedTransfer,
  basisPaths: readonly RepoPath[],
  context: ReuseContext,
): Promise<void> {
  if (!isSigned(transfer.lengthBytes)) return;
  const signature = await fetchSignature(transfer, context);
  if (signature === undefined) return;
  const strongSum = await strongSums();
  for (const path of basisPaths) {
    if (transfer.present.totalBytes === transfer.lengthBytes) return;
    await useBasis(path, { transfer, signature, strongSum, context });
  }
}

let strongSum: Promise<StrongSum> | undefined;
function strongSums(): Promise<StrongSum> {
  strongSum ??= loadStrongSum();
  return strongSum;
}

async function fetchSignature(transfer: StagedTransfer, context: ReuseContext): Promise<BlockSignature | undefined> {
  const { content, lengthBytes } = transfer;
  try {
    const maxBytes = maxSignatureByteLength(lengthBytes);
    const bytes = await context.central.signature(content, { maxBytes, signal: context.signal });
    return bytes === undefined ? undefined : parseSignature(bytes, lengthBytes);
  } catch (error) {
    if (!(error instanceof PrsyncError)) throw error;
    // A signature only saves bytes: without it everything is fetched.
    context.log.warn({ content, reason: messageOf(error) }, "no usable block signature, fetching all of it");
    return undefined;
  }
}

interface BasisSearch {
  readonly transfer: StagedTransfer;
  readonly signature: BlockSignature;
  readonly strongSum: StrongSum;
  readonly context: ReuseContext;
}

/** A basis that can't be read or changes meanwhile costs bytes, nothing else: every match is checked by hashes later. */
async function useBasis(path: RepoPath, search: BasisSearch): Promise<void> {
  const { transfer, context } = search;
  try {
    await using handle = await context.destination.openForReading(path);
    const { size } = await handle.stat();
    const read = async (offset: number, length: number): Promise<Uint8Array> => {
      const bytes = Buffer.allocUnsafe(length);
      const { bytesRead } = await handle.read(bytes, 0, length, offset);
      return bytes.subarray(0, bytesRead);
    };
    const basis: AsyncBasisFile = { length: size, read };
    const pause = async (): Promise<void> => {
      context.signal.throwIfAborted();
      await setImmediate();
    };
    const matches = await findMatchesAsync(search.signature, [basis], { pause, strongSum: search.strongSum });
    await copyMatches(matches, basis, transfer);
  } catch (error) {
    context.signal.throwIfAborted();
    context.log.warn({ path: displayPath(path), reason: messageOf(error) }, "basis file can't be used");
  }
}

async function copyMatches(matches: MatchResult, basis: AsyncBasisFile, transfer: StagedTransfer): Promise<void> {
  for (const run of matches.runs) {
    for (const missing of [...transfer.present.missingIn(run.targetOffset, run.targetOffset + run.length)]) {
      for (let offset = missing.start; offset < missing.end; offset += COPY_CHUNK_BYTES) {
        const length = Math.min(COPY_CHUNK_BYTES, missing.end - offset);
        const bytes = await basis.read(run.basisOffset + offset - run.targetOffset, length);
        if (bytes.length < length) return;
        await transfer.write(offset, bytes);
      }
    }
  }
}
