import { createHash, hash, type Hash } from "node:crypto";
import * as fs from "node:fs";
import { isSystemError } from "../core/errors.ts";
import { utimesSeconds } from "./file-times.ts";
import { writeSparseSync } from "./sparse-write.ts";

/** How the bytes of a piece prove themselves. */
export interface ExpectedHash {
  /** SHA-1 for a piece of BEP 3, SHA-256 for a content of one piece. */
  readonly algorithm: "sha1" | "sha256";
  /** In hex. */
  readonly digest: string;
  /** Zeros count as far as this (BEP 47). */
  readonly paddedLength: number;
}

/** Received bytes, offset within the part. */
export interface ReceivedBytes {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** What a whole small content gets with its bytes, so that nobody need open it again. */
export interface PartAttributes {
  /** Permission bits. */
  readonly mode: number;
  readonly mtimeNs: bigint;
}

/** What is done with staged bytes away from the event loop; descriptors and `/proc/self/fd/…` are those of the process. */
export type StagingTask =
  /** A whole small content: checked, then written as a new file. */
  | {
      readonly kind: "whole";
      readonly path: string;
      readonly bytes: Uint8Array;
      readonly expected: ExpectedHash;
      /** Blocks of zeros stay holes. */
      readonly isSparse: boolean;
      /** Set at the end. */
      readonly attributes?: PartAttributes | undefined;
    }
  /** A piece: what was received is written, all of it is checked, read back where this host had parts of it. */
  | {
      readonly kind: "piece";
      readonly descriptor: number;
      readonly start: number;
      readonly lengthBytes: number;
      readonly received: readonly ReceivedBytes[];
      readonly expected: ExpectedHash;
      readonly isSparse: boolean;
      /** Of the growing SHA-256 of its part, if it comes next in it and that grows on the same thread. */
      readonly key?: number | undefined;
    }
  /** Goes on with the SHA-256 of a part's beginning, which is kept under `key`, up to `to`. */
  | {
      readonly kind: "prefix";
      readonly key: number;
      readonly descriptor: number;
      readonly to: number;
    }
  /** Tells the SHA-256 of what "prefix" has seen, in hex. */
  | { readonly kind: "digest"; readonly key: number }
  | { readonly kind: "forget"; readonly key: number };

/** Whether the hash was right, a digest in hex, or nothing; {@link BARE} for a right content. */
export type StagingTaskResult = boolean | string | undefined;
/** The bytes are there; their attributes could not be set. Who places them tries again and tells. */
export const BARE = "bare";

const CREATE = fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_NOFOLLOW;
const READ_LENGTH = 256 * 1024;

/** The SHA-256 of the first bytes of a part. */
interface Prefix {
  readonly hash: Hash;
  lengthBytes: number;
}

/** Does the tasks of one thread, one after the other. All calls are synchronous: the thread has nothing else to do. */
export class StagingTaskRunner {
  readonly #prefixes = new Map<number, Prefix>();
  readonly #buffer = Buffer.allocUnsafeSlow(READ_LENGTH);

  /** @throws system errors of the disk */
  run(task: StagingTask): StagingTaskResult {
    switch (task.kind) {
      case "whole":
        return isRight(task.bytes, task.expected) && createFile(task);
      case "piece":
        return this.#runPiece(task);
      case "prefix":
        return this.#advance(task);
      case "digest":
        return this.#prefix(task.key).hash.copy().digest("hex");
      case "forget":
        this.forget(task.key);
        return undefined;
    }
  }

  /**
   * Whether a piece is right; then it goes into the SHA-256 of its part, if that has come so far, while it is in the processor's cache.
   * @param place `start` in the part
   */
  takePiece(
    bytes: Uint8Array,
    expected: ExpectedHash,
    { key, start }: { readonly key: number | undefined; readonly start: number },
  ): boolean {
    if (!isRight(bytes, expected)) return false;
    if (key === undefined) return true;
    const prefix = this.#prefix(key);
    if (prefix.lengthBytes !== start) return true;
    prefix.hash.update(bytes);
    prefix.lengthBytes += bytes.length;
    return true;
  }

