import type { Clock } from "../core/clock.ts";
import { compressZstd } from "../codec/zstd.ts";
import { encodeBundleList } from "../manifest/bundle-list.ts";
import { encodeChangeList } from "../manifest/change-list.ts";
import { cutChunks } from "../manifest/chunk.ts";
import { encodeIndex, type ChunkRef } from "../manifest/manifest-index.ts";
import { LISTED_METADATA_BUNDLES, type MetadataBundleRow } from "../manifest/metadata-bundle.ts";
import { objectRefOf, type ObjectRef } from "../manifest/object-ref.ts";
import { diffEntry, type PathChange } from "../manifest/path-change.ts";
import {
  encodeRelease,
  MAX_RELEASE_CHANGES,
  parseRelease,
  type ChangeListRef,
  type Release,
  type ReleaseTotals,
  type RootAttributes,
} from "../manifest/release.ts";
import type { IndexedContents } from "../store/publish-index-contents.ts";
import { IndexedMetadataBundles } from "../store/publish-index-metadata.ts";
import type { PendingChanges } from "../store/publish-index-pending.ts";
import type { IndexedReleases, NewBundle, PreparedRelease } from "../store/publish-index-release.ts";
import { IndexedRecompressions } from "../store/publish-index-recompressions.ts";
import type { PublishIndex } from "../store/publish-index.ts";
import type { HashedFiles } from "../store/publish-objects.ts";
import { formatUtc } from "../trust/utc-time.ts";
import { makeBundles } from "./cut-bundles.ts";
import { makeMetadataBundle } from "./make-metadata-bundle.ts";

/** What making a release needs. */
export interface ReleaseContext {
  readonly index: PublishIndex;
  readonly pending: PendingChanges;
  readonly contents: IndexedContents;
  readonly releases: IndexedReleases;
  readonly objects: HashedFiles;
  readonly torrents: HashedFiles;
  /** Files of metadata bundles that are no objects. */
  readonly metadata: HashedFiles;
  readonly clock: Clock;
  /** 32 hex digits. */
  readonly repositoryId: string;
  /** Base64. */
  readonly passKey: string;
  readonly swarmSizeBytes: number;
  /** Of the signed release, 0 if there is none; the index may be behind after it was lost. */
  readonly previous: number;
  /** Higher than any bundle ever had. */
  readonly firstBundleNumber: number;
  /** Attributes of TREE itself when the scan began. */
  readonly root: RootAttributes;
}

/** A release ready to be made durable and signed, with what to tell about it. */
export interface CutRelease {
  readonly prepared: PreparedRelease;
  readonly totals: ReleaseTotals;
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
}

/**
 * Makes the next release out of `pending`: manifest chunks, index, bundles, change list, bundle list, release.json. All
 * objects are written (flush them before {@link IndexedReleases.prepare}); the index is only read.
 */
export async function cutRelease(context: ReleaseContext): Promise<CutRelease> {
  const number = context.previous + 1;
  const nowMs = context.clock.wallMs();
  const writer = new ObjectWriter(context);
  const { index, totals } = await writeManifest(context, writer);
  const bundlesAdded = await addBundles(context, number);
  const bundlesRetired = context.releases.bundlesToRetire(number, nowMs);
  const bundles = { added: bundlesAdded, retired: bundlesRetired };
  const list = await writeBundleList(context, writer, bundles);
  for (const { row } of bundlesAdded) writer.refer(row.table.sha256);
  const changes = await writeChangeList(context, writer, { number, bundles });
  const metadata = await writeMetadata(context, writer, { number, bundlesAdded });
  const release: Release = {
    requires: [],
    repository: context.repositoryId,
    number,
    created: formatUtc(nowMs),
    previous: context.previous === 0 ? undefined : context.previous,
    swarmSize: context.swarmSizeBytes,
    passKey: context.passKey,
    totals,
    root: context.root,
    index,
    changes: changes.refs,
    bundles: list,
    metadata,
  };
  const objects = writer.referred;
  const bytes = encodeRelease(release);
  const prepared = {
    ...{ number, bytes, createdMs: nowMs, bundlesAdded, bundlesRetired, objects },
    metadata: metadata[0]!,
  };
  return { prepared, totals, added: changes.added, changed: changes.changed, removed: changes.removed };
}

/** Bundles of new contents and, after them, of what is inside new compressed ones. */
async function addBundles(context: ReleaseContext, release: number): Promise<NewBundle[]> {
  const made = { ...context, release, pieceLength: context.swarmSizeBytes };
  const firstNumber = context.firstBundleNumber;
  const contents = await makeBundles(context.releases.unplacedContents(), { ...made, kind: "content", firstNumber });
  const unplacedInner = new IndexedRecompressions(context.index).unplacedInner();
  const next = firstNumber + contents.length;
  const inner = await makeBundles(unplacedInner, { ...made, kind: "inner", firstNumber: next });
  return [...contents, ...inner];
}

interface Bundles {
  readonly added: readonly NewBundle[];
  readonly retired: readonly number[];
}

