import { decompressZstd } from "../codec/zstd.ts";
import { messageOf, PrsyncError } from "../core/errors.ts";
import { objectFilePath } from "../manifest/metadata-bundle.ts";
import { verifyObject, type ObjectRef } from "../manifest/object-ref.ts";
import type { CentralClient } from "./central-client.ts";
import type { ObjectSource } from "./manifest-update.ts";
import type { MetadataBundle, MetadataRange } from "./metadata-bundle.ts";
import { SWARM_METADATA_BYTES, type ReleaseMetadata } from "./release-metadata.ts";
import type { SyncLog } from "./sync-log.ts";

/** Objects from the metadata bundles where many bytes are wanted, else from central one by one. */
export class MetadataObjects implements ObjectSource {
  readonly #metadata: ReleaseMetadata;
  readonly #central: CentralClient;
  readonly #log: SyncLog;

  constructor(metadata: ReleaseMetadata, central: CentralClient, log: SyncLog) {
    this.#metadata = metadata;
    this.#central = central;
    this.#log = log;
  }

  /** Fetches from the swarm what is worth it. Never fails: {@link object} asks central for what is not here then. */
  async prepare(refs: readonly ObjectRef[], signal: AbortSignal): Promise<void> {
    // Frames are no longer than what they hold, so less than this can't be worth it.
    if (refs.reduce((sum, ref) => sum + ref.lengthBytes, 0) < SWARM_METADATA_BYTES) return;
    try {
      for (const bundle of await this.#metadata.all(signal)) await this.#prepareFrom(bundle, refs, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof PrsyncError)) throw error;
      this.#log.warn({ reason: messageOf(error) }, "metadata bundles can't be used, asking central for each object");
    }
  }

  async object(ref: ObjectRef, signal: AbortSignal): Promise<Uint8Array> {
    for (const bundle of await this.#metadata.known()) {
      const bytes = await readObject(bundle, ref);
      if (bytes !== undefined) return bytes;
    }
    return await this.#central.object(ref, signal);
  }

  async #prepareFrom(bundle: MetadataBundle, refs: readonly ObjectRef[], signal: AbortSignal): Promise<void> {
    const ranges = refs.flatMap((ref) => rangeOfObject(bundle, ref));
    const bytes = ranges.reduce((sum, { start, end }) => sum + end - start, 0);
    if (bytes >= SWARM_METADATA_BYTES) await this.#metadata.fetch(bundle, ranges, signal);
  }
}

function rangeOfObject(bundle: MetadataBundle, ref: ObjectRef): MetadataRange[] {
  const file = bundle.find(objectFilePath(ref.sha256));
  return file === undefined ? [] : [{ ordinal: file.ordinal, start: 0, end: file.lengthBytes }];
}

/** Undefined if the bundle does not hold it, or not as the signed hash wants it. */
async function readObject(bundle: MetadataBundle, ref: ObjectRef): Promise<Uint8Array | undefined> {
  const [range] = rangeOfObject(bundle, ref);
  const frame = range === undefined ? undefined : await bundle.read(range);
  if (frame === undefined) return undefined;
  try {
    const bytes = decompressZstd(frame, ref.lengthBytes);
    verifyObject(ref, bytes);
    return bytes;
  } catch (error) {
    if (error instanceof PrsyncError) return undefined;
    throw error;
  }
}