  #runPiece(task: Extract<StagingTask, { kind: "piece" }>): boolean {
    const { descriptor, start, lengthBytes, received, expected, isSparse, key } = task;
    const write = isSparse ? writeSparseSync : writeExactly;
    const [first] = received;
    // Wrong bytes of a peer do not even get to the disk.
    if (first?.bytes.length === lengthBytes) {
      if (!this.takePiece(first.bytes, expected, { key, start })) return false;
      try {
        write(descriptor, first.bytes, first.offset);
      } catch (error) {
        if (key !== undefined) this.forget(key);
        throw error;
      }
      return true;
    }
    for (const { offset, bytes } of received) write(descriptor, bytes, offset);
    const whole = Buffer.allocUnsafe(lengthBytes);
    readExactly(descriptor, whole, start);
    return isRight(whole, expected);
  }

  forget(key: number): void {
    this.#prefixes.delete(key);
  }

  #prefix(key: number): Prefix {
    let prefix = this.#prefixes.get(key);
    if (prefix === undefined) this.#prefixes.set(key, (prefix = { hash: createHash("sha256"), lengthBytes: 0 }));
    return prefix;
  }

  /** From where it stands, whatever the caller thinks: pieces may have brought it further, a failed write back to the beginning. */
  #advance({ key, descriptor, to }: Extract<StagingTask, { kind: "prefix" }>): undefined {
    const prefix = this.#prefix(key);
    while (prefix.lengthBytes < to) {
      const bytes = this.#buffer.subarray(0, Math.min(READ_LENGTH, to - prefix.lengthBytes));
      readExactly(descriptor, bytes, prefix.lengthBytes);
      prefix.hash.update(bytes);
      prefix.lengthBytes += bytes.length;
    }
  }
}

function isRight(bytes: Uint8Array, { algorithm, digest, paddedLength }: ExpectedHash): boolean {
  if (bytes.length === paddedLength) return hash(algorithm, bytes, "hex") === digest;
  const padding = Buffer.alloc(paddedLength - bytes.length);
  return createHash(algorithm).update(bytes).update(padding).digest("hex") === digest;
}

/** An interrupted run may have left a file of that name. */
function createFile({
  path,
  bytes,
  isSparse,
  attributes,
}: Extract<StagingTask, { kind: "whole" }>): true | typeof BARE {
  const descriptor = openAnew(path);
  try {
    if (isSparse) fs.ftruncateSync(descriptor, bytes.length);
    (isSparse ? writeSparseSync : writeExactly)(descriptor, bytes, 0);
    return attributes === undefined || setAttributes(descriptor, attributes) ? true : BARE;
  } finally {
    fs.closeSync(descriptor);
  }
}

function setAttributes(descriptor: number, { mode, mtimeNs }: PartAttributes): boolean {
  try {
    fs.fchmodSync(descriptor, mode);
    fs.futimesSync(descriptor, Date.now() / 1000, utimesSeconds(mtimeNs));
    return true;
  } catch {
    return false;
  }
}

function openAnew(path: string): number {
  try {
    return fs.openSync(path, CREATE, 0o600);
  } catch (error) {
    if (!isSystemError(error, "EEXIST")) throw error;
    fs.unlinkSync(path);
    return fs.openSync(path, CREATE, 0o600);
  }
}

export function writeExactly(descriptor: number, bytes: Uint8Array, offset: number): void {
  for (let done = 0; done < bytes.length;) {
    done += fs.writeSync(descriptor, bytes, done, bytes.length - done, offset + done);
  }
}

function readExactly(descriptor: number, bytes: Uint8Array, offset: number): void {
  for (let done = 0; done < bytes.length;) {
    const count = fs.readSync(descriptor, bytes, done, bytes.length - done, offset + done);
    if (count === 0) throw new Error(`a staged part was cut short at byte ${offset + done}`);
    done += count;
  }
}
