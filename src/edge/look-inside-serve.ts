import { join } from "node:path";
import type { ReadableBytes } from "../codec/gunzip.ts";
import type { ContentId } from "../core/content-id.ts";
import { messageOf } from "../core/errors.ts";
import { RESERVED_TOP_LEVEL_NAME } from "../core/repo-path.ts";
import type { ConfinedDirectory } from "../store/confined-directory.ts";
import { StoreError } from "../store/errors.ts";
import type { MirrorIndex } from "../store/mirror-index.ts";
import { UnpackedContents } from "../store/unpacked-contents.ts";
import type { HeldContents } from "./held-contents.ts";
import type { HeldContentReader } from "./mirror-bundle.ts";
import type { SyncLog } from "./sync-log.ts";

/** Reads contents that files of DEST have, and those that such files unpack to. */
export class UnpackingReader implements HeldContentReader, AsyncDisposable {
  readonly #held: HeldContents;
  readonly #index: MirrorIndex;
  readonly #log: SyncLog;
  readonly #unpacked: UnpackedContents;

  constructor(parts: {
    readonly held: HeldContents;
    readonly index: MirrorIndex;
    readonly destination: ConfinedDirectory;
    readonly log: SyncLog;
  }) {
    const { held, index, destination, log } = parts;
    this.#held = held;
    this.#index = index;
    this.#log = log;
    this.#unpacked = new UnpackedContents({
      directory: join(destination.rootPath, RESERVED_TOP_LEVEL_NAME),
      find: (inner) => index.recompressions.packedFor(inner),
      open: async (packed) => this.#openHeld(packed),
    });
  }

  async read(
    content: ContentId,
    offset: number,
    length: number,
    memory?: Uint8Array,
  ): Promise<Uint8Array | "busy" | undefined> {
    const held = await this.#held.read(content, offset, length, memory);
    if (held !== undefined) return held;
    try {
      return await this.#unpacked.read(content, offset, length);
    } catch (error) {
      if (error instanceof StoreError && error.code === "unpack-busy") return "busy";
      this.#log.warn({ content, reason: messageOf(error) }, "what is inside a compressed file can't be given");
      return undefined;
    }
  }

  #openHeld(content: ContentId): (ReadableBytes & AsyncDisposable) | undefined {
    const path = this.#index.files.pathsOf(content, { limit: 1 })[0];
    const size = path === undefined ? undefined : this.#index.files.get(path)?.stat.size;
    if (size === undefined) return undefined;
    return {
      lengthBytes: size,
      read: async (offset, length) => {
        const wanted = Math.max(0, Math.min(length, size - offset));
        const bytes = wanted === 0 ? new Uint8Array() : await this.#held.read(content, offset, wanted);
        if (bytes !== undefined) return bytes;
        throw new StoreError("content-changed", `content ${content} is no longer held`);
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#unpacked[Symbol.asyncDispose]();
  }
}
