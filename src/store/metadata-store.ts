import { mkdirSync } from "node:fs";
import { type FileHandle, open, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isSystemError } from "../core/errors.ts";
import { readFileIfExists } from "./durable-file.ts";

const FILE_NAME = /^([0-9a-f]{40})\.(?:pieces|info|held)(?:\.tmp)?$/;

/**
 * `DEST/.prsync/metadata` (0700): what a mirror keeps of metadata bundles, three files each: `INFOHASH.pieces`, sparse,
 * pieces at their places; `INFOHASH.info`, the info dictionary; `INFOHASH.held`, which pieces are there. Nothing of it is
 * flushed: whoever reads it after a start checks it by its hashes, and what is wrong is fetched again.
 */
export class MetadataStore {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** @param ownDirectory DEST/.prsync */
  static open(ownDirectory: string): MetadataStore {
    const directory = join(ownDirectory, "metadata");
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return new MetadataStore(directory);
  }

  /** Bencoded info dictionary as it was kept. */
  async info(infoHash: string): Promise<Uint8Array | undefined> {
    return await readFileIfExists(this.#path(infoHash, "info"));
  }

  async putInfo(infoHash: string, bytes: Uint8Array): Promise<void> {
    await this.#replace(this.#path(infoHash, "info"), bytes);
  }

  /** Bitfield of the pieces that were there when it was last noted. */
  async held(infoHash: string): Promise<Uint8Array | undefined> {
    return await readFileIfExists(this.#path(infoHash, "held"));
  }

  async putHeld(infoHash: string, bytes: Uint8Array): Promise<void> {
    await this.#replace(this.#path(infoHash, "held"), bytes);
  }

  /** The file of pieces, made if it is not there; the caller closes it. */
  async openPieces(infoHash: string): Promise<FileHandle> {
    const path = this.#path(infoHash, "pieces");
    try {
      return await open(path, "r+", 0o600);
    } catch (error) {
      if (!isSystemError(error, "ENOENT")) throw error;
      return await open(path, "w+", 0o600);
    }
  }

  /** Removes everything of bundles that are not among these. */
  async keepOnly(infoHashes: ReadonlySet<string>): Promise<void> {
    for (const name of await readdir(this.#directory)) {
      const infoHash = FILE_NAME.exec(name)?.[1];
      if (infoHash !== undefined && !infoHashes.has(infoHash)) await rm(join(this.#directory, name), { force: true });
    }
  }

  async #replace(path: string, bytes: Uint8Array): Promise<void> {
    await writeFile(`${path}.tmp`, bytes, { mode: 0o600 });
    await rename(`${path}.tmp`, path);
  }

  #path(infoHash: string, part: "pieces" | "info" | "held"): string {
    return join(this.#directory, `${infoHash}.${part}`);
  }
}
