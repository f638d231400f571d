import { CodecError } from "../codec/errors.ts";
import { messageOf } from "../core/errors.ts";
import { displayPath } from "../core/repo-path.ts";
import { combineChanges } from "../manifest/apply-changes.ts";
import { applyBundleChanges, encodeBundleList, parseBundleList, type BundleRow } from "../manifest/bundle-list.ts";
import { parseChangeList, type ChangeList } from "../manifest/change-list.ts";
import { ManifestVerifier } from "../manifest/chunk.ts";
import type { Entry, EntryPair, FileEntry } from "../manifest/entry.ts";
import { ManifestError } from "../manifest/errors.ts";
import { encodeIndex, parseIndex, type ChunkRef } from "../manifest/manifest-index.ts";
import { verifyObject, type ObjectRef } from "../manifest/object-ref.ts";
import type { ChangeListRef, Release } from "../manifest/release.ts";
import { updateChunks } from "../manifest/update-chunks.ts";
import { ChangedManifest, type HeldEntries } from "./changed-manifest.ts";
import { SyncError } from "./errors.ts";
import { checkChangedPaths, checkLinks, ManifestView, type HeldLinks } from "./manifest-check.ts";
import type { SyncLog } from "./sync-log.ts";

/** What the mirror's index knows of the manifest it holds. */
export interface HeldManifest extends HeldLinks, HeldEntries {
  /** 0 if none. */
  readonly release: number;
  chunkRefs(): readonly ChunkRef[];
  /** Entries of a chunk of the held manifest or of one that was put, verified. */
  entriesOf(sha256: string): readonly Entry[];
  /** Keeps a chunk of the manifest to come; its bytes have this hash. */
  putChunk(sha256: string, bytes: Uint8Array): void;
  bundles(): readonly BundleRow[];
}

/** Gets metadata objects by hash, verified and uncompressed. */
export interface ObjectSource {
  /** Told before several are asked for; never fails. */
  prepare?(refs: readonly ObjectRef[], signal: AbortSignal): Promise<void>;
  object(ref: ObjectRef, signal: AbortSignal): Promise<Uint8Array>;
}

/** The manifest of a release; the chunks that the held one lacks are put. */
export interface ManifestUpdate {
  readonly chunkRefs: readonly ChunkRef[];
  readonly bundles: readonly BundleRow[];
  /** What differs from the held manifest, in path order, where change lists told it. */
  readonly pairs?: readonly EntryPair[];
}

const PARALLEL_OBJECTS = 8;

/**
 * Brings the manifest up to date by change lists if they cost less than the index and lead to the signed hashes, else
 * by the chunks that differ, which are put as they come: all of them would fill the memory. Either way every byte hangs on a hash
 * in the signed release.
 */
export async function updateManifest(
  held: HeldManifest,
  release: Release,
  context: { readonly objects: ObjectSource; readonly signal: AbortSignal; readonly log: SyncLog },
): Promise<ManifestUpdate> {
  const lists = changeListsFrom(held.release, release);
  if (lists !== undefined) {
    try {
      return await updateByChangeLists(held, release, { lists, ...context });
    } catch (error) {
      if (!isListUnusable(error)) throw error;
      context.log.warn(
        { reason: messageOf(error) },
        "change lists do not lead to the signed release, reading its chunks",
      );
    }
  }
  return await updateByChunks(held, release, context);
}

/** True unless the chunks could not be had either. */
function isListUnusable(error: unknown): boolean {
  if (error instanceof SyncError) return error.code === "central-refused";
  return error instanceof ManifestError || error instanceof CodecError;
}

/** The lists from the held release to the new one, oldest first; undefined if there is no chain or it costs more. */
function changeListsFrom(held: number, release: Release): readonly ChangeListRef[] | undefined {
  if (held === 0) return undefined;
  if (held === release.number) return [];
  const last = release.changes.findIndex((list) => list.from === held);
  if (last < 0) return undefined;
  const lists = release.changes.slice(0, last + 1).toReversed();
  const lengthBytes = lists.reduce((sum, list) => sum + list.lengthBytes, 0);
  // Reading chunks costs the index and at least one chunk per list that changed something; a chunk is about 100 kB.
  return lengthBytes <= release.index.lengthBytes + 100_000 * lists.length ? lists : undefined;
}

