import type { ContentId } from "../core/content-id.ts";
import { messageOf, PrsyncError } from "../core/errors.ts";
import { blockLengthFor } from "../delta/block-length.ts";
import { maxSignatureByteLength, signatureByteLength } from "../delta/signature.ts";
import { METADATA_FILES } from "../manifest/metadata-bundle.ts";
import type { BundleCatalog } from "./bundle-catalog.ts";
import type { CentralClient } from "./central-client.ts";
import { ContentRecordSource, type ReadRecord } from "./content-record-source.ts";
import { SWARM_METADATA_BYTES, type ReleaseMetadata } from "./release-metadata.ts";
import type { SyncLog } from "./sync-log.ts";

/** A content whose signature is wanted. */
export interface SignedContent {
  readonly content: ContentId;
  readonly lengthBytes: number;
}

/** One request to central. */
const BATCH_CONTENTS = 500;
const BATCH_BYTES: number = 1024 * 1024;

/**
 * Block signatures: of releases of which many bytes are wanted out of the metadata bundle, from the swarm; the rest from
 * central, several per request. Not trusted: a match is a hint.
 */
export class SignatureSource {
  readonly #records: ContentRecordSource;
  readonly #central: CentralClient;
  readonly #log: SyncLog;
  /** Where the swarm's are. */
  #held = new Map<ContentId, ReadRecord>();
  /** Those to ask central for, in the order in which they will be wanted, and what came of the last requests. */
  #waiting = new Map<ContentId, SignedContent>();
  #answered = new Map<ContentId, Uint8Array | undefined>();

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

  /** Tells which ones will be asked for, in this order, and fetches from the swarm what is worth it. Forgets what was before. */
  async prepare(contents: readonly SignedContent[], signal: AbortSignal): Promise<void> {
    this.#held = new Map();
    this.#answered = new Map();
    this.#waiting = new Map(contents.map((wanted) => [wanted.content, wanted]));
    for (const [release, group] of Map.groupBy(contents, ({ content }) => this.#records.releaseOf(content))) {
      const bytes = group.reduce((sum, { lengthBytes }) => sum + usualLength(lengthBytes), 0);
      if (release !== undefined && bytes >= SWARM_METADATA_BYTES) await this.#prepareFromSwarm(release, group, signal);
    }
  }

  /** The signature as it came; undefined if there is none. @throws SyncError, NetError; the signal's reason */
  async signature(wanted: SignedContent, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const { content } = wanted;
    const held = this.#held.get(content);
    if (held !== undefined) return await held();
    if (!this.#answered.has(content)) await this.#ask(wanted, signal);
    const signature = this.#answered.get(content);
    this.#answered.delete(content);
    return signature;
  }

  async #prepareFromSwarm(release: number, group: readonly SignedContent[], signal: AbortSignal): Promise<void> {
    try {
      const contents = group.map(({ content }) => content);
      const records = await this.#records.fetch({ release, name: METADATA_FILES.signatures, signal }, contents);
      for (const [content, read] of records) {
        this.#held.set(content, read);
        this.#waiting.delete(content);
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof PrsyncError)) throw error;
      this.#log.warn({ release, reason: messageOf(error) }, "no signatures from the metadata bundle, asking central");
    }
  }

  /** This one and those that will be wanted after it, as many as one request takes. */
  async #ask(wanted: SignedContent, signal: AbortSignal): Promise<void> {
    this.#waiting.delete(wanted.content);
    const batch = [wanted];
    let bytes = usualLength(wanted.lengthBytes);
    for (const next of this.#waiting.values()) {
      bytes += usualLength(next.lengthBytes);
      if (batch.length === BATCH_CONTENTS || bytes > BATCH_BYTES) break;
      batch.push(next);
    }
    const maxBytes = batch.reduce((sum, { lengthBytes }) => sum + maxSignatureByteLength(lengthBytes), 0);
    const ids = batch.map(({ content }) => content);
    const answers = await this.#central.signatures(ids, { maxBytes, signal });
    for (const [content, signature] of answers) {
      this.#waiting.delete(content);
      this.#answered.set(content, signature);
    }
  }
}

/** What a signature takes unless the repository chose another block length. */
function usualLength(contentLength: number): number {
  return signatureByteLength(contentLength, blockLengthFor(contentLength, "sqrt"));
}
