import type { ReadableBytes } from "../codec/gunzip.ts";
import type { ContentId } from "../core/content-id.ts";
import { StoreError } from "./errors.ts";
import { UnpackedFile } from "./unpacked-file.ts";

/** A compressed content that unpacks to the one asked for. */
export interface PackedContent {
  readonly content: ContentId;
  /** Of what it unpacks to, from the signed release. */
  readonly innerLengthBytes: number;
}

export interface UnpackedContentsOptions {
  /** For files without a name, on a disk with room for {@link UnpackLimits.maxBytes}. */
  readonly directory: string;
  /** A compressed content held here that unpacks to `inner`. */
  readonly find: (inner: ContentId) => PackedContent | undefined;
  readonly open: (packed: ContentId) => Promise<(ReadableBytes & AsyncDisposable) | undefined>;
  readonly limits?: UnpackLimits;
}

export interface UnpackLimits {
  /** Of all unpacked files together. */
  readonly maxBytes: number;
  /** At a time: each takes a core. */
  readonly maxInflations: number;
  /** What nobody read for so long is dropped. */
  readonly idleMs: number;
}

/** Two of the longest inner contents; a release is hot for some minutes after it came. */
const DEFAULT_LIMITS: UnpackLimits = { maxBytes: 2 ** 30, maxInflations: 2, idleMs: 10 * 60_000 };

interface Unpacked {
  readonly file: UnpackedFile;
  users: number;
  usedMs: number;
}

/** Inner contents, which nobody stores: unpacked when they are asked for and kept while they are hot. */
export class UnpackedContents implements AsyncDisposable {
  readonly #options: UnpackedContentsOptions;
  readonly #limits: UnpackLimits;
  /** Least recently used first. */
  readonly #unpacked = new Map<ContentId, Unpacked>();
  readonly #inflating = new Set<UnpackedFile>();
  readonly #closing = new Set<Promise<void>>();
  #reservedBytes = 0;
  #sweep: NodeJS.Timeout | undefined;

  constructor(options: UnpackedContentsOptions) {
    this.#options = options;
    this.#limits = options.limits ?? DEFAULT_LIMITS;
  }

  /** Length of an inner content that can be given; undefined for any other. */
  lengthOf(inner: ContentId): number | undefined {
    return this.#options.find(inner)?.innerLengthBytes;
  }

  /**
   * Bytes [offset, offset + length), fewer at the end; undefined if nothing held here unpacks to this content.
   * @throws StoreError `unpack-busy` if too much is being unpacked: ask again later; what keeps it from being unpacked
   */
  async read(inner: ContentId, offset: number, length: number): Promise<Uint8Array | undefined> {
    const unpacked = this.#unpacked.get(inner) ?? this.#begin(inner);
    if (unpacked === undefined) return undefined;
    this.#unpacked.delete(inner);
    this.#unpacked.set(inner, unpacked);
    unpacked.users++;
    unpacked.usedMs = performance.now();
    try {
      return await unpacked.file.read(offset, length);
    } finally {
      unpacked.users--;
      if (unpacked.file.failure !== undefined) this.#drop(inner, unpacked);
    }
  }

  #begin(inner: ContentId): Unpacked | undefined {
    const packed = this.#options.find(inner);
    if (packed === undefined) return undefined;
    const { innerLengthBytes } = packed;
    if (this.#inflating.size >= this.#limits.maxInflations || !this.#makeRoom(innerLengthBytes)) {
      throw new StoreError("unpack-busy", `content ${inner} can't be unpacked now: others are`);
    }
    this.#reservedBytes += innerLengthBytes;
    const { directory, open } = this.#options;
    const file = new UnpackedFile(innerLengthBytes, directory, () => open(packed.content));
    this.#inflating.add(file);
    void file.ended.then(() => this.#inflating.delete(file));
    this.#sweep ??= setInterval(() => this.#dropIdle(), this.#limits.idleMs / 2).unref();
    return { file, users: 0, usedMs: 0 };
  }

  #makeRoom(lengthBytes: number): boolean {
    if (lengthBytes > this.#limits.maxBytes) return false;
    for (const [inner, unpacked] of this.#unpacked) {
      if (this.#reservedBytes + lengthBytes <= this.#limits.maxBytes) break;
      this.#drop(inner, unpacked);
    }
    return this.#reservedBytes + lengthBytes <= this.#limits.maxBytes;
  }

  #dropIdle(): void {
    const now = performance.now();
    for (const [inner, unpacked] of this.#unpacked) {
      if (now - unpacked.usedMs >= this.#limits.idleMs) this.#drop(inner, unpacked);
    }
  }

  /** Unless somebody reads it. */
  #drop(inner: ContentId, unpacked: Unpacked): void {
    if (unpacked.users > 0 || this.#unpacked.get(inner) !== unpacked) return;
    this.#unpacked.delete(inner);
    this.#reservedBytes -= unpacked.file.lengthBytes;
    const closing = unpacked.file[Symbol.asyncDispose]().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  /** To be called when nobody reads any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#sweep);
    for (const [inner, unpacked] of this.#unpacked) this.#drop(inner, unpacked);
    await Promise.all(this.#closing);
  }
}
