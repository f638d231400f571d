import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { deflate } from "../codec/deflate-stream.ts";
import { gunzip } from "../codec/gunzip.ts";
import type { ContentId } from "../core/content-id.ts";
import { messageOf, PrsyncError } from "../core/errors.ts";
import {
  baseNameOf,
  displayPath,
  joinPath,
  parentOf,
  RESERVED_TOP_LEVEL_NAME,
  type RepoPath,
} from "../core/repo-path.ts";
import { blockLengthFor, isSigned } from "../delta/block-length.ts";
import type { MatchedRun } from "../delta/match-search.ts";
import { signatureByteLength } from "../delta/signature.ts";
import { MAX_INNER_BYTES, type Recompression } from "../manifest/recompression.ts";
import { isWorthLookingInside, type LookInsideCost } from "../plan/look-inside-cost.ts";
import type { ContentToObtain } from "../plan/plan-sync.ts";
import { DirectoryNames } from "../plan/similar-name.ts";
import { fatalDiskError } from "../store/errors.ts";
import { openNamelessFile, writeAll } from "../store/nameless-file.ts";
import type { StagingArea } from "../store/staging.ts";
import { type ReuseContext, reuseLocalData, type ReusedContent } from "./reuse.ts";
import { SpareRoom } from "./spare-room.ts";
import { StagedTransfer } from "./staged-transfer.ts";

export interface LookInsideContext extends ReuseContext {
  /** Of inner contents. */
  readonly innerStaging: StagingArea;
  /** Fewer bytes are enough, however long it takes. */
  readonly savesTraffic: boolean;
}

/** A compressed content that is made again from its inner one, once {@link transfer} is whole. */
export interface InsideContent {
  readonly wanted: ContentToObtain;
  readonly recompression: Recompression;
  /** Of the inner content. */
  readonly transfer: StagedTransfer;
  /** Of the inner content, to be fetched. */
  readonly missingBytes: number;
}

/** Relatives that are tried until one is a gzip file. */
const MAX_BASES = 2;
/** So much of the basis is compressed to see how fast this host is. */
const TRIAL_BYTES = 1024 * 1024;
const COPY_BYTES = 256 * 1024;

/** What this host could give of the contents to obtain, and what is inside some of them. */
export interface ReusedOrInside {
  readonly inside: readonly InsideContent[];
  /** Of all others. */
  readonly reused: readonly ReusedContent[];
}

/**
 * Looks inside where that is worth it: a relative that DEST has is unpacked and searched for the inner content's blocks, and
 * what matches is staged. All other contents get what this host has of them as they are.
 */
export async function reuseOrLookInside(
  contents: readonly ContentToObtain[],
  context: LookInsideContext,
): Promise<ReusedOrInside> {
  const inside = await lookInside(contents, context);
  const insideIds = new Set(inside.map(({ wanted }) => wanted.content));
  const others = contents.filter(({ content }) => !insideIds.has(content));
  return { inside, reused: await reuseLocalData(others, context) };
}

async function lookInside(
  contents: readonly ContentToObtain[],
  context: LookInsideContext,
): Promise<readonly InsideContent[]> {
  const wantedIds = new Set(contents.map(({ content }) => content));
  const room = SpareRoom.beside(contents, context.destination.rootPath);
  const inside: InsideContent[] = [];
  for (const wanted of contents) {
    const recompression = usableRecompression(wanted, context);
    // An inner content that is a file of the release is on its way already.
    if (recompression === undefined || wantedIds.has(recompression.inner)) continue;
    context.signal.throwIfAborted();
    try {
      const staged = await lookInto(wanted, recompression, { ...context, room });
      if (staged !== undefined) inside.push(staged);
    } catch (error) {
      context.signal.throwIfAborted();
      // Others write to the disk, too: what is optional gives way to what is not.
      const isFull = fatalDiskError(error, "")?.code === "disk-full";
      if (!(error instanceof PrsyncError || isFull)) throw error;
      const { content } = wanted;
      context.log.warn(
        { content, reason: messageOf(error) },
        "can't look inside a compressed file, fetching it as it is",
      );
    }
  }
  return inside;
}

function usableRecompression(
  { content, lengthBytes, source }: ContentToObtain,
  { catalog, index }: LookInsideContext,
): Recompression | undefined {
  if (source.how !== "delta" && source.how !== "fetch") return undefined;
  // What an interrupted run left of the compressed bytes is worth more than a guess.
  if (index.staged.get(content) !== undefined) return undefined;
  const recompression = index.recompressions.get(content);
  if (recompression === undefined || catalog.transfers.has(recompression.inner)) return undefined;
  const { inner, innerLengthBytes } = recompression;
  const isFetchable = catalog.placeOf(inner)?.lengthBytes === innerLengthBytes;
  return isFetchable && isSigned(innerLengthBytes) && lengthBytes > 0 ? recompression : undefined;
}

interface LookIntoContext extends LookInsideContext {
  readonly room: SpareRoom;
}

/** Sets room aside for the inner content, which stays until the compressed one was made of it. */
async function lookInto(
  wanted: ContentToObtain,
  recompression: Recompression,
  context: LookIntoContext,
): Promise<InsideContent | undefined> {
  const { inner, innerLengthBytes } = recompression;
  if (!context.room.take(innerLengthBytes)) return undefined;
  let staged: InsideContent | undefined;
  try {
    staged = await stageInner(wanted, recompression, context);
    return staged;
  } finally {
    if (staged === undefined) {
      dropInner(inner, context);
      context.room.give(innerLengthBytes);
    }
  }
}

