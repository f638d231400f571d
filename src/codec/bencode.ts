import { CodecError } from "./errors.ts";

/**
 * A bencoded value (BEP 3). Integers are safe integers; strings are bytes, zero-copy views of the input after decoding;
 * dictionary keys are latin1 byte strings (char code = byte), so that any bytes are a key and sort as BEP 3 wants.
 */
export type BencodeValue = number | Uint8Array | BencodeValue[] | BencodeDictionary;
export type BencodeDictionary = Map<string, BencodeValue>;

export interface BencodeLimits {
  /** Lists and dictionaries inside each other; the outermost counts. */
  readonly maxDepth: number;
  /** Values and keys in all. */
  readonly maxTokens: number;
}

/** libtorrent's caps. */
export const DEFAULT_BENCODE_LIMITS: BencodeLimits = { maxDepth: 100, maxTokens: 3_000_000 };

/** Half-open range of byte positions. */
export interface BencodeSpan {
  readonly start: number;
  readonly end: number;
}

/** What can be encoded: a value, or one whose lists give their items one by one, so that they need not be in memory together. */
export type BencodeSource = number | Uint8Array | Iterable<BencodeSource> | ReadonlyMap<string, BencodeSource>;

/** Canonical bytes: keys in byte order. Values come from our own code, so a wrong one is a bug, not an error. */
export function encodeBencode(value: BencodeSource): Uint8Array {
  const encoder = new Encoder();
  encoder.append(value);
  return encoder.bytes;
}

/**
 * Reads exactly one canonical value: no leading zeros, no -0, keys strictly ascending, nothing after it. Linear in the
 * input and without recursion.
 *
 * @throws CodecError `bad-bencode`
 */
export function decodeBencode(bytes: Uint8Array, limits: BencodeLimits = DEFAULT_BENCODE_LIMITS): BencodeValue {
  const { value, end } = decodeBencodePrefix(bytes, limits);
  if (end !== bytes.length) fail(`expected the end of the input, got ${bytes.length - end} more bytes`, end);
  return value;
}

/**
 * Reads one canonical value at the front and says where it ends (BEP 9 puts raw bytes behind a dictionary).
 *
 * @throws CodecError `bad-bencode`
 */
export function decodeBencodePrefix(
  bytes: Uint8Array,
  limits: BencodeLimits = DEFAULT_BENCODE_LIMITS,
): { readonly value: BencodeValue; readonly end: number } {
  const decoder = new Decoder(bytes, limits);
  const value = decoder.decode();
  return { value, end: decoder.position };
}

/**
 * Where the value of a key of the outermost dictionary lies, or undefined if that key is absent: the exact info
 * dictionary of a .torrent, whose bytes are hashed as they came.
 *
 * @throws CodecError `bad-bencode` also if the outermost value is no dictionary
 */
export function bencodeSpan(bytes: Uint8Array, key: string): BencodeSpan | undefined {
  const decoder = new Decoder(bytes, DEFAULT_BENCODE_LIMITS, key);
  const value = decoder.decode();
  if (decoder.position !== bytes.length) fail("expected the end of the input, got more bytes", decoder.position);
  if (!(value instanceof Map)) fail("expected a dictionary", 0);
  return decoder.span;
}

const INTEGER = 0x69;
const LIST = 0x6c;
const DICTIONARY = 0x64;
const END = 0x65;
const COLON = 0x3a;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;

const NO_BYTE_STRING = /[^\0-\xff]/;
const FIRST_CAPACITY = 256;

/** Writes into one growing buffer: a large dictionary has a million tokens. */
class Encoder {
  #buffer = Buffer.allocUnsafe(FIRST_CAPACITY);
  #length = 0;

  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  append(value: BencodeSource): void {
    if (typeof value === "number") {
      if (!Number.isSafeInteger(value) || Object.is(value, -0)) throw new RangeError(`bencode of the number ${value}`);
      this.#text(`i${value}e`);
    } else if (value instanceof Uint8Array) {
      this.#text(`${value.length}:`);
      this.#raw(value);
    } else if (value instanceof Map) {
      this.#dictionary(value as ReadonlyMap<string, BencodeSource>);
    } else {
      this.#text("l");
      for (const item of value as Iterable<BencodeSource>) this.append(item);
      this.#text("e");
    }
  }

  #dictionary(fields: ReadonlyMap<string, BencodeSource>): void {
    this.#text("d");
    for (const key of [...fields.keys()].sort()) {
      // Above latin1 two different keys would become the same bytes.
      if (NO_BYTE_STRING.test(key)) throw new RangeError(`bencode key ${JSON.stringify(key)} is no byte string`);
      this.#text(`${key.length}:${key}`);
      this.append(fields.get(key)!);
    }
    this.#text("e");
  }

  /** @param text a byte string */
  #text(text: string): void {
    this.#reserve(text.length);
    this.#length += this.#buffer.write(text, this.#length, "latin1");
  }

  #raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #reserve(moreBytes: number): void {
    const wanted = this.#length + moreBytes;
    if (wanted <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(wanted, 2 * this.#buffer.length));
    larger.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = larger;
  }
}

