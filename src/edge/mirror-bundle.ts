import type { Bitfield } from "../core/bitfield.ts";
import type { BundleLayout, PlacedContent } from "../core/bundle-layout.ts";
import { RangeSet } from "../core/byte-range.ts";
import type { ContentId } from "../core/content-id.ts";
import type { BundleRow } from "../manifest/bundle-list.ts";
import type { ContentTable } from "../manifest/content-table.ts";
import { parseInfoDictionary } from "../manifest/torrent.ts";
import { StoreError } from "../store/errors.ts";
import { copyIntoShared, type PieceMemories, type PieceMemory } from "../store/piece-memory.ts";
import { SMALL_FILE_BYTES } from "../store/small-file-batch.ts";
import type { PieceStorage, SwarmBundle } from "../swarm/ports.ts";
import { SyncError } from "./errors.ts";
import type { ArrivedPiece, StagedTransfer } from "./staged-transfer.ts";

/** Reads contents that DEST holds; undefined once the file is no longer what was recorded, "busy" if not now. */
export interface HeldContentReader {
  /** @param memory of that length, where the bytes may be put */
  read(
    content: ContentId,
    offset: number,
    length: number,
    memory?: Uint8Array,
  ): Promise<Uint8Array | "busy" | undefined>;
}

export interface MirrorBundleSources {
  readonly contents: ContentTable;
  /** That of the contents. */
  readonly layout: BundleLayout;
  /** Pieces that are held and verified now. */
  readonly held: Bitfield;
  readonly files: HeldContentReader;
  /** Contents on their way, by content; shared by all bundles of a mirror. */
  readonly transfers: ReadonlyMap<ContentId, StagedTransfer>;
  /** For what comes; shared as well. */
  readonly memories: PieceMemories;
  /** Bencoded info dictionary if this mirror has it. */
  infoDictionary(): Promise<Uint8Array | undefined>;
}

const SHA1_LENGTH = 20;
/** Blocks of pieces up to this size wait in memory for their piece: one write and no read back, instead of one write each. */
const MAX_BUFFERED_PIECE: number = 1024 * 1024;
/** Together at most 256 MiB, and 16 MiB with pieces of 64 KiB. */
const MAX_BUFFERS = 256;
/** A content that comes in one block lies in the smallest of these: with one size, files of 10 kB would keep six times their room, and those of 200 bytes a page each. */
const WHOLE_SLOTS: readonly number[] = [1024, 4 * 1024, 16 * 1024, SMALL_FILE_BYTES];
/** Bytes that are being checked and written, beyond which received blocks wait: so the disk slows the peers down. */
const MAX_CHECKING_BYTES: number = 16 * 1024 * 1024;

/** Whole pieces of all bundles that wait for their hashes in memory. */
const MAX_UNPROVED_BYTES: number = 16 * 1024 * 1024;

/** The received blocks of a piece on its way. */
class PieceBuffer {
  readonly bytes: Uint8Array;
  readonly ranges: RangeSet = new RangeSet();

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  put(offset: number, bytes: Uint8Array): void {
    copyIntoShared(this.bytes, offset, bytes);
    this.ranges.add(offset, offset + bytes.length);
  }
}

/**
 * A bundle as a mirror has it: pieces are read straight from the mirror's own files, or from the staging area while
 * their content is on its way. A piece belongs to one content, so no bundle file exists anywhere.
 */
export class MirrorBundle implements SwarmBundle, PieceStorage {
  readonly number: number;
  readonly infoHash: string;
  readonly layout: BundleLayout;
  readonly held: Bitfield;
  readonly #contents: ContentTable;
  readonly #sources: MirrorBundleSources;
  #pieceHashes: Buffer | undefined;
  #comingHashes: Promise<void> | undefined;
  #isAwaitingHashes = false;
  /** Counts up when a download ends: what waited for its hashes is of no use then. */
  #ended = 0;
  readonly #buffers = new Map<number, PieceBuffer>();
  /** Contents that came in one block, as they came; in memory that serves again. */
  readonly #wholes = new Map<number, Uint8Array>();
  #checkingBytes = 0;
  #waitingForRoom: (() => void)[] = [];

  constructor(row: BundleRow, sources: MirrorBundleSources) {
    this.number = row.number;
    this.infoHash = row.infoHash;
    this.layout = sources.layout;
    this.held = sources.held;
    this.#contents = sources.contents;
    this.#sources = sources;
  }

  get storage(): PieceStorage {
    return this;
  }

  infoDictionary(): Promise<Uint8Array | undefined> {
    return this.#sources.infoDictionary();
  }

