import { CodecError } from "../codec/errors.ts";
import { decompressZstd } from "../codec/zstd.ts";
import { cutChunks, parseChunk } from "../manifest/chunk.ts";
import type { Entry } from "../manifest/entry.ts";
import { ManifestError } from "../manifest/errors.ts";
import { encodeIndex, parseIndex, type ChunkRef } from "../manifest/manifest-index.ts";
import { objectRefOf, verifyObject, type ObjectRef } from "../manifest/object-ref.ts";
import type { PathChange } from "../manifest/path-change.ts";
import { parseRelease, type Release, type ReleaseTotals } from "../manifest/release.ts";
import { updatedChunks } from "../manifest/update-chunks.ts";
import type { PendingChanges } from "../store/publish-index-pending.ts";
import type { IndexedReleases } from "../store/publish-index-release.ts";
import type { HashedFiles } from "../store/publish-objects.ts";
import type { PublishIndex } from "../store/publish-index.ts";
import type { ListedChanges } from "./list-changes.ts";
import type { ObjectWriter } from "./object-writer.ts";

/** What writing a manifest needs. */
export interface ManifestContext {
  readonly index: PublishIndex;
  readonly pending: PendingChanges;
  readonly releases: IndexedReleases;
  readonly objects: HashedFiles;
}

interface WrittenManifest {
  readonly index: ObjectRef;
  readonly totals: ReleaseTotals;
}

/**
 * Chunks and index of the next release. With a list of changes only the chunks that these touch are made; the outcome is the
 * same as that of cutting all of it.
 */
export async function writeManifest(
  context: ManifestContext,
  writer: ObjectWriter,
  listed: ListedChanges,
): Promise<WrittenManifest> {
  if (listed.changes === undefined) return await writeWhole(context, writer);
  const { releases, index } = context;
  const previous = parseRelease(releases.bytes(index.appliedRelease)!);
  try {
    return await writeChanged(context, writer, { previous, listed, changes: listed.changes });
  } catch (error) {
    // A chunk is gone or damaged, or does not fit the index: all that is needed is made again.
    if (error instanceof LostObjectError) await context.objects.remove(error.sha256);
    else if (!(error instanceof ManifestError)) throw error;
    writer.forgetMentions();
    return await writeWhole(context, writer);
  }
}

async function writeWhole(context: ManifestContext, writer: ObjectWriter): Promise<WrittenManifest> {
  const counts = { entries: 0, files: 0, bytes: 0 };
  const refs: ChunkRef[] = [];
  for (const { ref, bytes } of cutChunks(countedEntries(context.pending, counts))) {
    refs.push(ref);
    await writer.write(ref, bytes);
  }
  const index = await writeIndex(writer, refs);
  return { index, totals: { ...counts, contents: context.releases.countNextContents() } };
}

function* countedEntries(
  pending: PendingChanges,
  counts: { entries: number; files: number; bytes: number },
): Generator<Entry> {
  for (const entry of pending.nextEntries()) {
    counts.entries++;
    if (entry.kind === "file") {
      counts.files++;
      counts.bytes += entry.size;
    }
    yield entry;
  }
}

async function writeChanged(
  context: ManifestContext,
  writer: ObjectWriter,
  step: { readonly previous: Release; readonly listed: ListedChanges; readonly changes: readonly PathChange[] },
): Promise<WrittenManifest> {
  const { previous, listed, changes } = step;
  const before = parseIndex(plainObject(context.objects, previous.index));
  const refOf = new Map(before.map((ref) => [ref.sha256, ref]));
  const load = (sha256: string): Entry[] => parseChunk(plainObject(context.objects, refOf.get(sha256)!));
  const refs: ChunkRef[] = [];
  for (const { ref, bytes } of updatedChunks(before, load, changes)) {
    refs.push(ref);
    if (bytes !== undefined) await writer.write(ref, bytes);
    else if (writer.isThere(ref.sha256)) writer.refer(ref.sha256);
    else throw new LostObjectError(ref.sha256);
  }
  const index = await writeIndex(writer, refs);
  const totals = {
    entries: previous.totals.entries + listed.growth.entries,
    files: previous.totals.files + listed.growth.files,
    bytes: previous.totals.bytes + listed.growth.bytes,
    contents: previous.totals.contents + context.releases.contentsGrowth(),
  };
  return { index, totals };
}

async function writeIndex(writer: ObjectWriter, refs: readonly ChunkRef[]): Promise<ObjectRef> {
  const bytes = encodeIndex(refs);
  return await writer.write(objectRefOf(bytes), bytes);
}

class LostObjectError extends Error {
  readonly sha256: string;

  constructor(sha256: string, options?: ErrorOptions) {
    super(`object ${sha256} is missing or damaged`, options);
    this.sha256 = sha256;
  }
}

function plainObject(objects: HashedFiles, ref: ObjectRef): Uint8Array {
  const frame = objects.readSync(ref.sha256);
  if (frame === undefined) throw new LostObjectError(ref.sha256);
  try {
    const bytes = decompressZstd(frame, ref.lengthBytes);
    verifyObject(ref, bytes);
    return bytes;
  } catch (cause) {
    if (cause instanceof ManifestError || cause instanceof CodecError) throw new LostObjectError(ref.sha256, { cause });
    throw cause;
  }
}