/** A list or dictionary that is being read. `key` waits for its value; `lastKey` guards the order. */
interface Frame {
  readonly container: BencodeValue[] | BencodeDictionary;
  readonly start: number;
  key: string | undefined;
  lastKey: string | undefined;
}

class Decoder {
  position = 0;
  span: BencodeSpan | undefined = undefined;
  readonly #bytes: Buffer;
  readonly #limits: BencodeLimits;
  readonly #wantedKey: string | undefined;
  readonly #frames: Frame[] = [];
  #tokens = 0;

  constructor(bytes: Uint8Array, limits: BencodeLimits, wantedKey?: string) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#limits = limits;
    this.#wantedKey = wantedKey;
  }

  decode(): BencodeValue {
    for (;;) {
      const frame = this.#frames.at(-1);
      const start = this.position;
      const lead = this.#bytes[start];
      if (lead === END) {
        const closed = this.#close(frame);
        if (this.#attach(closed.container, closed.start)) return closed.container;
      } else if (frame?.container instanceof Map && frame.key === undefined) {
        this.#readKey(frame);
      } else if (lead === LIST || lead === DICTIONARY) {
        this.#open(lead === LIST ? [] : new Map<string, BencodeValue>());
      } else {
        this.#countToken();
        const value = lead === INTEGER ? this.#readInteger() : this.#readString();
        if (this.#attach(value, start)) return value;
      }
    }
  }

  #open(container: BencodeValue[] | BencodeDictionary): void {
    this.#countToken();
    if (this.#frames.length >= this.#limits.maxDepth) {
      fail(`expected at most ${this.#limits.maxDepth} levels, got more`, this.position);
    }
    this.#frames.push({ container, start: this.position, key: undefined, lastKey: undefined });
    this.position++;
  }

  #close(frame: Frame | undefined): Frame {
    if (frame === undefined) fail("expected a value, got an end", this.position);
    if (frame.key !== undefined) fail("expected the value of a key, got an end", this.position);
    this.#frames.pop();
    this.position++;
    return frame;
  }

  /** True if `value` was the outermost one. */
  #attach(value: BencodeValue, start: number): boolean {
    const parent = this.#frames.at(-1);
    if (parent === undefined) return true;
    if (Array.isArray(parent.container)) {
      parent.container.push(value);
      return false;
    }
    const key = parent.key!;
    parent.container.set(key, value);
    parent.key = undefined;
    if (this.#frames.length === 1 && key === this.#wantedKey) this.span = { start, end: this.position };
    return false;
  }

  #readKey(frame: Frame): void {
    this.#countToken();
    const start = this.position;
    const key = this.#readString().toString("latin1");
    if (frame.lastKey !== undefined && key <= frame.lastKey) fail("expected ascending keys", start);
    frame.key = key;
    frame.lastKey = key;
  }

  #readString(): Buffer {
    const length = this.#readDigits(COLON);
    const start = this.position;
    if (length > this.#bytes.length - start) {
      fail(`expected ${length} bytes of a string, got ${this.#bytes.length - start}`, start);
    }
    this.position = start + length;
    return this.#bytes.subarray(start, this.position);
  }

  #readInteger(): number {
    this.position++;
    const isNegative = this.#bytes[this.position] === MINUS;
    if (isNegative) this.position++;
    const start = this.position;
    const magnitude = this.#readDigits(END);
    if (isNegative && magnitude === 0) fail("expected an integer, got -0", start);
    return isNegative ? -magnitude : magnitude;
  }

  /** Canonical decimal digits up to `terminator`, which is taken too. */
  #readDigits(terminator: number): number {
    const start = this.position;
    let value = 0;
    let byte = this.#bytes[this.position];
    while (byte !== undefined && byte >= ZERO && byte <= NINE) {
      value = value * 10 + (byte - ZERO);
      if (value > Number.MAX_SAFE_INTEGER) fail("expected a safe integer, got a larger one", start);
      byte = this.#bytes[++this.position];
    }
    const digits = this.position - start;
    if (byte === undefined) fail("expected more bytes", this.position);
    if (digits === 0 || byte !== terminator) fail(`expected a digit, got byte ${byte}`, this.position);
    if (digits > 1 && this.#bytes[start] === ZERO) fail("expected no leading zero", start);
    this.position++;
    return value;
  }

  #countToken(): void {
    if (++this.#tokens > this.#limits.maxTokens) {
      fail(`expected at most ${this.#limits.maxTokens} values, got more`, this.position);
    }
  }
}

function fail(problem: string, position: number): never {
  throw new CodecError("bad-bencode", `bencode: ${problem} (at byte ${position})`);
}