/** Peers can have it again once the compressed content stands in DEST: by unpacking that. */
export function dropInner(
  inner: ContentId,
  { catalog, innerStaging }: Pick<LookInsideContext, "catalog" | "innerStaging">,
): void {
  catalog.transfers.delete(inner);
  innerStaging.discard(inner);
}

/** What this host has of the inner content; undefined if it is not worth it. */
async function stageInner(
  wanted: ContentToObtain,
  recompression: Recompression,
  context: LookIntoContext,
): Promise<InsideContent | undefined> {
  await using basis = await unpackBasis(wanted, context);
  if (basis === undefined) return undefined;
  const { inner, innerLengthBytes } = recompression;
  const cost = {
    compressedBytes: wanted.lengthBytes,
    signatureBytes: signatureByteLength(innerLengthBytes, blockLengthFor(innerLengthBytes, "sqrt")),
    missingBytes: 0,
    bytesPerSecond: context.index.facts.get("downloadBytesPerSecond"),
    recompressedBytesPerSecond: await trialSpeed(basis, recompression),
  };
  if (!isWorthLookingInside(cost, context.savesTraffic)) return undefined;
  const signature = await context.signatures.signature(
    { content: inner, lengthBytes: innerLengthBytes },
    context.signal,
  );
  if (signature === undefined) return undefined;
  const task = { signature, contentLength: innerLengthBytes, bases: [basis.handle] };
  const { runs } = await context.search.search(task, context.signal);
  const missingBytes = innerLengthBytes - runs.reduce((sum, { length }) => sum + length, 0);
  const exact: LookInsideCost = { ...cost, signatureBytes: signature.length, missingBytes };
  if (!isWorthLookingInside(exact, context.savesTraffic)) return undefined;
  const transfer = new StagedTransfer(inner, context.innerStaging.stage(inner, innerLengthBytes));
  context.catalog.transfers.set(inner, transfer);
  await copyRuns(runs, basis, transfer);
  return { wanted, recompression, transfer, missingBytes };
}

interface UnpackedBasis extends AsyncDisposable {
  readonly handle: FileHandle;
  readonly lengthBytes: number;
}

/** The first relative that unpacks; undefined if DEST has none. */
async function unpackBasis(wanted: ContentToObtain, context: LookIntoContext): Promise<UnpackedBasis | undefined> {
  for (const path of relativesOf(wanted, context)) {
    try {
      return await unpackFile(path, context);
    } catch (error) {
      context.signal.throwIfAborted();
      context.log.debug({ path: displayPath(path), reason: messageOf(error) }, "relative can't be unpacked");
    }
  }
  return undefined;
}

/** What stands at the same paths, then what is named alike beside them. */
function relativesOf({ paths }: ContentToObtain, { index }: LookInsideContext): RepoPath[] {
  // Not the chosen basis: compressed bytes of another version are unlike, so that there mostly is none.
  const relatives = new Set(paths.filter((path) => index.files.get(path) !== undefined));
  const directory = parentOf(paths[0]!);
  const names = new DirectoryNames(index.files.namesIn(directory));
  for (const name of names.mostAlike(baseNameOf(paths[0]!), MAX_BASES)) relatives.add(joinPath(directory, name));
  return [...relatives].slice(0, MAX_BASES);
}

/** @throws CodecError for anything but a gzip file that there is room for, at most {@link MAX_INNER_BYTES}; system errors */
async function unpackFile(path: RepoPath, { destination, signal, room }: LookIntoContext): Promise<UnpackedBasis> {
  await using packed = await destination.openForReading(path);
  const { size } = await packed.stat();
  const file = {
    lengthBytes: size,
    read: async (offset: number, length: number) => {
      const bytes = Buffer.allocUnsafe(Math.max(0, Math.min(length, size - offset)));
      return bytes.subarray(0, (await packed.read(bytes, 0, bytes.length, offset)).bytesRead);
    },
  };
  const handle = await openNamelessFile(join(destination.rootPath, RESERVED_TOP_LEVEL_NAME));
  let lengthBytes = 0;
  try {
    for await (const bytes of gunzip(file, Math.min(MAX_INNER_BYTES, room.leftBytes))) {
      signal.throwIfAborted();
      await writeAll(handle, bytes, lengthBytes);
      lengthBytes += bytes.length;
    }
  } catch (error) {
    await handle.close();
    throw error;
  }
  return { handle, lengthBytes, [Symbol.asyncDispose]: () => handle.close() };
}

/** Compressed bytes per second that this host makes of such data with the settings of the longest member. */
async function trialSpeed(basis: UnpackedBasis, { members }: Recompression): Promise<number> {
  const longest = members.reduce((a, b) => (b.lengthBytes > a.lengthBytes ? b : a));
  const bytes = Buffer.alloc(Math.min(TRIAL_BYTES, basis.lengthBytes));
  await basis.handle.read(bytes, 0, bytes.length, 0);
  const startMs = performance.now();
  let made = 0;
  for await (const part of deflate(oneSlice(bytes), longest.settings)) made += part.length;
  return made / (Math.max(1, performance.now() - startMs) / 1000);
}

async function* oneSlice(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes;
}

async function copyRuns(runs: readonly MatchedRun[], basis: UnpackedBasis, transfer: StagedTransfer): Promise<void> {
  const buffer = Buffer.allocUnsafe(COPY_BYTES);
  for (const { targetOffset, basisOffset, length } of runs) {
    for (let done = 0; done < length;) {
      const { bytesRead } = await basis.handle.read(buffer, 0, Math.min(COPY_BYTES, length - done), basisOffset + done);
      if (bytesRead === 0) return;
      await transfer.write(targetOffset + done, buffer.subarray(0, bytesRead));
      done += bytesRead;
    }
  }
}
