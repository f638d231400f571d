import type { Clock } from "../core/clock.ts";
import { encodeBundleList } from "../manifest/bundle-list.ts";
import { encodeChangeList } from "../manifest/change-list.ts";
import type { FileGroup } from "../manifest/file-groups.ts";
import { LISTED_METADATA_BUNDLES, type MetadataBundleRow } from "../manifest/metadata-bundle.ts";
import { objectRefOf, type ObjectRef } from "../manifest/object-ref.ts";
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
import { groupedContents } from "./grouped-contents.ts";
import { listChanges, type ListedChanges } from "./list-changes.ts";
import { makeMetadataBundle } from "./make-metadata-bundle.ts";
import { ObjectWriter } from "./object-writer.ts";
import { writeManifest } from "./write-manifest.ts";

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
  readonly groups: readonly FileGroup[];
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
  const listed = listChanges(context);
  const { index, totals } = await writeManifest(context, writer, listed);
  const bundlesAdded = await addBundles(context, number);
  const bundlesRetired = context.releases.bundlesToRetire(number, nowMs);
  const bundles = { added: bundlesAdded, retired: bundlesRetired };
  const list = await writeBundleList(context, writer, bundles);
  for (const { row } of bundlesAdded) writer.refer(row.table.sha256);
  const changes = await writeChangeList(context, writer, { number, bundles, listed });
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
    changes,
    bundles: list,
    metadata,
  };
  const objects = writer.referred;
  const bytes = encodeRelease(release);
  const prepared = {
    ...{ number, bytes, createdMs: nowMs, bundlesAdded, bundlesRetired, objects },
    metadata: metadata[0]!,
  };
  return { prepared, totals, ...listed.counts };
}

/** Bundles of new contents and, after them, of what is inside new compressed ones. */
async function addBundles(context: ReleaseContext, release: number): Promise<NewBundle[]> {
  const made = { ...context, release, pieceLength: context.swarmSizeBytes };
  const firstNumber = context.firstBundleNumber;
  const contents = await makeBundles(groupedContents(context.groups, context), {
    ...made,
    kind: "content",
    firstNumber,
  });
  const unplacedInner = new IndexedRecompressions(context.index).unplacedInner();
  const next = firstNumber + contents.length;
  const inner = await makeBundles(unplacedInner, { ...made, kind: "inner", firstNumber: next });
  return [...contents, ...inner];
}

interface Bundles {
  readonly added: readonly NewBundle[];
  readonly retired: readonly number[];
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

async function writeChangeList(
  context: ReleaseContext,
  writer: ObjectWriter,
  next: { readonly number: number; readonly bundles: Bundles; readonly listed: ListedChanges },
): Promise<ChangeListRef[]> {
  const { changes } = next.listed;
  if (changes === undefined) return [];
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
  return refs;
}
