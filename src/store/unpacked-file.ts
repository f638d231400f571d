import type { FileHandle } from "node:fs/promises";
import { CodecError } from "../codec/errors.ts";
import { gunzip, type ReadableBytes } from "../codec/gunzip.ts";
import { openNamelessFile, writeAll } from "./nameless-file.ts";

/** Opens a gzip file; undefined if it is no longer there. */
export type OpenPacked = () => Promise<(ReadableBytes & AsyncDisposable) | undefined>;

/**
 * What a gzip file unpacks to, in a file without a name, filled in the background: it is gone with its last user, however
 * the program ends. Bytes can be read as soon as they are there.
 */
export class UnpackedFile implements AsyncDisposable {
  readonly lengthBytes: number;
  /** Resolves when the unpacking ended, well or not. */
  readonly ended: Promise<void>;
  #handle: FileHandle | undefined;
  #readyBytes = 0;
  #hasEnded = false;
  #isStopped = false;
  #progress = Promise.withResolvers<void>();
  #failure: unknown;

  /**
   * @param lengthBytes what it unpacks to if all is well; anything else counts as damage
   * @param directory on a disk that has room for it
   */
  constructor(lengthBytes: number, directory: string, openPacked: OpenPacked) {
    this.lengthBytes = lengthBytes;
    this.ended = this.#unpack(directory, openPacked).then(
      () => this.#end(),
      (error: unknown) => this.#end(error),
    );
  }

  /** Why it was not unpacked whole; undefined while it is on its way or if all is there. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Bytes [offset, offset + length), as soon as they are there. @throws the {@link failure} if they never will be */
  async read(offset: number, length: number): Promise<Uint8Array> {
    while (this.#readyBytes < offset + length && !this.#hasEnded) await this.#progress.promise;
    const wanted = Math.max(0, Math.min(length, this.lengthBytes - offset));
    if (this.#handle === undefined || this.#readyBytes < offset + wanted) throw this.#failure;
    const bytes = Buffer.allocUnsafe(wanted);
    for (let done = 0; done < wanted;) {
      const { bytesRead } = await this.#handle.read(bytes, done, wanted - done, offset + done);
      if (bytesRead === 0) throw new Error("an unpacked file was cut short");
      done += bytesRead;
    }
    return bytes;
  }

  async #unpack(directory: string, openPacked: OpenPacked): Promise<void> {
    await using packed = await openPacked();
    if (packed === undefined) throw new CodecError("bad-gzip", "the gzip file to unpack is gone");
    this.#handle = await openNamelessFile(directory);
    for await (const bytes of gunzip(packed, this.lengthBytes)) {
      if (this.#isStopped) return;
      await writeAll(this.#handle, bytes, this.#readyBytes);
      this.#readyBytes += bytes.length;
      this.#tell();
    }
    if (this.#readyBytes === this.lengthBytes) return;
    throw new CodecError("bad-gzip", `a gzip file unpacks to ${this.#readyBytes} of ${this.lengthBytes} bytes`);
  }

  #end(failure: unknown = undefined): void {
    this.#failure = failure ?? (this.#readyBytes < this.lengthBytes ? new Error("unpacking was stopped") : undefined);
    this.#hasEnded = true;
    this.#tell();
  }

  #tell(): void {
    const { resolve } = this.#progress;
    this.#progress = Promise.withResolvers<void>();
    resolve();
  }

  /** Stops the unpacking; to be called once, when nobody reads. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    await this.ended;
    await this.#handle?.close();
  }
}
