import { existsSync, readFileSync } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm, writeFile } from "node:fs/promises";
import { isSystemError } from "../core/errors.ts";
import { DurabilityBatch } from "./durability.ts";
import { readFileIfExists, syncDirectory } from "./durable-file.ts";

/**
 * Files of the work directory that are named by a hash, `FOLDER/ab/HEX`: zstd frames of manifest chunks and the like in
 * `objects` (SHA-256 of the plain bytes), info dictionaries in `torrents` (info hash), other files of metadata bundles in
 * `metadata` (SHA-256). A file under its name may be
 * damaged by a power cut until {@link flush} returned; the caller believes only names it recorded after that.
 */
export class HashedFiles {
  readonly #folder: string;
  readonly #batch: DurabilityBatch;
  readonly #parents = new Set<string>();

  constructor(workDirectory: string, folder: "objects" | "torrents" | "metadata") {
    this.#folder = `${workDirectory}/${folder}`;
    this.#batch = new DurabilityBatch(workDirectory);
  }

  #pathOf(name: string): string {
    return `${this.#folder}/${name.slice(0, 2)}/${name}`;
  }

  has(name: string): boolean {
    return existsSync(this.#pathOf(name));
  }

  /** @param name lower-case hex digits */
  async write(name: string, bytes: Uint8Array): Promise<void> {
    const path = this.#pathOf(name);
    const parent = path.slice(0, path.lastIndexOf("/"));
    if (!this.#parents.has(parent)) await this.#makeParent(parent);
    await writeFile(`${path}.tmp`, bytes, { mode: 0o600 });
    await rename(`${path}.tmp`, path);
    this.#batch.add(() => syncFile(path));
  }

  /**
   * A file that comes in parts and whose name is known at its end.
   * @param nameOf called after the last part; undefined to throw away what came
   */
  async writeParts(parts: AsyncIterable<Uint8Array>, nameOf: () => string | undefined): Promise<void> {
    const temporary = `${this.#folder}/new/parts`;
    await this.#makeParent(`${this.#folder}/new`);
    await writeFile(temporary, parts, { mode: 0o600 });
    const name = nameOf();
    if (name === undefined) return rm(temporary);
    const path = this.#pathOf(name);
    await this.#makeParent(path.slice(0, path.lastIndexOf("/")));
    await rename(temporary, path);
    this.#batch.add(() => syncFile(path));
  }

  /** Undefined if there is no such file; the caller closes it. */
  async open(name: string): Promise<FileHandle | undefined> {
    try {
      return isHash(name) ? await open(this.#pathOf(name), "r") : undefined;
    } catch (error) {
      if (isSystemError(error, "ENOENT")) return undefined;
      throw error;
    }
  }

  async #makeParent(parent: string): Promise<void> {
    await mkdir(parent, { recursive: true, mode: 0o700 });
    this.#parents.add(parent);
  }

  /** Makes everything written so far durable, names included. */
  async flush(): Promise<void> {
    for (const parent of this.#parents) this.#batch.add(() => syncDirectory(parent));
    if (this.#parents.size > 0) this.#batch.add(() => syncDirectory(this.#folder));
    this.#parents.clear();
    await this.#batch.flush();
  }

  /** Undefined if there is none, or if `name` is no hash. */
  async read(name: string): Promise<Uint8Array | undefined> {
    return isHash(name) ? readFileIfExists(this.#pathOf(name)) : undefined;
  }

  /** {@link read} where one small file after the other is needed and nobody waits. */
  readSync(name: string): Uint8Array | undefined {
    try {
      return readFileSync(this.#pathOf(name));
    } catch (error) {
      if (isSystemError(error, "ENOENT")) return undefined;
      throw error;
    }
  }

  async remove(name: string): Promise<void> {
    await rm(this.#pathOf(name), { force: true });
  }

  /** Removes every file that `isKnown` does not know: left by a publish that was killed. */
  async sweep(isKnown: (name: string) => boolean): Promise<void> {
    for (const part of await namesIn(this.#folder)) {
      for (const name of await namesIn(`${this.#folder}/${part}`)) {
        if (!isHash(name) || !isKnown(name)) await rm(`${this.#folder}/${part}/${name}`, { force: true });
      }
    }
  }
}

function isHash(name: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(name);
}

async function namesIn(directory: string): Promise<string[]> {
  return existsSync(directory) ? readdir(directory) : [];
}

async function syncFile(path: string): Promise<void> {
  await using handle = await open(path, "r");
  await handle.sync();
}