  /**
   * Tells the bundle its piece hashes; this or {@link awaitPieceHashes} is needed before a content of several pieces is downloaded.
   * @throws SyncError `wrong-bytes`
   */
  usePieceHashes(infoDictionary: Uint8Array): void {
    const info = parseInfoDictionary(infoDictionary);
    if (
      info.pieceHashes.length !== this.layout.pieceCount * SHA1_LENGTH ||
      info.pieceLength !== this.layout.pieceLength
    ) {
      throw new SyncError("wrong-bytes", `the info dictionary of bundle ${this.number} does not fit its content table`);
    }
    const { buffer, byteOffset, length } = info.pieceHashes;
    this.#pieceHashes = Buffer.from(buffer, byteOffset, length);
  }

  /** The hashes are on their way: pieces that are whole before wait for them, and fail as they fail. */
  awaitPieceHashes(infoDictionary: Promise<Uint8Array>): Promise<void> {
    this.#isAwaitingHashes = true;
    this.#comingHashes = infoDictionary
      .then((bytes) => this.usePieceHashes(bytes))
      .finally(() => {
        this.#isAwaitingHashes = false;
        this.#letGoOn();
      });
    // Told to whoever waits; there may be nobody.
    this.#comingHashes.catch(() => undefined);
    return this.#comingHashes;
  }

