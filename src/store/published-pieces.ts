import type { FileHandle } from "node:fs/promises";
import { decompressZstd } from "../codec/zstd.ts";
import type { BundleRow } from "../manifest/bundle-list.ts";
import { RECORD_BYTES } from "../manifest/content-table.ts";
import type { HashedFiles } from "./publish-objects.ts";

/** Hashes of a content's pieces as its bundle has them (BEP 3). */
export interface IndexedPieces {
  /** Bytes per piece; the last one counts with the zeros behind it (BEP 47). */
  readonly pieceLength: number;
  /** 20 bytes of SHA-1 each. */
  readonly hashes: Uint8Array;
}

/** Where the publisher keeps them. */
export interface PieceFolders {
  /** Content tables. */
  readonly objects: HashedFiles;
  /** Info dictionaries. */
  readonly torrents: HashedFiles;
}

const SHA1_BYTES = 20;
/** What follows the hashes in the info dictionary of a bundle: its keys ascend (BEP 3). */
const AFTER_HASHES = "7:privatei1ee";
/** 4 bytes per content, of which a bundle has 32,768 at most: 8 MiB. A repository of 2 million contents has 70 bundles. */
const MOST_BUNDLES = 64;

/**
 * Hashes of pieces, read where they lie in the info dictionaries of bundles, which may have 10 MB: nothing but a content's own. Where these
 * begin the content table of the bundle tells; to unpack it takes some ten milliseconds, so that is kept for the bundles asked for lately.
 */
export class PublishedPieces {
  readonly #folders: PieceFolders;
  /** By the hash of the content table, least recently used first; undefined if the table is gone. */
  readonly #firstPieces = new Map<string, Promise<Uint32Array | undefined>>();

  constructor(folders: PieceFolders) {
    this.#folders = folders;
  }

  /** Undefined if a file is gone or is not what its name says. */
  async read(bundle: BundleRow, ordinal: number): Promise<IndexedPieces | undefined> {
    const firstPieces = await this.#firstPiecesOf(bundle);
    if (firstPieces === undefined) return undefined;
    const [first, next] = [firstPieces[ordinal]!, firstPieces[ordinal + 1]!];
    await using torrent = await this.#folders.torrents.open(bundle.infoHash);
    if (torrent === undefined) return undefined;
    const end = (await torrent.stat()).size - AFTER_HASHES.length;
    if ((await read(torrent, end, AFTER_HASHES.length))?.toString("latin1") !== AFTER_HASHES) return undefined;
    const { pieceLength } = bundle;
    const start = end - (bundle.lengthBytes / pieceLength) * SHA1_BYTES;
    const hashes = await read(torrent, start + first * SHA1_BYTES, (next - first) * SHA1_BYTES);
    return hashes === undefined ? undefined : { pieceLength, hashes };
  }

  async #firstPiecesOf(bundle: BundleRow): Promise<Uint32Array | undefined> {
    const key = bundle.table.sha256;
    const found = this.#firstPieces.get(key) ?? this.#load(bundle);
    this.#firstPieces.delete(key);
    this.#firstPieces.set(key, found);
    if (this.#firstPieces.size > MOST_BUNDLES) this.#firstPieces.delete(this.#firstPieces.keys().next().value!);
    let firstPieces: Uint32Array | undefined;
    try {
      return (firstPieces = await found);
    } finally {
      if (firstPieces === undefined) this.#firstPieces.delete(key);
    }
  }

  async #load({ table, contentCount, pieceLength }: BundleRow): Promise<Uint32Array | undefined> {
    const frame = await this.#folders.objects.read(table.sha256);
    return frame && firstPiecesIn(decompressZstd(frame, contentCount * RECORD_BYTES), pieceLength);
  }
}

/** Of each content in the table, and behind the last one. */
function firstPiecesIn(table: Uint8Array, pieceLength: number): Uint32Array {
  const buffer = Buffer.from(table.buffer, table.byteOffset, table.byteLength);
  const contentCount = buffer.length / RECORD_BYTES;
  const firstPieces = new Uint32Array(contentCount + 1);
  for (let ordinal = 0; ordinal < contentCount; ordinal++) {
    const at = ordinal * RECORD_BYTES + 32;
    const lengthBytes = buffer.readUInt32BE(at) * 2 ** 32 + buffer.readUInt32BE(at + 4);
    firstPieces[ordinal + 1] = firstPieces[ordinal]! + Math.ceil(lengthBytes / pieceLength);
  }
  return firstPieces;
}

async function read(file: FileHandle, position: number, length: number): Promise<Buffer | undefined> {
  if (position < 0) return undefined;
  const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(length), position });
  return bytesRead === length ? buffer : undefined;
}
