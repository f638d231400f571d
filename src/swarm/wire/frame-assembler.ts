import { uint32, type WireRefusal } from "./frame-rules.ts";

/** 1 + 19 bytes of protocol name, 8 reserved, 20 info hash, 20 peer id (BEP 3). */
export const HANDSHAKE_BYTES = 68;

/** A block of 16 KiB with its head. Longer frames are rare. */
const MAX_KEPT_BYTES: number = 16 * 1024 + 13;
const NO_BYTES: Uint8Array = new Uint8Array();

/** Says no to a frame by its body length, then by length and id. */
export type JudgeLength = (length: number, id: number | undefined) => WireRefusal | undefined;

/**
 * Cuts a byte stream into frames: first the 68 bytes of the handshake, then length-prefixed ones (prefix included).
 * A frame that lies within one chunk is a view of it; one that is spread is copied once, into memory that is taken
 * when its length prefix has been judged. So a peer that sends single bytes costs one frame of memory, not a list.
 * Either way a frame lasts until the next call.
 */
export class FrameAssembler {
  readonly #judgeLength: JudgeLength;
  #input: Uint8Array = NO_BYTES;
  #cursor = 0;
  /** The frame that is being filled; the handshake's length is known from the start. */
  #partial: Uint8Array | undefined = new Uint8Array(HANDSHAKE_BYTES);
  #filled = 0;
  /** Serves one spread frame after the other: blocks come in hundreds a second, and memory of its own for each is dear. */
  #spread: Uint8Array = NO_BYTES;
  /** Prefix and id of a frame cut within its first 5 bytes. */
  readonly #head = new Uint8Array(5);
  #headFilled = 0;

  constructor(judgeLength: JudgeLength) {
    this.#judgeLength = judgeLength;
  }

  /** Bytes given but not yet taken as part of a frame. */
  get waitingBytes(): number {
    return this.#input.length - this.#cursor;
  }

  /** True within a frame. */
  get isMidFrame(): boolean {
    return this.#headFilled > 0 || (this.#partial !== undefined && this.#filled > 0);
  }

  /** What is there of the frame that is being filled. */
  get partialBytes(): Uint8Array {
    return this.#partial?.subarray(0, this.#filled) ?? this.#head.subarray(0, this.#headFilled);
  }

  /** The chunk has to last until {@link detach}. */
  push(chunk: Uint8Array): void {
    // Something is left over only after frames were held back, and then of one chunk.
    const rest = this.#input.subarray(this.#cursor);
    this.#input = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    this.#cursor = 0;
  }

  /** What was pushed may change from now on. */
  detach(): void {
    this.#input = this.waitingBytes === 0 ? NO_BYTES : new Uint8Array(this.#input.subarray(this.#cursor));
    this.#cursor = 0;
  }

  /** The next whole frame, a refusal, or undefined if more bytes are needed. */
  take(): Uint8Array | WireRefusal | undefined {
    if (this.#partial === undefined) {
      const begun = this.#headFilled === 0 && this.waitingBytes >= 5 ? this.#beginHere() : this.#beginSplit();
      if (begun !== undefined || this.#partial === undefined) return begun;
    }
    return this.#fillPartial();
  }

  /** Prefix and id are in the input. */
  #beginHere(): Uint8Array | WireRefusal | undefined {
    const start = this.#cursor;
    const length = uint32(this.#input, start);
    const refused = this.#judge(length, this.#input[start + 4]);
    if (refused !== undefined) return refused;
    const end = start + 4 + length;
    if (end > this.#input.length) {
      this.#partial = this.#memoryFor(4 + length);
      return undefined;
    }
    this.#cursor = end;
    return this.#input.subarray(start, end);
  }

  /** Prefix and id come in more than one chunk. */
  #beginSplit(): Uint8Array | WireRefusal | undefined {
    while (this.#headFilled < 5 && this.#cursor < this.#input.length) {
      this.#head[this.#headFilled++] = this.#input[this.#cursor++]!;
      if (this.#headFilled !== 4) continue;
      const length = uint32(this.#head, 0);
      const refused = this.#judge(length, undefined);
      if (refused !== undefined) return refused;
      if (length === 0) {
        this.#headFilled = 0;
        return new Uint8Array(4);
      }
    }
    if (this.#headFilled < 5) return undefined;
    const length = uint32(this.#head, 0);
    const refused = this.#judge(length, this.#head[4]);
    if (refused !== undefined) return refused;
    this.#partial = this.#memoryFor(4 + length);
    this.#partial.set(this.#head);
    this.#filled = 5;
    this.#headFilled = 0;
    return undefined;
  }

  #memoryFor(lengthBytes: number): Uint8Array {
    if (lengthBytes > MAX_KEPT_BYTES) return new Uint8Array(lengthBytes);
    if (lengthBytes > this.#spread.length) this.#spread = new Uint8Array(lengthBytes);
    return this.#spread.subarray(0, lengthBytes);
  }

  #judge(length: number, id: number | undefined): WireRefusal | undefined {
    return this.#judgeLength(length, length === 0 ? undefined : id);
  }

  #fillPartial(): Uint8Array | undefined {
    const partial = this.#partial!;
    const count = Math.min(partial.length - this.#filled, this.#input.length - this.#cursor);
    partial.set(this.#input.subarray(this.#cursor, this.#cursor + count), this.#filled);
    this.#cursor += count;
    this.#filled += count;
    if (this.#filled < partial.length) return undefined;
    this.#partial = undefined;
    this.#filled = 0;
    return partial;
  }
}
