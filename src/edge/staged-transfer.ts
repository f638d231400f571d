import { createHash, hash, type Hash } from "node:crypto";
import { RangeSet } from "../core/byte-range.ts";
import type { ContentId } from "../core/content-id.ts";

/** The staged bytes of one content, as the store keeps them. Offsets in bytes of the content. */
export interface StagedBytes {
  readonly lengthBytes: number;
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** @throws StoreError if fewer than `length` bytes are there */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** Sees the bytes of a content once, in order. */
export interface PrefixObserver {
  update(bytes: Uint8Array): void;
}

const READ_LENGTH = 1024 * 1024;

/**
 * One content on its way: which bytes are there, which are proved by a piece hash, and the SHA-256 of the growing
 * prefix, so that a large file is not read a second time at its end.
 */
export class StagedTransfer {
  readonly content: ContentId;
  readonly bytes: StagedBytes;
  /** Bytes that are there: from this host (hints of the rolling search, copies) or received. */
  readonly present: RangeSet = new RangeSet();
  /** Bytes whose piece hash was right. Always within {@link present}. */
  readonly verified: RangeSet = new RangeSet();
  /** Made when first needed: a release may have millions of contents on their way. */
  #hash: Hash | undefined;
  #hashedBytes = 0;
  #observer: PrefixObserver | undefined;

  constructor(content: ContentId, bytes: StagedBytes) {
    this.content = content;
    this.bytes = bytes;
  }

  get lengthBytes(): number {
    return this.bytes.lengthBytes;
  }

  /** Takes bytes of this host or of a peer. */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    await this.bytes.write(offset, bytes);
    this.present.add(offset, offset + bytes.length);
  }

  /** Called once a piece hash was right. `bytes` are the piece's, if at hand. */
  markVerified(start: number, end: number, bytes?: Uint8Array): void {
    this.present.add(start, end);
    this.verified.add(start, end);
    if (start !== this.#hashedBytes || bytes === undefined || bytes.length !== end - start) return;
    this.#take(bytes);
  }

  /** Forgets bytes whose hash was wrong: all of the range is to be fetched again. */
  discard(start: number, end: number): void {
    this.present.remove(start, end);
    this.verified.remove(start, end);
  }

  /** Shows an observer what the SHA-256 is made of, from the beginning: before anything was verified. Ends with a restart. */
  observe(observer: PrefixObserver): void {
    this.#observer = observer;
  }

  /** The observer, if it saw all bytes. */
  get observer(): PrefixObserver | undefined {
    return this.#hashedBytes === this.lengthBytes ? this.#observer : undefined;
  }

  /** Forgets everything: all of it is to come anew. */
  restart(): void {
    this.discard(0, this.lengthBytes);
    this.#hash = undefined;
    this.#hashedBytes = 0;
    this.#observer = undefined;
  }

  /** Reads what the prefix hash has not seen yet and compares. All bytes must be present. */
  async isExact(): Promise<boolean> {
    await this.#hashRest();
    return this.#prefixHash.copy().digest("hex") === this.content;
  }

  get #prefixHash(): Hash {
    this.#hash ??= createHash("sha256");
    return this.#hash;
  }

  async #hashRest(): Promise<void> {
    while (this.#hashedBytes < this.lengthBytes) {
      const length = Math.min(READ_LENGTH, this.lengthBytes - this.#hashedBytes);
      this.#take(await this.bytes.read(this.#hashedBytes, length));
    }
  }

  #take(bytes: Uint8Array): void {
    this.#prefixHash.update(bytes);
    this.#observer?.update(bytes);
    this.#hashedBytes += bytes.length;
  }
}

/** SHA-1 of a piece as BEP 3 has it: its content bytes plus zeros up to the piece length. */
export function pieceHashOf(bytes: Uint8Array, pieceLength: number): Buffer {
  if (bytes.length === pieceLength) return hash("sha1", bytes, "buffer");
  return createHash("sha1")
    .update(bytes)
    .update(Buffer.alloc(pieceLength - bytes.length))
    .digest();
}