/** Writes objects that are not there and remembers which ones the release needs. */
class ObjectWriter {
  readonly #context: ReleaseContext;
  readonly referred = new Set<string>();
  /** Of those referred to, what the release before did not need, in the order of their mention. */
  readonly newOnes: string[] = [];

  constructor(context: ReleaseContext) {
    this.#context = context;
  }

  refer(sha256: string): void {
    if (this.referred.has(sha256)) return;
    this.referred.add(sha256);
    if (this.#context.releases.isObjectNew(sha256)) this.newOnes.push(sha256);
  }

  async write(ref: ObjectRef, bytes: Uint8Array): Promise<ObjectRef> {
    this.refer(ref.sha256);
    const { objects, releases } = this.#context;
    // One that is there but not recorded may come from a killed publish and not be whole.
    const isThere = releases.hasObject(ref.sha256) && objects.has(ref.sha256);
    if (!isThere) await objects.write(ref.sha256, compressZstd(bytes));
    return ref;
  }
}

async function writeManifest(
  context: ReleaseContext,
  writer: ObjectWriter,
): Promise<{ index: ObjectRef; totals: ReleaseTotals }> {
  const counts = { entries: 0, files: 0, bytes: 0 };
  const refs: ChunkRef[] = [];
  for (const { ref, bytes } of cutChunks(countedEntries(context.pending, counts))) {
    refs.push(ref);
    await writer.write(ref, bytes);
  }
  const indexBytes = encodeIndex(refs);
  const index = await writer.write(objectRefOf(indexBytes), indexBytes);
  return { index, totals: { ...counts, contents: context.releases.countNextContents() } };
}

function* countedEntries(
  pending: PendingChanges,
  counts: { entries: number; files: number; bytes: number },
): ReturnType<PendingChanges["nextEntries"]> {
  for (const entry of pending.nextEntries()) {
    counts.entries++;
    if (entry.kind === "file") {
      counts.files++;
      counts.bytes += entry.size;
    }
    yield entry;
  }
}

async function writeBundleList(context: ReleaseContext, writer: ObjectWriter, bundles: Bundles): Promise<ObjectRef> {
  const retired = new Set(bundles.retired);
  const kept = context.releases.bundles(context.index.appliedRelease).filter((row) => !retired.has(row.number));
  const rows = [...kept, ...bundles.added.map(({ row }) => row)];
  for (const row of kept) writer.refer(row.table.sha256);
  const bytes = encodeBundleList(rows);
  return writer.write(objectRefOf(bytes), bytes);
}

/**
 * The metadata bundle of this release and, after it, those of earlier ones that mirrors still use. The files of these need
 * no mention: each release refers to those of its own bundle, and the newest three releases keep what they refer to.
 */
async function writeMetadata(
  context: ReleaseContext,
  writer: ObjectWriter,
  next: { readonly number: number; readonly bundlesAdded: readonly NewBundle[] },
): Promise<MetadataBundleRow[]> {
  const { bundlesAdded, number: release } = next;
  const number = context.firstBundleNumber + bundlesAdded.length;
  const made = await makeMetadataBundle({ ...context, release, bundlesAdded }, number, writer.newOnes);
  for (const sha256 of made.fileHashes) writer.refer(sha256);
  const rows = [made.row];
  for (const row of new IndexedMetadataBundles(context.index).listedBy(context.index.appliedRelease)) {
    if (row.release <= release - LISTED_METADATA_BUNDLES || !context.torrents.has(row.infoHash)) break;
    rows.push(row);
  }
  return rows;
}

/**
 * Above so many changed paths a mirror is better served by index and chunks, and the list would not fit in memory:
 * none is made then, and the chain of lists begins anew.
 */
const MAX_LISTED_CHANGES = 300_000;

async function writeChangeList(
  context: ReleaseContext,
  writer: ObjectWriter,
  next: { readonly number: number; readonly bundles: Bundles },
): Promise<{ refs: ChangeListRef[]; added: number; changed: number; removed: number }> {
  const isListed = context.index.appliedRelease > 0 && context.pending.count() <= MAX_LISTED_CHANGES;
  const counts = { added: 0, changed: 0, removed: 0 };
  const changes: PathChange[] = [];
  for (const { before, after } of context.pending.changes()) {
    const change = diffEntry(before, after);
    if (change === undefined) continue;
    counts[change.change]++;
    if (isListed) changes.push(change);
  }
  if (!isListed) return { refs: [], ...counts };
  const bytes = encodeChangeList({
    from: context.previous,
    to: next.number,
    requires: [],
    bundlesAdded: next.bundles.added.map(({ row }) => row),
    bundlesRetired: next.bundles.retired,
    changes,
  });
  const ref = { from: context.previous, to: next.number, ...(await writer.write(objectRefOf(bytes), bytes)) };
  const earlier = parseRelease(context.releases.bytes(context.index.appliedRelease)!).changes;
  const refs = [ref, ...earlier].slice(0, MAX_RELEASE_CHANGES);
  for (const { sha256 } of refs) writer.refer(sha256);
  return { refs, ...counts };
}
