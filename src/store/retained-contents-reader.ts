import { closeSync, fstatSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { EMPTY_CONTENT, type ContentId } from "../core/content-id.ts";
import { isSystemError } from "../core/errors.ts";
import { ConfinedDirectory } from "./confined-directory.ts";
import { StoreError } from "./errors.ts";
import type { PublishIndex } from "./publish-index.ts";
import { IndexedContents, type IndexedContent } from "./publish-index-contents.ts";
import { pathOf } from "./publish-index-rows.ts";
import { fingerprintOf, type StatFingerprint } from "./publish-index-stat.ts";
import { verifyHandle, type RetainedContents } from "./retained-contents.ts";
import { readWhole, SmallReads } from "./small-reads.ts";

/** A content opened for reading. */
export interface OpenedContent extends AsyncDisposable {
  readonly lengthBytes: number;
  /**
   * Bytes [start, start + length), fewer at the end of the content.
   * @param memory as long as that, where they may be put
   * @throws StoreError `content-changed` if a file was touched since it was opened and is not small: open the content again
   */
  read(start: number, length: number, memory?: Uint8Array): Promise<Uint8Array>;
}

/** An open file and the stat that goes with its bytes. */
interface TrustedFile {
  readonly handle: FileHandle;
  readonly stat: StatFingerprint;
}

/** An open file that is a certain content as long as its stat stays as it is. */
class ContentFile implements OpenedContent {
  readonly lengthBytes: number;
  readonly #content: ContentId;
  readonly #handle: FileHandle;
  readonly #stat: StatFingerprint;
  readonly #smallReads: SmallReads;

  constructor(indexed: IndexedContent, { handle, stat }: TrustedFile, smallReads: SmallReads) {
    this.#content = indexed.content;
    this.lengthBytes = indexed.lengthBytes;
    this.#handle = handle;
    this.#stat = stat;
    this.#smallReads = smallReads;
  }

  async read(start: number, length: number, memory?: Uint8Array): Promise<Uint8Array> {
    const wanted = Math.max(0, Math.min(length, this.lengthBytes - start));
    const bytes = memory?.length === wanted ? memory : Buffer.allocUnsafe(wanted);
    let filled = this.#smallReads.fill(this.#handle.fd, bytes, start);
    while (filled < wanted) {
      const { bytesRead } = await this.#handle.read(bytes, filled, wanted - filled, start + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    // Checked after reading: a write that these bytes saw has changed the times by now.
    const stat = fingerprintOf(fstatSync(this.#handle.fd, { bigint: true }));
    if (filled === wanted && stat === this.#stat) return bytes;
    throw new StoreError("content-changed", `the file that held content ${this.#content} was changed while in use`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

/** A small content that was read whole: whatever becomes of its file, these are its bytes. */
class ContentBytes implements OpenedContent {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get lengthBytes(): number {
    return this.#bytes.length;
  }

  read(start: number, length: number): Promise<Uint8Array> {
    return Promise.resolve(this.#bytes.subarray(start, start + length));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** The empty content needs no file. */
const OPENED_EMPTY: OpenedContent = new ContentBytes(new Uint8Array(0));

/** A copy that is not as it was recorded. */
interface Recheck {
  readonly stat: StatFingerprint;
  /** The stat that its bytes go with; undefined if they are others. */
  readonly verified: Promise<StatFingerprint | undefined>;
}

/** Bounds the memory; whoever is forgotten is hashed again. */
const MAX_RECHECKED = 65_536;

/**
 * Finds the bytes of a content: the retained copy, else any path of TREE that had them at the last publish. What has
 * another stat than the recorded one is hashed first; a copy that turns out wrong is never used.
 */
export class ContentReader {
  readonly #index: PublishIndex;
  readonly #contents: IndexedContents;
  readonly #retained: RetainedContents;
  readonly #treePath: string;
  readonly #smallReads: SmallReads;
  /** Copies that were (or are being) hashed because their stat was not the recorded one, the oldest first. */
  readonly #rechecked = new Map<ContentId, Recheck>();

  constructor(
    index: PublishIndex,
    on: { readonly retained: RetainedContents; readonly treePath: string; readonly smallReads?: SmallReads },
  ) {
    this.#index = index;
    this.#contents = new IndexedContents(index);
    this.#retained = on.retained;
    this.#treePath = on.treePath;
    this.#smallReads = on.smallReads ?? new SmallReads();
  }

  /** Undefined if nothing on disk has exactly these bytes any more. */
  async open(content: ContentId): Promise<OpenedContent | undefined> {
    if (content === EMPTY_CONTENT) return OPENED_EMPTY;
    const indexed = this.#contents.find(content);
    if (indexed === undefined) return undefined;
    return this.#readSmall(indexed) ?? (await this.#openRetained(indexed)) ?? this.#openInTree(indexed);
  }

  /** Undefined if it is large, not as it was recorded, or on a disk that lets one wait. */
  #readSmall({ content, lengthBytes, retained }: IndexedContent): OpenedContent | undefined {
    if (lengthBytes > SmallReads.MAX_BYTES || retained === undefined || !this.#smallReads.isQuick) return undefined;
    const bytes = this.#smallReads.run(() => this.#readRetained(content, lengthBytes, retained));
    return bytes === undefined ? undefined : new ContentBytes(bytes);
  }

  #readRetained(content: ContentId, lengthBytes: number, stat: StatFingerprint): Uint8Array | undefined {
    const descriptor = this.#retained.openSync(content);
    if (descriptor === undefined) return undefined;
    try {
      const bytes = readWhole(descriptor, lengthBytes);
      // Checked after reading, as in ContentFile.
      const isSame = fingerprintOf(fstatSync(descriptor, { bigint: true })) === stat;
      return isSame && bytes.length === lengthBytes ? bytes : undefined;
    } finally {
      closeSync(descriptor);
    }
  }

  async #openRetained(indexed: IndexedContent): Promise<OpenedContent | undefined> {
    const handle = await this.#retained.open(indexed.content);
    if (handle === undefined) return undefined;
    try {
      const stat = await this.#trustedStat(indexed, handle);
      if (stat !== undefined) return new ContentFile(indexed, { handle, stat }, this.#smallReads);
    } catch (error) {
      await handle.close();
      throw error;
    }
    await handle.close();
    return undefined;
  }

  async #trustedStat(indexed: IndexedContent, handle: FileHandle): Promise<StatFingerprint | undefined> {
    const stat = fingerprintOf(fstatSync(handle.fd, { bigint: true }));
    if (stat === indexed.retained) {
      this.#rechecked.delete(indexed.content);
      return stat;
    }
    // One reading for all who ask at once: a large copy whose file in TREE was unlinked is asked for by every mirror.
    const known = this.#rechecked.get(indexed.content);
    const recheck = known?.stat === stat ? known : this.#recheck(indexed.content, { handle, stat });
    return await recheck.verified;
  }

  /** A reading that fails is not remembered. */
  #recheck(content: ContentId, seen: { readonly handle: FileHandle; readonly stat: StatFingerprint }): Recheck {
    // It was hashed as it stood; the next read compares with that again.
    const verified = verifyHandle(seen.handle, content).then((stat) => stat && fingerprintOf(stat));
    const recheck = { stat: seen.stat, verified };
    this.#rechecked.delete(content);
    this.#rechecked.set(content, recheck);
    const oldest = this.#rechecked.keys().next();
    if (this.#rechecked.size > MAX_RECHECKED && oldest.done !== true) this.#rechecked.delete(oldest.value);
    verified.catch(() => {
      if (this.#rechecked.get(content) === recheck) this.#rechecked.delete(content);
    });
    return recheck;
  }

  async #openInTree(indexed: IndexedContent): Promise<OpenedContent | undefined> {
    const rows = this.#index.database
      .prepare("SELECT path, stat FROM entries WHERE content = ? AND stat IS NOT NULL ORDER BY path LIMIT 16")
      .all(indexed.row);
    if (rows.length === 0) return undefined;
    try {
      using tree = ConfinedDirectory.open(this.#treePath);
      for (const row of rows) {
        const stat = row.stat as StatFingerprint;
        const handle = await openIfSame(tree, pathOf(row.path), stat);
        if (handle !== undefined) return new ContentFile(indexed, { handle, stat }, this.#smallReads);
      }
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== "root-unusable") throw error;
    }
    return undefined;
  }
}

async function openIfSame(
  tree: ConfinedDirectory,
  path: ReturnType<typeof pathOf>,
  stat: StatFingerprint,
): Promise<FileHandle | undefined> {
  let handle: FileHandle;
  try {
    handle = await tree.openForReading(path);
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ENOTDIR", "ELOOP", "EACCES")) return undefined;
    if (error instanceof StoreError && error.code === "not-a-file") return undefined;
    throw error;
  }
  if (fingerprintOf(fstatSync(handle.fd, { bigint: true })) === stat) return handle;
  await handle.close();
  return undefined;
}
