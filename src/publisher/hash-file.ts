import { createHash, hash } from "node:crypto";
import { closeSync, fstatSync, readSync } from "node:fs";
import { MAX_PIECE_LENGTH } from "../core/bundle-layout.ts";
import { contentIdOf, type ContentId } from "../core/content-id.ts";
import { isSystemError, messageOf } from "../core/errors.ts";
import type { RepoPath } from "../core/repo-path.ts";
import type { ConfinedDirectory } from "../store/confined-directory.ts";
import { blockCountOf, blockLengthFor, isSigned, type DeltaSize } from "../delta/block-length.ts";
import { SignatureBuilder } from "../delta/signature-builder.ts";
import { SketchBuilder } from "../delta/sketch-builder.ts";
import { encodeSketch, isSketched } from "../delta/sketch.ts";
import { SIGNATURE_CAPS } from "../delta/signature.ts";
import type { StrongSum } from "../delta/strong-sum.ts";
import { StoreError } from "../store/errors.ts";
import { fingerprintOf, inodeStatOf, type InodeStat } from "../store/publish-index-stat.ts";

/** How contents are cut: piece length in bytes ("swarm size"), block length of signatures in bytes or √size. */
export interface HashSettings {
  readonly pieceLength: number;
  readonly deltaSize: DeltaSize;
}

/** What a thread hashes with. */
export interface HashTools {
  readonly settings: HashSettings;
  readonly strongSum: StrongSum;
}

/** A file whose bytes were read while it provably stood still: the stat before and after is the same. */
export interface HashedFile {
  readonly outcome: "hashed";
  readonly content: ContentId;
  readonly stats: InodeStat;
  /** SHA-1 of each piece, 20 bytes each; the last piece padded with zeros (BEP 47). Empty for an empty file. */
  readonly pieces: Uint8Array;
  /** Encoded block signature, for contents that get one. */
  readonly signature: Uint8Array | undefined;
  /** Encoded similarity sketch, for contents that get one. */
  readonly sketch: Uint8Array | undefined;
}

/**
 * What came of reading one file. `changed`: it was written to while it was read; `vanished`: no longer there or no
 * longer a regular file; `unreadable`: the system refused, `reason` says how.
 */
export type HashOutcome =
  | HashedFile
  | { readonly outcome: "changed" | "vanished" }
  | { readonly outcome: "unreadable"; readonly reason: string };

/**
 * A file is read only if its ctime is older than this, so that any write during or after the reading gives another
 * ctime and mtime: the kernel's file clock ticks every 1 to 10 ms.
 */
const CLOCK_TICK_MS = 20;
const READ_BYTES = 1024 * 1024;

/**
 * Reads the file at `path` once and computes all that is published about it. No symlink is followed, nothing blocks on
 * a FIFO (F09).
 */
