import * as fs from "node:fs";
import { promisify } from "node:util";
import type { ContentId } from "../core/content-id.ts";
import type { PinnedDescriptor } from "./descriptor-cache.ts";
import { StoreError } from "./errors.ts";

const read = promisify(fs.read);
const write = promisify(fs.write);
const fsync = promisify(fs.fsync);

/** One part: bytes may be written and read at any offset in any order. Holds no descriptor of its own. */
export class StagedContent {
  readonly content: ContentId;
  readonly lengthBytes: number;
  readonly #part: { readonly pin: () => PinnedDescriptor };

  constructor(content: ContentId, lengthBytes: number, part: { readonly pin: () => PinnedDescriptor }) {
    this.content = content;
    this.lengthBytes = lengthBytes;
    this.#part = part;
  }

  /** @throws StoreError `staged-missing` if the part was placed or discarded; system errors of the disk */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#assertInside(offset, bytes.length);
    using part = this.#part.pin();
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await write(part.descriptor, bytes, done, bytes.length - done, offset + done);
      done += bytesWritten;
    }
  }

  /** Exactly `length` bytes; what was never written is zeros. @throws StoreError `staged-missing` */
  async read(offset: number, length: number): Promise<Uint8Array> {
    this.#assertInside(offset, length);
    using part = this.#part.pin();
    const bytes = Buffer.allocUnsafe(length);
    for (let done = 0; done < length;) {
      const { bytesRead } = await read(part.descriptor, bytes, done, length - done, offset + done);
      if (bytesRead === 0) throw new StoreError("staged-missing", `staged part of ${this.content} was cut short`);
      done += bytesRead;
    }
    return bytes;
  }

  async fsync(): Promise<void> {
    using part = this.#part.pin();
    await fsync(part.descriptor);
  }

  #assertInside(offset: number, length: number): void {
    if (offset >= 0 && offset + length <= this.lengthBytes) return;
    throw new RangeError(`bytes ${offset}…${offset + length} of a content of ${this.lengthBytes}`);
  }
}
