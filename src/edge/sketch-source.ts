import type { ContentId } from "../core/content-id.ts";
import { messageOf, PrsyncError } from "../core/errors.ts";
import { MAX_SKETCH_BYTES, parseSketch, type Sketch } from "../delta/sketch.ts";
import { METADATA_FILES } from "../manifest/metadata-bundle.ts";
import type { BundleCatalog } from "./bundle-catalog.ts";
import type { CentralClient } from "./central-client.ts";
import { ContentRecordSource } from "./content-record-source.ts";
import { SWARM_METADATA_BYTES, type ReleaseMetadata } from "./release-metadata.ts";
import type { SyncLog } from "./sync-log.ts";

/** One request to central. */
const BATCH_CONTENTS = 500;

/**
 * Sketches of contents that this mirror never had: of releases of which many are wanted out of the metadata bundle, from the
 * swarm; the rest from central, several per request. Not trusted: what a sketch leads to is a hint.
 */
export class SketchSource {
  readonly #records: ContentRecordSource;
  readonly #central: CentralClient;
  readonly #log: SyncLog;

  constructor(parts: {
    readonly metadata: ReleaseMetadata;
    readonly central: CentralClient;
    readonly catalog: BundleCatalog;
    readonly log: SyncLog;
  }) {
    this.#records = new ContentRecordSource(parts.metadata, parts.catalog);
    this.#central = parts.central;
    this.#log = parts.log;
  }

  /** Those that can be had: without the others the basis is chosen by names. @throws the signal's reason */
  async sketchesOf(contents: readonly ContentId[], signal: AbortSignal): Promise<Map<ContentId, Sketch>> {
    const found = new Map<ContentId, Sketch>();
    const accept = (content: ContentId, bytes: Uint8Array | undefined): void => {
      const sketch = bytes === undefined ? undefined : this.#parse(content, bytes);
      if (sketch !== undefined) found.set(content, sketch);
    };
    for (const [release, group] of Map.groupBy(contents, (content) => this.#records.releaseOf(content))) {
      const isMuch = group.length * MAX_SKETCH_BYTES >= SWARM_METADATA_BYTES;
      if (release === undefined || !isMuch) continue;
      await this.#orWithout(() => this.#takeFromSwarm(release, group, { accept, signal }), signal);
    }
    const rest = contents.filter((content) => !found.has(content));
    await this.#orWithout(() => this.#takeFromCentral(rest, { accept, signal }), signal);
    return found;
  }

  /** One that is none costs its own content its basis, not the others theirs. */
  #parse(content: ContentId, bytes: Uint8Array): Sketch | undefined {
    try {
      return parseSketch(bytes);
    } catch (error) {
      if (!(error instanceof PrsyncError)) throw error;
      this.#log.warn({ content, reason: messageOf(error) }, "a sketch is damaged, the basis is chosen by names");
      return undefined;
    }
  }

  async #takeFromSwarm(release: number, group: readonly ContentId[], { accept, signal }: Taking): Promise<void> {
    const records = await this.#records.fetch({ release, name: METADATA_FILES.sketches, signal }, group);
    for (const [content, read] of records) accept(content, await read());
  }

  async #takeFromCentral(contents: readonly ContentId[], { accept, signal }: Taking): Promise<void> {
    for (let asked = 0; asked < contents.length;) {
      const batch = contents.slice(asked, asked + BATCH_CONTENTS);
      const options = { maxBytes: batch.length * MAX_SKETCH_BYTES, signal };
      const answers = await this.#central.sketches(batch, options);
      for (const [content, bytes] of answers) accept(content, bytes);
      asked += answers.size;
    }
  }

  async #orWithout(take: () => Promise<void>, signal: AbortSignal): Promise<void> {
    try {
      await take();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof PrsyncError)) throw error;
      this.#log.warn({ reason: messageOf(error) }, "some sketches can't be had, basis files are chosen by names");
    }
  }
}

interface Taking {
  readonly accept: (content: ContentId, bytes: Uint8Array | undefined) => void;
  readonly signal: AbortSignal;
}
