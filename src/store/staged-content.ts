import * as fs from "node:fs";
import { promisify } from "node:util";
import type { ContentId } from "../core/content-id.ts";
import type { PinnedDescriptor } from "./descriptor-cache.ts";
import { StoreError } from "./errors.ts";
import type { SmallReads } from "./small-reads.ts";
import { writeSparse } from "./sparse-write.ts";
import { BARE, type ExpectedHash, type PartAttributes, type ReceivedBytes } from "./staging-task.ts";
import type { StagingThreads } from "./staging-threads.ts";

const read = promisify(fs.read);
const write = promisify(fs.write);
const fsync = promisify(fs.fsync);

/** The file behind a staged content; there is none before the first byte comes. */
export interface PartFile {
  /** Makes it if it is not there. @throws StoreError `staged-missing` if it was placed or discarded */
  pinForWriting(): PinnedDescriptor;
  /** @throws StoreError `staged-missing` */
  pin(): PinnedDescriptor;
  /** Where {@link StagedContent.takePiece} may make the whole file at once; what was there is forgotten. */
  replace(): string;
  /** The whole file was made, with these attributes. */
  finished(attributes: PartAttributes): void;
}

/** A piece, as its bytes came. */
export interface ReceivedPiece {
  /** Offset in the content. */
  readonly start: number;
  readonly lengthBytes: number;
  /** Disjoint. Their memory is given away, but for shared memory and a whole content of at most {@link SMALL_FILE_BYTES}. */
  readonly received: readonly ReceivedBytes[];
  readonly expected: ExpectedHash;
}

let nextKey = 0;

/** One part: bytes may be written and read at any offset in any order. Holds no descriptor of its own. */
export class StagedContent {
  readonly content: ContentId;
  readonly lengthBytes: number;
  readonly #part: PartFile;
  readonly #threads: StagingThreads;
  readonly #smallReads: SmallReads;
  readonly #isSparse: boolean;
  readonly #attributes: PartAttributes | undefined;
  #key = nextKey++;
  /** Where the piece begins with which the growing SHA-256 goes on. */
  #nextStart = 0;

  constructor(
    content: ContentId,
    lengthBytes: number,
    on: {
      readonly part: PartFile;
      readonly threads: StagingThreads;
      readonly smallReads: SmallReads;
      /** Blocks of zeros stay holes. */
      readonly isSparse: boolean;
      /** What the file is to have in the end, as far as that is known. */
      readonly attributes?: PartAttributes | undefined;
    },
  ) {
    this.content = content;
    this.lengthBytes = lengthBytes;
    this.#part = on.part;
    this.#threads = on.threads;
    this.#smallReads = on.smallReads;
    this.#isSparse = on.isSparse;
    this.#attributes = on.attributes;
  }

  /** @throws StoreError `staged-missing` if the part was placed or discarded; system errors of the disk */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#assertInside(offset, bytes.length);
    // What the SHA-256 went over may be no longer there.
    if (offset < this.#nextStart) await this.forgetPrefix();
    using part = this.#part.pinForWriting();
    if (this.#isSparse) return await writeSparse(part.descriptor, bytes, offset);
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await write(part.descriptor, bytes, done, bytes.length - done, offset + done);
      done += bytesWritten;
    }
  }

  /** Exactly `length` bytes; what was never written is zeros. @throws StoreError `staged-missing` */
  async read(offset: number, length: number, memory?: Uint8Array): Promise<Uint8Array> {
    this.#assertInside(offset, length);
    using part = this.#part.pin();
    const bytes = memory ?? Buffer.allocUnsafe(length);
    for (let done = this.#smallReads.fill(part.descriptor, bytes, offset); done < length;) {
      const { bytesRead } = await read(part.descriptor, bytes, done, length - done, offset + done);
      if (bytesRead === 0) throw new StoreError("staged-missing", `staged part of ${this.content} was cut short`);
      done += bytesRead;
    }
    return bytes;
  }

  /**
   * Writes what was received of a piece and tells whether all of it is right; a whole piece that is wrong is not written.
   * @throws StoreError `staged-missing`; system errors of the disk
   */
  async takePiece({ start, lengthBytes, received, expected }: ReceivedPiece): Promise<boolean> {
    this.#assertInside(start, lengthBytes);
    const [first] = received;
    if (lengthBytes === this.lengthBytes && first?.bytes.length === lengthBytes) {
      return await this.#takeWhole(first.bytes, expected);
    }
    using part = received.length > 0 ? this.#part.pinForWriting() : this.#part.pin();
    const { descriptor } = part;
    const isSparse = this.#isSparse;
    const task = { kind: "piece", descriptor, start, lengthBytes, received, expected, isSparse } as const;
    if (start !== this.#nextStart || first?.bytes.length !== lengthBytes)
      return (await this.#threads.run(task)) === true;
    // Its SHA-256 goes on with it where that grows.
    this.#nextStart += lengthBytes;
    return (await this.#threads.runPrefix({ ...task, key: this.#key }, this.lengthBytes)) === true;
  }

  async #takeWhole(bytes: Uint8Array, expected: ExpectedHash): Promise<boolean> {
    const path = this.#part.replace();
    const attributes = this.#attributes && { mode: this.#attributes.mode, mtimeNs: this.#attributes.mtimeNs };
    const task = { kind: "whole", path, bytes, expected, isSparse: this.#isSparse, attributes } as const;
    const result = await this.#threads.run(task);
    if (result === true && this.#attributes !== undefined) this.#part.finished(this.#attributes);
    return result === true || result === BARE;
  }

  /** Goes on with the SHA-256 of the beginning up to there, which must be there. One call at a time. */
  async hashPrefix(to: number): Promise<void> {
    this.#assertInside(0, to);
    this.#nextStart = Math.max(this.#nextStart, to);
    using part = this.#part.pin();
    await this.#threads.runPrefix(
      { kind: "prefix", key: this.#key, descriptor: part.descriptor, to },
      this.lengthBytes,
    );
  }

  /** SHA-256, in hex, of what {@link hashPrefix} has seen so far; that is forgotten then: a sync has a million contents, and each would keep its own. */
  async prefixDigest(): Promise<string> {
    const digest = this.#threads.runPrefix({ kind: "digest", key: this.#key }, 0);
    // Sent together, done one after the other.
    await Promise.all([digest, this.forgetPrefix()]);
    return (await digest) as string;
  }

  async forgetPrefix(): Promise<void> {
    const key = this.#key;
    // What is under way for the old one counts no more.
    this.#key = nextKey++;
    this.#nextStart = 0;
    await this.#threads.runPrefix({ kind: "forget", key }, 0);
  }

  async fsync(): Promise<void> {
    using part = this.#part.pin();
    await fsync(part.descriptor);
  }

  #assertInside(offset: number, length: number): void {
    if (offset >= 0 && length >= 0 && offset + length <= this.lengthBytes) return;
    throw new RangeError(`bytes ${offset}…${offset + length} of a content of ${this.lengthBytes}`);
  }
}
