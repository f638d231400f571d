import type { FileHandle } from "node:fs/promises";
import { Bitfield } from "../core/bitfield.ts";
import { BundleLayout } from "../core/bundle-layout.ts";
import type { RepoPath } from "../core/repo-path.ts";
import type { MetadataBundleRow } from "../manifest/metadata-bundle.ts";
import { infoHashOf, parseInfoDictionary, type BundleInfo } from "../manifest/torrent.ts";
import type { MetadataStore } from "../store/metadata-store.ts";
import type { PieceStorage, SwarmBundle } from "../swarm/ports.ts";
import { SyncError } from "./errors.ts";
import { pieceHashOf } from "./staged-transfer.ts";

const SHA1_LENGTH = 20;

/** Bytes [start, end) of one file of the bundle. */
export interface MetadataRange {
  readonly ordinal: number;
  readonly start: number;
  readonly end: number;
}

/** A piece and the bytes of its file that it holds. */
export interface MetadataPiece extends MetadataRange {
  readonly piece: number;
}

/** A metadata bundle as a mirror has it: the pieces that it needed, in one sparse file. Only proved pieces are held. */
export class MetadataBundle implements SwarmBundle, PieceStorage, AsyncDisposable {
  readonly number: number;
  readonly infoHash: string;
  readonly layout: BundleLayout;
  readonly held: Bitfield;
  readonly isMetadata = true;
  readonly #info: BundleInfo;
  readonly #infoBytes: Uint8Array;
  readonly #ordinals: ReadonlyMap<RepoPath, number>;
  readonly #store: MetadataStore;
  readonly #pieces: FileHandle;

  private constructor(
    row: MetadataBundleRow,
    infoBytes: Uint8Array,
    disk: { store: MetadataStore; pieces: FileHandle },
  ) {
    this.#info = parseInfoDictionary(infoBytes);
    this.#infoBytes = infoBytes;
    this.#store = disk.store;
    this.#pieces = disk.pieces;
    const { files, pieceLength } = this.#info;
    this.number = row.number;
    this.infoHash = row.infoHash;
    const lengths = files.map(({ lengthBytes }) => lengthBytes);
    this.layout = new BundleLayout(lengths, pieceLength);
    this.held = new Bitfield(this.layout.pieceCount);
    this.#ordinals = new Map(files.map(({ path }, ordinal) => [path, ordinal]));
  }

  /**
   * Takes up what an earlier run kept, as far as its hashes are right.
   * @throws SyncError `wrong-bytes` unless the dictionary is the one that `row` names; ManifestError `bad-torrent`
   */
  static async load(row: MetadataBundleRow, infoBytes: Uint8Array, store: MetadataStore): Promise<MetadataBundle> {
    if (infoHashOf(infoBytes) !== row.infoHash) throw wrongInfo(row, "has another SHA-1");
    const pieces = await store.openPieces(row.infoHash);
    try {
      const bundle = new MetadataBundle(row, infoBytes, { store, pieces });
      const { pieceLength, totalLengthBytes } = bundle.layout;
      const isRight = pieceLength === row.pieceLength && totalLengthBytes === row.lengthBytes;
      if (!isRight) throw wrongInfo(row, "does not fit what the release says of it");
      await bundle.#recall(await store.held(row.infoHash));
      return bundle;
    } catch (error) {
      await pieces.close();
      throw error;
    }
  }

  get storage(): PieceStorage {
    return this;
  }

  async infoDictionary(): Promise<Uint8Array> {
    return this.#infoBytes;
  }

  /** A file by its path in the bundle. */
  find(path: RepoPath): { readonly ordinal: number; readonly lengthBytes: number } | undefined {
    const ordinal = this.#ordinals.get(path);
    return ordinal === undefined ? undefined : { ordinal, lengthBytes: this.layout.content(ordinal).length };
  }

  pathOf(ordinal: number): RepoPath {
    return this.#info.files[ordinal]!.path;
  }

  /** The pieces that hold a range. */
  *piecesOf({ ordinal, start, end }: MetadataRange): Generator<MetadataPiece> {
    const { pieceLength } = this.layout;
    const { firstPiece, length } = this.layout.content(ordinal);
    for (let index = Math.floor(start / pieceLength); index * pieceLength < end; index++) {
      const from = index * pieceLength;
      yield { piece: firstPiece + index, ordinal, start: from, end: Math.min(length, from + pieceLength) };
    }
  }

  /** Undefined unless all of its pieces are held. */
  async read(range: MetadataRange): Promise<Uint8Array | undefined> {
    for (const { piece } of this.piecesOf(range)) if (!this.held.has(piece)) return undefined;
    const { offset } = this.layout.content(range.ordinal);
    return await this.#read(offset + range.start, range.end - range.start);
  }

  async readBlock(piece: number, offset: number, length: number): Promise<Uint8Array | undefined> {
    // The file is sparse: what was never fetched reads as zeros.
    if (!this.held.has(piece)) return undefined;
    return await this.#read(piece * this.layout.pieceLength + offset, length);
  }

  async writeBlock(piece: number, offset: number, received: Uint8Array): Promise<void> {
    const bytes = Buffer.from(received);
    const position = piece * this.layout.pieceLength + offset;
    for (let done = 0; done < bytes.length;) {
      done += (await this.#pieces.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
    }
  }

  async completePiece(piece: number): Promise<"verified" | "mismatch"> {
    const bytes = await this.#read(piece * this.layout.pieceLength, this.layout.dataLengthOfPiece(piece));
    const expected = this.#info.pieceHashes.subarray(piece * SHA1_LENGTH, (piece + 1) * SHA1_LENGTH);
    const isRight = bytes !== undefined && pieceHashOf(bytes, this.layout.pieceLength).equals(expected);
    return isRight ? "verified" : "mismatch";
  }

  /** Notes which pieces are here, for the next run. */
  async saveHeld(): Promise<void> {
    await this.#store.putHeld(this.infoHash, this.held.toBytes());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pieces.close();
  }

  async #recall(saved: Uint8Array | undefined): Promise<void> {
    if (saved?.length !== this.held.toBytes().length) return;
    for (let piece = 0; piece < this.layout.pieceCount; piece++) {
      const wasHeld = (saved[piece >> 3]! & (0x80 >> (piece & 7))) !== 0;
      if (wasHeld && (await this.completePiece(piece)) === "verified") this.held.set(piece);
    }
  }

  async #read(position: number, length: number): Promise<Uint8Array | undefined> {
    const bytes = Buffer.allocUnsafe(length);
    for (let done = 0; done < length;) {
      const { bytesRead } = await this.#pieces.read(bytes, done, length - done, position + done);
      if (bytesRead === 0) return undefined;
      done += bytesRead;
    }
    return bytes;
  }
}

function wrongInfo({ release }: MetadataBundleRow, how: string): SyncError {
  return new SyncError("wrong-bytes", `the info dictionary of the metadata bundle of release ${release} ${how}`);
}