async function updateByChangeLists(
  held: HeldManifest,
  release: Release,
  context: {
    readonly lists: readonly ChangeListRef[];
    readonly objects: ObjectSource;
    readonly signal: AbortSignal;
  },
): Promise<ManifestUpdate> {
  await context.objects.prepare?.(context.lists, context.signal);
  const lists: ChangeList[] = await mapParallel(context.lists, async (ref) =>
    parseChangeList(await fetchObject(ref, `change list ${ref.from} → ${ref.to}`, context)),
  );
  lists.forEach((list, index) => {
    const ref = context.lists[index]!;
    if (list.from === ref.from && list.to === ref.to) return;
    throw new ManifestError(
      "change-mismatch",
      `expected changes ${ref.from} → ${ref.to}, got ${list.from} → ${list.to}`,
    );
  });
  const changes = combineChanges(lists);
  const { refs, newChunks, pairs } = updateChunks(held.chunkRefs(), (sha256) => held.entriesOf(sha256), changes);
  verifyObject(release.index, encodeIndex(refs));
  const bundles = lists.reduce<readonly BundleRow[]>(applyBundleChanges, held.bundles());
  verifyObject(release.bundles, encodeBundleList(bundles));
  for (const { ref, bytes } of newChunks) held.putChunk(ref.sha256, bytes);
  checkChangedPaths(pairs, held, new ChangedManifest(held, pairs));
  return { chunkRefs: refs, bundles, pairs };
}

async function updateByChunks(
  held: HeldManifest,
  release: Release,
  context: { readonly objects: ObjectSource; readonly signal: AbortSignal },
): Promise<ManifestUpdate> {
  const chunkRefs = parseIndex(
    await fetchObject(release.index, `manifest index of release ${release.number}`, context),
  );
  const heldHashes = new Set(held.chunkRefs().map((ref) => ref.sha256));
  const missing = chunkRefs.filter((ref) => !heldHashes.has(ref.sha256));
  await context.objects.prepare?.(missing, context.signal);
  await mapParallel(missing, async (ref) => {
    const bytes = await fetchObject(ref, `manifest chunk from "${displayPath(ref.firstPath)}" on`, context);
    verifyObject(ref, bytes);
    held.putChunk(ref.sha256, bytes);
  });
  verifyWhole(chunkRefs, held);
  const bundles = parseBundleList(
    await fetchObject(release.bundles, `bundle list of release ${release.number}`, context),
  );
  return { chunkRefs, bundles };
}

/** Order, uniqueness, counts, "no file is a parent" and what hard links name, over the whole new manifest. */
function verifyWhole(refs: readonly ChunkRef[], held: HeldManifest): void {
  const verifier = new ManifestVerifier();
  const links: FileEntry[] = [];
  for (const ref of refs) {
    const entries = held.entriesOf(ref.sha256);
    verifier.acceptEntries(ref, entries);
    for (const entry of entries) {
      if (entry.kind === "file" && entry.link !== undefined) links.push(entry);
    }
  }
  checkLinks(links, new ManifestView(refs, (sha256) => held.entriesOf(sha256)));
}

/** An object, or an error that tells what it was to be and not its hash alone. */
export async function fetchObject(
  ref: ObjectRef,
  what: string,
  from: { readonly objects: ObjectSource; readonly signal: AbortSignal },
): Promise<Uint8Array> {
  try {
    return await from.objects.object(ref, from.signal);
  } catch (error) {
    if (error instanceof ManifestError)
      throw new ManifestError(error.code, `${what}: ${error.message}`, { cause: error });
    if (error instanceof CodecError) throw new CodecError(error.code, `${what}: ${error.message}`, { cause: error });
    if (error instanceof SyncError) throw new SyncError(error.code, `${what}: ${error.message}`, { cause: error });
    throw error;
  }
}

/** Results in the order of the items, a few in flight. After a failure no item is begun, and it is thrown once none is in flight. */
export async function mapParallel<Item, Result>(
  items: readonly Item[],
  act: (item: Item) => Promise<Result>,
  width: number = PARALLEL_OBJECTS,
): Promise<Result[]> {
  const results = new Array<Result>(items.length);
  let next = 0;
  let failure: { readonly error: unknown } | undefined;
  const worker = async (): Promise<void> => {
    while (failure === undefined && next < items.length) {
      const index = next++;
      try {
        results[index] = await act(items[index]!);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
  if (failure !== undefined) throw failure.error;
  return results;
}