export function hashFileBelow(root: ConfinedDirectory, path: RepoPath, tools: HashTools): HashOutcome {
  let descriptor: number | undefined;
  try {
    descriptor = root.openForReadingSync(path);
    return hashDescriptor(descriptor, tools);
  } catch (error) {
    return outcomeOfError(error);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function outcomeOfError(error: unknown): HashOutcome {
  if (error instanceof StoreError && error.code === "not-a-file") return { outcome: "vanished" };
  if (isSystemError(error, "ENOENT", "ELOOP", "ENOTDIR", "ENXIO")) return { outcome: "vanished" };
  // Out of descriptors or memory: that is about this process, not about this file.
  if (isSystemError(error, "EMFILE", "ENFILE", "ENOMEM")) throw error;
  const isAboutFile = error instanceof StoreError || (error instanceof Error && "syscall" in error);
  if (isAboutFile) return { outcome: "unreadable", reason: messageOf(error) };
  throw error;
}

function hashDescriptor(descriptor: number, tools: HashTools): HashOutcome {
  if (isFresh(fstatSync(descriptor, { bigint: true }))) sleep(CLOCK_TICK_MS);
  const before = fstatSync(descriptor, { bigint: true });
  if (isFresh(before)) return { outcome: "changed" };
  const digests = new FileDigests(Number(before.size), tools);
  if (!readAll(descriptor, Number(before.size), digests)) return { outcome: "changed" };
  const after = fstatSync(descriptor, { bigint: true });
  if (fingerprintOf(before) !== fingerprintOf(after)) return { outcome: "changed" };
  return { outcome: "hashed", stats: inodeStatOf(after), ...digests.finish() };
}

/** Feeds exactly `size` bytes in whole pieces; false if the file is shorter by now. */
function readAll(descriptor: number, size: number, digests: FileDigests): boolean {
  const buffer = readBuffer(Math.max(READ_BYTES, digests.pieceLength));
  for (let offset = 0; offset < size;) {
    const wanted = Math.min(buffer.length, size - offset);
    let filled = 0;
    while (filled < wanted) {
      const got = readSync(descriptor, buffer, filled, wanted - filled, offset + filled);
      if (got === 0) return false;
      filled += got;
    }
    digests.update(buffer.subarray(0, wanted));
    offset += wanted;
  }
  return true;
}

let sharedBuffer: Buffer = Buffer.alloc(0);

/** One buffer per thread: hashing is synchronous, so no two files need it at once. */
function readBuffer(length: number): Buffer {
  if (sharedBuffer.length !== length) sharedBuffer = Buffer.allocUnsafeSlow(length);
  return sharedBuffer;
}

/** A ctime far in the future comes from a clock that was set back: what is written now differs from it anyway. */
function isFresh(stats: InodeStat): boolean {
  return Math.abs(Date.now() - Number(stats.ctimeNs) / 1e6) < CLOCK_TICK_MS;
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** SHA-256, SHA-1 per piece, block signature and sketch of one content in one pass. */
export class FileDigests {
  readonly pieceLength: number;
  readonly #pieces: Uint8Array;
  readonly #whole = createHash("sha256");
  readonly #signature: SignatureBuilder | undefined;
  readonly #sketch: SketchBuilder | undefined;
  #piece = 0;

  constructor(size: number, { settings, strongSum }: HashTools) {
    this.pieceLength = settings.pieceLength;
    this.#pieces = new Uint8Array(20 * Math.ceil(size / settings.pieceLength));
    const blockLength = blockLengthFor(size, settings.deltaSize);
    // Readers refuse a signature of more blocks: a huge content with a small explicit delta size goes without.
    const isReadable = blockCountOf(size, blockLength) <= SIGNATURE_CAPS.maxBlockCount;
    if (isSketched(size)) this.#sketch = new SketchBuilder(strongSum);
    if (isSigned(size) && isReadable) this.#signature = new SignatureBuilder(size, strongSum, { blockLength });
  }

  /** @param bytes a whole number of pieces, except at the end of the content */
  update(bytes: Uint8Array): void {
    this.#whole.update(bytes);
    this.#signature?.update(bytes);
    this.#sketch?.update(bytes);
    for (let start = 0; start < bytes.length; start += this.pieceLength) {
      const piece = bytes.subarray(start, start + this.pieceLength);
      this.#pieces.set(sha1Padded(piece, this.pieceLength), 20 * this.#piece++);
    }
  }

  finish(): Pick<HashedFile, "content" | "pieces" | "signature" | "sketch"> {
    return {
      content: contentIdOf(this.#whole.digest()),
      pieces: this.#pieces,
      signature: this.#signature?.digest(),
      sketch: this.#sketch && encodeSketch(this.#sketch.digest()),
    };
  }
}

const ZEROS = Buffer.alloc(MAX_PIECE_LENGTH);

/** SHA-1 of a piece with zeros up to the piece length (BEP 47). */
export function sha1Padded(piece: Uint8Array, pieceLength: number): Buffer {
  if (piece.length === pieceLength) return hash("sha1", piece, "buffer");
  return createHash("sha1")
    .update(piece)
    .update(ZEROS.subarray(0, pieceLength - piece.length))
    .digest();
}
