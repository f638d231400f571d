import { createHash } from "node:crypto";
import { Bitfield } from "../../src/core/bitfield.ts";
import { BundleLayout } from "../../src/core/bundle-layout.ts";
import { RangeSet } from "../../src/core/byte-range.ts";
import { seededRandom } from "../../src/core/clock.ts";
import type { PieceStorage, SwarmBundle, WantedRanges } from "../../src/swarm/ports.ts";

/** A bundle's true bytes, made from a seed. */
export class SampleContent {
  readonly layout: BundleLayout;
  readonly infoDictionary: Uint8Array;
  readonly infoHash: string;
  readonly #pieces: Uint8Array[] = [];

  constructor(lengths: readonly number[], pieceLength: number, seed = 1) {
    this.layout = new BundleLayout(lengths, pieceLength);
    const random = seededRandom(seed);
    for (let piece = 0; piece < this.layout.pieceCount; piece++) {
      const bytes = new Uint8Array(this.layout.dataLengthOfPiece(piece) + 4);
      const words = new Uint32Array(bytes.buffer, 0, bytes.length >> 2);
      for (let i = 0; i < words.length; i++) words[i] = random() * 2 ** 32;
      this.#pieces.push(bytes.subarray(0, bytes.length - 4));
    }
    this.infoDictionary = Buffer.concat(this.#pieces.map((bytes) => sha1(bytes)));
    this.infoHash = Buffer.from(sha1(this.infoDictionary)).toString("hex");
  }

  /** Content bytes of a piece. */
  piece(piece: number): Uint8Array {
    return this.#pieces[piece]!;
  }

  get dataBytes(): number {
    return this.#pieces.reduce((sum, bytes) => sum + bytes.length, 0);
  }

  /** Everything of these pieces. */
  wanted(pieces: Iterable<number>): WantedRanges {
    return new Map([...pieces].map((piece) => [piece, RangeSet.of({ start: 0, end: this.piece(piece).length })]));
  }
}

/** A host's copy: bytes in memory, checked by real SHA-1. */
export class MemoryBundle implements SwarmBundle, PieceStorage {
  readonly number = 1;
  readonly infoHash: string;
  readonly layout: BundleLayout;
  readonly held: Bitfield;
  readonly storage: PieceStorage = this;
  /** Pieces that failed their hash. */
  mismatchCount = 0;
  /** False: the info dictionary is not at hand. */
  hasInfoDictionary = true;
  readonly #content: SampleContent;
  readonly #bytes = new Map<number, Uint8Array>();

  /** @param held pieces that are there from the beginning */
  constructor(content: SampleContent, held: Iterable<number> = []) {
    this.#content = content;
    this.infoHash = content.infoHash;
    this.layout = content.layout;
    this.held = new Bitfield(content.layout.pieceCount);
    for (const piece of held) {
      this.held.set(piece);
      this.#bytes.set(piece, content.piece(piece).slice());
    }
  }

  static seed(content: SampleContent): MemoryBundle {
    return new MemoryBundle(content, Array(content.layout.pieceCount).keys());
  }

  /** Bytes that came from a basis file; right or wrong. */
  putBasis(piece: number, offset: number, bytes: Uint8Array): void {
    this.#piece(piece).set(bytes, offset);
  }

  /** Loses a piece behind the swarm's back. */
  lose(piece: number): void {
    this.#bytes.delete(piece);
  }

  async readBlock(piece: number, offset: number, length: number): Promise<Uint8Array | undefined> {
    const bytes = this.#bytes.get(piece);
    if (bytes === undefined) return undefined;
    if (offset + length > bytes.length)
      throw new RangeError(`read of padding: ${offset} + ${length} of ${bytes.length}`);
    return bytes.subarray(offset, offset + length);
  }

  async writeBlock(piece: number, offset: number, bytes: Uint8Array): Promise<void> {
    this.#piece(piece).set(bytes, offset);
  }

  async completePiece(piece: number): Promise<"verified" | "mismatch"> {
    const expected = Buffer.from(sha1(this.#content.piece(piece)));
    if (expected.equals(sha1(this.#piece(piece)))) return "verified";
    this.mismatchCount++;
    return "mismatch";
  }

  async infoDictionary(): Promise<Uint8Array | undefined> {
    return this.hasInfoDictionary ? this.#content.infoDictionary : undefined;
  }

  /** Held pieces whose bytes are not the true ones; empty if all is well. */
  wrongPieces(): number[] {
    return [...this.held].filter(
      (piece) => !Buffer.from(this.#piece(piece)).equals(Buffer.from(this.#content.piece(piece))),
    );
  }

  #piece(piece: number): Uint8Array {
    let bytes = this.#bytes.get(piece);
    if (bytes === undefined) {
      bytes = new Uint8Array(this.layout.dataLengthOfPiece(piece));
      this.#bytes.set(piece, bytes);
    }
    return bytes;
  }
}

function sha1(bytes: Uint8Array): Uint8Array {
  return createHash("sha1").update(bytes).digest();
}
