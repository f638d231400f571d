import type { ReadableBytes } from "../codec/gunzip.ts";
import type { ContentId } from "../core/content-id.ts";
import { StoreError } from "./errors.ts";
import { freeSpaceOf, shortfall } from "./free-space.ts";
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
  /** What nobody read for so long makes room for others, as does what gave as many bytes as it has. */
  readonly quietMs: number;
}

/**
 * Two of the longest inner contents; a release is hot for some minutes after it came. A peer that is given blocks asks for the
 * next ones within seconds.
 */
const DEFAULT_LIMITS: UnpackLimits = { maxBytes: 2 ** 30, maxInflations: 2, idleMs: 10 * 60_000, quietMs: 5_000 };

interface Unpacked {
  readonly file: UnpackedFile;
  users: number;
  usedMs: number;
  givenBytes: number;
}

/**
 * Inner contents, which nobody stores: unpacked when they are asked for and kept while they are hot. One that is being read does
 * not give way before it was worth its unpacking, or ten that are asked for in turn would be unpacked for each block.
 */
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
      const bytes = await unpacked.file.read(offset, length);
      unpacked.givenBytes += bytes.length;
      return bytes;
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
      throw new StoreError("unpack-busy", `content ${inner} can't be unpacked now: others are, or the disk is full`);
    }
    this.#reservedBytes += innerLengthBytes;
    const { directory, open } = this.#options;
    const file = new UnpackedFile(innerLengthBytes, directory, () => open(packed.content));
    this.#inflating.add(file);
    void file.ended.then(() => this.#inflating.delete(file));
    this.#sweep ??= setInterval(() => this.#dropIdle(), this.#limits.idleMs / 2).unref();
    return { file, users: 0, usedMs: 0, givenBytes: 0 };
  }

  #makeRoom(lengthBytes: number): boolean {
    if (lengthBytes > this.#limits.maxBytes) return false;
    const now = performance.now();
    for (const [inner, unpacked] of this.#unpacked) {
      if (this.#fits(lengthBytes)) return true;
      const { file, givenBytes, usedMs } = unpacked;
      if (givenBytes >= file.lengthBytes || now - usedMs >= this.#limits.quietMs) this.#drop(inner, unpacked);
    }
    return this.#fits(lengthBytes);
  }

  /** On the disk, too, which others fill. */
  #fits(lengthBytes: number): boolean {
    if (this.#reservedBytes + lengthBytes > this.#limits.maxBytes) return false;
    const unwritten = [...this.#inflating].reduce((sum, file) => sum + file.lengthBytes, 0);
    const wanted = { bytes: unwritten + lengthBytes, files: 1 };
    return shortfall(freeSpaceOf(this.#options.directory), wanted) === undefined;
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
