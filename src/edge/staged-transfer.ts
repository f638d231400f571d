import { createHash, hash } from "node:crypto";
import { RangeSet } from "../core/byte-range.ts";
import type { ContentId } from "../core/content-id.ts";

/** A piece as its bytes came, and what proves it; see `store/staged-content.ts`, also on whose memory the bytes are. */
export interface ArrivedPiece {
  /** Offset in the content. */
  readonly start: number;
  readonly lengthBytes: number;
  readonly received: readonly { readonly offset: number; readonly bytes: Uint8Array }[];
  readonly expected: {
    readonly algorithm: "sha1" | "sha256";
    /** In hex. */
    readonly digest: string;
    readonly paddedLength: number;
  };
}

/** The staged bytes of one content, as the store keeps them. Offsets in bytes of the content. */
export interface StagedBytes {
  readonly lengthBytes: number;
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** @throws StoreError if fewer than `length` bytes are there */
  /** @param memory of that length, where the bytes may be put */
  read(offset: number, length: number, memory?: Uint8Array): Promise<Uint8Array>;
  /** Writes what was received and tells whether the piece is right. */
  takePiece(piece: ArrivedPiece): Promise<boolean>;
  /** Goes on with the SHA-256 of the beginning up to there; one call at a time. */
  hashPrefix(to: number): Promise<void>;
  /** In hex, of all up to where {@link hashPrefix} was called last; the next call of that begins anew. */
  prefixDigest(): Promise<string>;
  forgetPrefix(): Promise<void>;
}

/** Sees the bytes of a content once, in order. */
export interface PrefixObserver {
  update(bytes: Uint8Array): void;
}

const READ_LENGTH = 1024 * 1024;
/** The growing prefix is hashed this much at a time: large enough to be worth a call, small enough to be in memory still. */
const PREFIX_STEP_BYTES: number = 1024 * 1024;

/**
 * One content on its way: which bytes are there, which are proved by a piece hash, and the SHA-256 of the growing
 * prefix, so that little of a large file is left to be hashed at its end.
 */
export class StagedTransfer {
  readonly content: ContentId;
  readonly bytes: StagedBytes;
  /** Bytes that are there: from this host (hints of the rolling search, copies) or received. */
  readonly present: RangeSet = new RangeSet();
  /** Bytes whose piece hash was right. Always within {@link present}. */
  readonly verified: RangeSet = new RangeSet();
  #hashedBytes = 0;
  #observer: PrefixObserver | undefined;
  #observedBytes = 0;
  #hashing: Promise<void> | undefined;
  #isProved = false;

  constructor(content: ContentId, bytes: StagedBytes) {
    this.content = content;
    this.bytes = bytes;
  }

  get lengthBytes(): number {
    return this.bytes.lengthBytes;
  }

  /** All of it is there and has the right SHA-256; a large one has that soon after its last piece. */
  get isWhole(): boolean {
    return this.#isProved;
  }

  /** Takes bytes of this host or of a peer. */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#isProved = false;
    await this.bytes.write(offset, bytes);
    this.present.add(offset, offset + bytes.length);
  }

  /** Takes what came of a piece; afterwards all of it is verified, or none of it is there. */
  async takePiece(piece: ArrivedPiece): Promise<boolean> {
    const end = piece.start + piece.lengthBytes;
    if (!(await this.bytes.takePiece(piece))) {
      this.discard(piece.start, end);
      return false;
    }
    this.markVerified(piece.start, end);
    if (piece.expected.algorithm === "sha256" && piece.lengthBytes === this.lengthBytes) this.#isProved = true;
    else this.#hashOn();
    return true;
  }

  /** The hash of these bytes was right. */
  markVerified(start: number, end: number): void {
    this.present.add(start, end);
    this.verified.add(start, end);
  }

  /** Forgets bytes whose hash was wrong: all of the range is to be fetched again. */
  discard(start: number, end: number): void {
    this.#isProved = false;
    this.present.remove(start, end);
    this.verified.remove(start, end);
  }

  /** Shows an observer what the SHA-256 is made of, from the beginning: before anything was verified. Ends with a restart. */
  observe(observer: PrefixObserver): void {
    this.#observer = observer;
  }

  /** The observer, if it saw all bytes. */
  get observer(): PrefixObserver | undefined {
    return this.#observedBytes === this.lengthBytes ? this.#observer : undefined;
  }

  /** Forgets everything: all of it is to come anew. */
  async restart(): Promise<void> {
    this.discard(0, this.lengthBytes);
    await this.#hashing;
    this.#hashedBytes = 0;
    this.#observer = undefined;
    this.#observedBytes = 0;
    await this.bytes.forgetPrefix();
  }

  /** No more of it comes: what is kept beside its bytes is given up. */
  end(): void {
    if (!this.#isProved) void this.bytes.forgetPrefix().catch(() => undefined);
  }

  /** Hashes what the prefix hash has not seen yet and compares. All bytes must be present. */
  async isExact(): Promise<boolean> {
    if (this.#isProved) {
      await this.#observeTo(this.lengthBytes);
      return true;
    }
    while (this.#hashing !== undefined) await this.#hashing;
    // Also if it was there already: what was written since made it begin anew.
    await this.bytes.hashPrefix(this.lengthBytes);
    this.#hashedBytes = this.lengthBytes;
    await this.#observeTo(this.lengthBytes);
    this.#isProved = (await this.bytes.prefixDigest()) === this.content;
    return this.#isProved;
  }

  /** Keeps the prefix hash close behind what is verified, beside everything else. */
  #hashOn(): void {
    const from = this.#hashedBytes;
    const [next] = this.verified.within(from, this.lengthBytes);
    if (this.#hashing !== undefined || next === undefined || next.start > from) return;
    if (next.end - from < PREFIX_STEP_BYTES && next.end < this.lengthBytes) return;
    this.#hashing = this.#hashTo(next.end);
  }

  async #hashTo(end: number): Promise<void> {
    try {
      await this.bytes.hashPrefix(end);
      await this.#observeTo(end);
      this.#hashedBytes = end;
      if (end === this.lengthBytes) await this.#proveByPrefix();
    } catch {
      // How far it came is not known. Begun anew at the end, where a failure counts.
      this.#hashedBytes = 0;
      this.#observer = undefined;
      await this.bytes.forgetPrefix().catch(() => undefined);
      return;
    } finally {
      this.#hashing = undefined;
    }
    this.#hashOn();
  }

  /** Now rather than when its bundle is there: others may have it from then on. */
  async #proveByPrefix(): Promise<void> {
    const isRight = (await this.bytes.prefixDigest()) === this.content;
    // Bytes may have been found wrong, or come anew, meanwhile.
    if (isRight && this.verified.covers(0, this.lengthBytes)) this.#isProved = true;
  }

  /** Reads it once more: hashing happens on another thread. */
  async #observeTo(end: number): Promise<void> {
    while (this.#observer !== undefined && this.#observedBytes < end) {
      const length = Math.min(READ_LENGTH, end - this.#observedBytes);
      this.#observer.update(await this.bytes.read(this.#observedBytes, length));
      this.#observedBytes += length;
    }
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