  /** Forgets blocks of pieces that an ended download left unfinished. */
  dropUnfinished(): void {
    // No thread has seen them: for that a piece is taken out first.
    for (const { bytes } of this.#buffers.values()) this.#pieceMemory.giveBack(bytes);
    for (const whole of this.#wholes.values()) this.#wholeMemory(whole.length).giveBack(whole);
    this.#buffers.clear();
    this.#wholes.clear();
    this.#ended++;
  }

  get hasPieceHashes(): boolean {
    return this.#pieceHashes !== undefined;
  }

  async readBlock(
    piece: number,
    offset: number,
    length: number,
    memory?: Uint8Array,
  ): Promise<Uint8Array | "busy" | undefined> {
    const { content, start } = this.#place(piece);
    const transfer = this.#sources.transfers.get(content);
    const from = start + offset;
    if (transfer?.verified.covers(from, from + length) === true) {
      try {
        return await transfer.bytes.read(from, length, memory);
      } catch (error) {
        // Placed meanwhile: its file has the bytes now.
        if (!(error instanceof StoreError && error.code === "staged-missing")) throw error;
      }
    }
    return await this.#sources.files.read(content, from, length, memory);
  }

  writeBlock(piece: number, offset: number, bytes: Uint8Array): Promise<void> | undefined {
    if (this.#isWholeSmall(piece, bytes)) {
      const whole = this.#wholes.get(piece) ?? this.#wholeMemory(bytes.length).take(bytes.length);
      copyIntoShared(whole, 0, bytes);
      this.#wholes.set(piece, whole);
      return this.#roomForMore();
    }
    const buffer = this.#buffers.get(piece) ?? this.#createBuffer(piece);
    if (buffer !== undefined) {
      buffer.put(offset, bytes);
      return this.#roomForMore();
    }
    const { content, start } = this.#place(piece);
    return this.#transferOf(content).write(start + offset, Buffer.from(bytes));
  }

  async completePiece(piece: number): Promise<"verified" | "mismatch"> {
    const { content, start, placed } = this.#place(piece);
    const transfer = this.#transferOf(content);
    const lengthBytes = this.layout.dataLengthOfPiece(piece);
    const whole = this.#wholes.get(piece);
    this.#wholes.delete(piece);
    const buffer = this.#takeBuffer(piece);
    const received = whole === undefined ? receivedOf(buffer, start) : [{ offset: start, bytes: whole }];
    // Not that of afterwards: what comes back late must not make memory anew that was let go.
    const pieceMemory = this.#pieceMemory;
    const wholeMemory = whole && this.#wholeMemory(lengthBytes);
    this.#checkingBytes += lengthBytes;
    try {
      if (placed.pieceCount > 1 && !this.hasPieceHashes) await this.#awaitHashes(piece, buffer);
      const expected = this.#expectedHash(piece, placed);
      const isRight = await transfer.takePiece({ start, lengthBytes, received, expected });
      // After an error a thread may still be looking at it.
      if (buffer !== undefined) pieceMemory.giveBack(buffer.bytes);
      if (whole !== undefined) wholeMemory!.giveBack(whole);
      return isRight ? "verified" : "mismatch";
    } finally {
      this.#checkingBytes -= lengthBytes;
      if (this.#checkingBytes <= MAX_CHECKING_BYTES) this.#letGoOn();
    }
  }

  /** @throws SyncError `stopping` if the download ended meanwhile: the piece may have come another way, or is coming */
  async #awaitHashes(piece: number, buffer: PieceBuffer | undefined): Promise<void> {
    const { memories } = this.#sources;
    const pieceMemory = this.#pieceMemory;
    const ended = this.#ended;
    const unprovedBytes = buffer?.bytes.length ?? 0;
    memories.unprovedBytes += unprovedBytes;
    try {
      await this.#comingHashes;
      if (this.#ended === ended) return;
      throw new SyncError("stopping", `piece ${piece} of bundle ${this.number} has no hash, and its download ended`);
    } catch (error) {
      // No thread has seen it.
      if (buffer !== undefined) pieceMemory.giveBack(buffer.bytes);
      throw error;
    } finally {
      memories.unprovedBytes -= unprovedBytes;
    }
  }

  #letGoOn(): void {
    for (const go of this.#waitingForRoom.splice(0)) go();
  }

  /** So the memory of one block is enough: it need not be given away, nor be copied to be whole. */
  #isWholeSmall(piece: number, bytes: Uint8Array): boolean {
    if (bytes.length > SMALL_FILE_BYTES || bytes.length !== this.layout.dataLengthOfPiece(piece)) return false;
    return this.layout.contentOfPiece(piece).pieceCount === 1;
  }

  #roomForMore(): Promise<void> | undefined {
    const isUnprovedFull = this.#isAwaitingHashes && this.#sources.memories.unprovedBytes > MAX_UNPROVED_BYTES;
    if (this.#checkingBytes <= MAX_CHECKING_BYTES && !isUnprovedFull) return undefined;
    return new Promise<void>((go) => this.#waitingForRoom.push(go));
  }

  #createBuffer(piece: number): PieceBuffer | undefined {
    if (this.layout.pieceLength > MAX_BUFFERED_PIECE || this.#buffers.size >= MAX_BUFFERS) return undefined;
    const buffer = new PieceBuffer(this.#pieceMemory.take(this.layout.dataLengthOfPiece(piece)));
    this.#buffers.set(piece, buffer);
    return buffer;
  }

  #takeBuffer(piece: number): PieceBuffer | undefined {
    const buffer = this.#buffers.get(piece);
    this.#buffers.delete(piece);
    return buffer;
  }

  get #pieceMemory(): PieceMemory {
    return this.#sources.memories.of(this.layout.pieceLength);
  }

  /** @param lengthBytes at most {@link SMALL_FILE_BYTES} */
  #wholeMemory(lengthBytes: number): PieceMemory {
    return this.#sources.memories.of(WHOLE_SLOTS.find((slotBytes) => lengthBytes <= slotBytes)!);
  }

  /** A content of one piece is checked by its SHA-256 alone, others by BEP 3's SHA-1 of the piece. */
  #expectedHash(piece: number, placed: PlacedContent): ArrivedPiece["expected"] {
    if (placed.pieceCount === 1) {
      const digest = this.#contents.content(placed.ordinal);
      return { algorithm: "sha256", digest, paddedLength: placed.length };
    }
    const hashes = this.#pieceHashes;
    if (hashes === undefined) throw new Error(`piece ${piece} of bundle ${this.number} came before its hashes`);
    const digest = hashes.toString("hex", piece * SHA1_LENGTH, (piece + 1) * SHA1_LENGTH);
    return { algorithm: "sha1", digest, paddedLength: this.layout.pieceLength };
  }

  #place(piece: number): { readonly content: ContentId; readonly start: number; readonly placed: PlacedContent } {
    const placed = this.layout.contentOfPiece(piece);
    const start = (piece - placed.firstPiece) * this.layout.pieceLength;
    return { content: this.#contents.content(placed.ordinal), start, placed };
  }

  #transferOf(content: ContentId): StagedTransfer {
    const transfer = this.#sources.transfers.get(content);
    if (transfer === undefined) throw new Error(`content ${content} of bundle ${this.number} is not being transferred`);
    return transfer;
  }
}

/** What was held in memory of a piece, at its place in the content, which begins the piece at `start`. */
function receivedOf(buffer: PieceBuffer | undefined, start: number): ArrivedPiece["received"] {
  if (buffer === undefined) return [];
  return Array.from(buffer.ranges, (range) => ({
    offset: start + range.start,
    bytes: buffer.bytes.subarray(range.start, range.end),
  }));
}
