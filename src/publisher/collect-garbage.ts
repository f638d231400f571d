import type { IndexedContents } from "../store/publish-index-contents.ts";
import { IndexedMetadataBundles } from "../store/publish-index-metadata.ts";
import type { IndexedReleases } from "../store/publish-index-release.ts";
import type { PublishIndex } from "../store/publish-index.ts";
import type { HashedFiles } from "../store/publish-objects.ts";
import type { RetainedContents } from "../store/retained-contents.ts";

/** What is cleaned up. */
export interface GarbageContext {
  readonly index: PublishIndex;
  readonly contents: IndexedContents;
  readonly releases: IndexedReleases;
  readonly retained: RetainedContents;
  readonly objects: HashedFiles;
  readonly torrents: HashedFiles;
  readonly metadata: HashedFiles;
}

/**
 * Removes what no release of the newest three and of the last 48 hours needs. Files go first, then the rows that name
 * them, so that nothing is left behind unnamed if this is killed; nothing of a retained release is touched.
 */
export async function collectGarbage(context: GarbageContext, nowMs: number): Promise<void> {
  const { contents, index, metadata, objects, releases, retained, torrents } = context;
  const newest = index.appliedRelease;
  index.transaction(() => {
    for (const content of contents.expired(newest, nowMs)) {
      retained.drop(content.content);
      contents.delete(content.row);
    }
  });
  for (const bundle of releases.retiredBundles(newest)) {
    await torrents.remove(bundle.infoHash);
    releases.deleteBundle(bundle.number);
  }
  const metadataBundles = new IndexedMetadataBundles(index);
  for (const { infoHash, release } of metadataBundles.expired(newest)) {
    await torrents.remove(infoHash);
    metadataBundles.delete(release);
  }
  for (const sha256 of releases.expiredObjects(newest, nowMs)) {
    await objects.remove(sha256);
    await metadata.remove(sha256);
    releases.deleteObject(sha256);
  }
  releases.deleteOldReleases(newest, nowMs);
}

/** Removes files that the index does not name: left by a publish that was killed, or by an index that was lost. */
export async function sweepOrphans(context: GarbageContext): Promise<void> {
  const { contents, index, metadata, objects, releases, retained, torrents } = context;
  const metadataBundles = new IndexedMetadataBundles(index);
  for (const content of retained.list()) {
    if (contents.find(content)?.retained === undefined) retained.drop(content);
  }
  await objects.sweep((name) => releases.hasObject(name));
  await metadata.sweep((name) => releases.hasObject(name));
  await torrents.sweep((name) => releases.bundle(name) !== undefined || metadataBundles.byInfoHash(name) !== undefined);
}
