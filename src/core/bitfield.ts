import { CoreError } from "./errors.ts";

/** Fixed-length set of indices, bit order of BEP 3: index 0 is the highest bit of byte 0, spare bits are zero. */
export class Bitfield {
  readonly length: number;
  readonly #bytes: Uint8Array;
  #count = 0;

  constructor(length: number) {
    this.length = length;
    this.#bytes = new Uint8Array(Math.ceil(length / 8));
  }

  static full(length: number): Bitfield {
    const field = new Bitfield(length);
    field.#bytes.fill(0xff);
    if (length % 8 !== 0) field.#bytes[field.#bytes.length - 1] = (0xff << (8 - (length % 8))) & 0xff;
    field.#count = length;
    return field;
  }

  /** @throws CoreError `bad-layout` if the byte count is wrong or a spare bit is set (BEP 3: drop the connection) */
  static parse(bytes: Uint8Array, length: number): Bitfield {
    const field = new Bitfield(length);
    if (bytes.length !== field.#bytes.length) {
      throw new CoreError(
        "bad-layout",
        `bitfield of ${length} bits needs ${field.#bytes.length} bytes, got ${bytes.length}`,
      );
    }
    if (length % 8 !== 0 && (bytes[bytes.length - 1]! & (0xff >> (length % 8))) !== 0) {
      throw new CoreError("bad-layout", `bitfield of ${length} bits has spare bits set`);
    }
    field.#bytes.set(bytes);
    for (const byte of bytes) field.#count += popCount(byte);
    return field;
  }

  /** How many indices are set. */
  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count === this.length;
  }

  has(index: number): boolean {
    return index >= 0 && index < this.length && (this.#bytes[index >> 3]! & (0x80 >> (index & 7))) !== 0;
  }

  /** Sets an index; true if it was not set before. Out-of-range indices are a bug of the caller. */
  set(index: number): boolean {
    if (index < 0 || index >= this.length) throw new RangeError(`bit ${index} of ${this.length}`);
    const mask = 0x80 >> (index & 7);
    if ((this.#bytes[index >> 3]! & mask) !== 0) return false;
    this.#bytes[index >> 3]! |= mask;
    this.#count++;
    return true;
  }

  clear(index: number): boolean {
    if (!this.has(index)) return false;
    this.#bytes[index >> 3]! &= ~(0x80 >> (index & 7));
    this.#count--;
    return true;
  }

  /** A copy of the bytes as they go over the wire. */
  toBytes(): Uint8Array {
    return this.#bytes.slice();
  }

  *[Symbol.iterator](): Generator<number> {
    for (let index = 0; index < this.length; index++) if (this.has(index)) yield index;
  }
}

function popCount(byte: number): number {
  let count = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) count++;
  return count;
}
