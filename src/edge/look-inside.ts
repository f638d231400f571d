import type { Clock } from "../core/clock.ts";
import type { ContentId } from "../core/content-id.ts";
import { messageOf, PrsyncError } from "../core/errors.ts";
import type { RepoPath } from "../core/repo-path.ts";
import { blockLengthFor, isSigned } from "../delta/block-length.ts";
import { signatureByteLength } from "../delta/signature.ts";
import type { Recompression } from "../manifest/recompression.ts";
import { isWorthLookingInside, type LookInsideCost } from "../plan/look-inside-cost.ts";
import type { ContentToObtain } from "../plan/plan-sync.ts";
import { fatalDiskError } from "../store/errors.ts";
import type { StagingArea } from "../store/staging.ts";
import { copyMatches } from "./copy-matches.ts";
import type { NamesBeside } from "./names-beside.ts";
import { RecompressionSpeeds } from "./recompression-speeds.ts";
import { type ReuseContext, reuseLocalData, type ReusedContent } from "./reuse.ts";
import { SpareRoom } from "./spare-room.ts";
import { StagedTransfer } from "./staged-transfer.ts";
import { unpackBasis } from "./unpacked-basis.ts";

export interface LookInsideContext extends ReuseContext {
  /** Of inner contents. */
  readonly innerStaging: StagingArea;
  readonly names: NamesBeside;
  readonly clock: Clock;
  /** Fewer bytes are enough, however long it takes. */
  readonly savesTraffic: boolean;
  /** Delta is switched off: nothing is looked into unless it {@link savesTraffic}. */
  readonly useDelta: boolean;
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
  const inside = context.useDelta || context.savesTraffic ? await lookInside(contents, context) : [];
  const insideIds = new Set(inside.map(({ wanted }) => wanted.content));
  const others = contents.filter(({ content }) => !insideIds.has(content));
  return { inside, reused: await reuseLocalData(others, context) };
}

interface LookIntoContext extends LookInsideContext {
  readonly room: SpareRoom;
  readonly speeds: RecompressionSpeeds;
}

/** What may be worth it, as far as that can be said before anything was read. */
interface Candidate {
  readonly wanted: ContentToObtain;
  readonly recompression: Recompression;
  /** Files of DEST that may be an older version. */
  readonly relatives: readonly RepoPath[];
}

async function lookInside(
  contents: readonly ContentToObtain[],
  sync: LookInsideContext,
): Promise<readonly InsideContent[]> {
  const room = SpareRoom.beside(contents, sync.destination.rootPath);
  const context = { ...sync, room, speeds: new RecompressionSpeeds(sync.index, sync.clock) };
  // One look into the index per content: together they lock it once.
  const candidates = context.index.transaction(() => chooseCandidates(contents, context));
  if (candidates.length === 0) return [];
  const inner = candidates.map(({ recompression }) => signedInner(recompression));
  await context.signatures.prepare(inner, context.signal);
  const inside: InsideContent[] = [];
  for (const candidate of candidates) {
    context.signal.throwIfAborted();
    const staged = await lookInto(candidate, context);
    if (staged !== undefined) inside.push(staged);
  }
  return inside;
}

/** Sets room aside for the inner contents, which stay until the compressed ones were made of them. */
function chooseCandidates(contents: readonly ContentToObtain[], context: LookIntoContext): readonly Candidate[] {
  if (context.index.recompressions.isEmpty()) return [];
  const wantedIds = new Set(contents.map(({ content }) => content));
  const candidates: Candidate[] = [];
  for (const wanted of contents) {
    const recompression = usableRecompression(wanted, context);
    // An inner content that is a file of the release is on its way already.
    if (recompression === undefined || wantedIds.has(recompression.inner)) continue;
    const optimistic = costOf(wanted, recompression, context);
    if (!isWorthLookingInside(optimistic, context.savesTraffic)) continue;
    const relatives = relativesOf(wanted, context);
    if (relatives.length === 0 || !context.room.take(recompression.innerLengthBytes)) continue;
    wantedIds.add(recompression.inner);
    candidates.push({ wanted, recompression, relatives });
  }
  return candidates;
}

function usableRecompression(
  { content, lengthBytes, source }: ContentToObtain,
  { catalog, index }: LookInsideContext,
): Recompression | undefined {
  if (source.how !== "delta" && source.how !== "fetch") return undefined;
  const recompression = index.recompressions.get(content);
  if (recompression === undefined) return undefined;
  // What an interrupted run left of the compressed bytes is worth more than a guess.
  if (index.staged.get(content) !== undefined) return undefined;
  const { inner, innerLengthBytes } = recompression;
  const isFetchable = catalog.placeOf(inner)?.lengthBytes === innerLengthBytes;
  return isFetchable && isSigned(innerLengthBytes) && lengthBytes > 0 ? recompression : undefined;
}

/** At best: nothing is missing, and a host whose speed is not known compresses in no time. */
function costOf(
  { lengthBytes }: ContentToObtain,
  recompression: Recompression,
  { index, speeds }: LookIntoContext,
): LookInsideCost {
  const { innerLengthBytes } = recompression;
  return {
    compressedBytes: lengthBytes,
    signatureBytes: signatureByteLength(innerLengthBytes, blockLengthFor(innerLengthBytes, "sqrt")),
    missingBytes: 0,
    bytesPerSecond: index.facts.get("downloadBytesPerSecond"),
    recompressedBytesPerSecond: speeds.known(recompression) ?? Infinity,
  };
}

/** What stands at the same paths, then what is named alike beside them. */
function relativesOf({ paths }: ContentToObtain, { index, names }: LookIntoContext): RepoPath[] {
  // Not the chosen basis: compressed bytes of another version are unlike, so that there mostly is none.
  const relatives = new Set(paths.slice(0, MAX_BASES).filter((path) => index.files.get(path) !== undefined));
  for (const path of names.mostAlike(paths[0]!, MAX_BASES)) relatives.add(path);
  return [...relatives].slice(0, MAX_BASES);
}

/** Undefined for a content that is to be fetched as it is after all. @throws the signal's reason; errors of a broken disk */
async function lookInto(candidate: Candidate, context: LookIntoContext): Promise<InsideContent | undefined> {
  const { wanted, recompression } = candidate;
  let staged: InsideContent | undefined;
  try {
    staged = await stageInner(candidate, context);
    return staged;
  } catch (error) {
    context.signal.throwIfAborted();
    // Others write to the disk, too: what is optional gives way to what is not.
    const isFull = fatalDiskError(error, "")?.code === "disk-full";
    if (!(error instanceof PrsyncError || isFull)) throw error;
    const told = { content: wanted.content, reason: messageOf(error) };
    context.log.warn(told, "can't look inside a compressed file, fetching it as it is");
    return undefined;
  } finally {
    if (staged === undefined) {
      dropInner(recompression.inner, context);
      context.room.give(recompression.innerLengthBytes);
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

/** Stages what this host has of the inner content; undefined if it is not worth it. */
async function stageInner(candidate: Candidate, context: LookIntoContext): Promise<InsideContent | undefined> {
  const { wanted, recompression, relatives } = candidate;
  const { inner, innerLengthBytes } = recompression;
  await using basis = await unpackBasis(relatives, context);
  if (basis === undefined) return undefined;
  if (context.speeds.known(recompression) === undefined) await context.speeds.measure(recompression, basis);
  const cost = costOf(wanted, recompression, context);
  if (!isWorthLookingInside(cost, context.savesTraffic)) return undefined;
  const signature = await context.signatures.signature(signedInner(recompression), context.signal);
  if (signature === undefined) return undefined;
  const task = { signature, contentLength: innerLengthBytes, bases: [basis.handle] };
  const { runs } = await context.search.search(task, context.signal);
  const missingBytes = innerLengthBytes - runs.reduce((sum, { length }) => sum + length, 0);
  const exact = { ...cost, signatureBytes: signature.length, missingBytes };
  if (!isWorthLookingInside(exact, context.savesTraffic)) return undefined;
  const transfer = new StagedTransfer(inner, context.innerStaging.stage(inner, innerLengthBytes));
  context.catalog.transfers.set(inner, transfer);
  await copyMatches(runs, [basis], { transfer, log: context.log });
  return { wanted, recompression, transfer, missingBytes };
}

function signedInner({ inner, innerLengthBytes }: Recompression) {
  return { content: inner, lengthBytes: innerLengthBytes };
}
