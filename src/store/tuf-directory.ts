import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { ensurePrivateDirectory } from "./state-directory.ts";
import { readFileIfExists, removeFileDurably, writeFileDurably } from "./durable-file.ts";

const FILE_MODE = 0o600;
const VERSIONED_FILE = /^([1-9]\d{0,15})\.(root|targets|snapshot)\.json$/;
const RELEASE_FILE = /^([0-9a-f]{64})\.release\.json$/;
const TEMPORARY_FILE = /\.tmp$/;

/** Roles whose files carry their version in the name (consistent snapshots, TUF 6.2). */
export type VersionedRole = "root" | "targets" | "snapshot";

/**
 * Central's TUF metadata as it is served: N.root.json, N.targets.json, N.snapshot.json, timestamp.json and
 * targets/HEX.release.json. What has a version or hash in its name never changes; a new timestamp.json is the moment of
 * publication.
 */
export class TufDirectory {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Makes the directories. @throws StoreError `state-unsafe` */
  static async open(path: string): Promise<TufDirectory> {
    ensurePrivateDirectory(path);
    ensurePrivateDirectory(join(path, "targets"));
    return new TufDirectory(path);
  }

  /** Any file of the directory by the name under which it is served; undefined for every other name. */
  async read(name: string): Promise<Uint8Array | undefined> {
    const isServed =
      name === "timestamp.json" ||
      VERSIONED_FILE.test(name) ||
      (name.startsWith("targets/") && RELEASE_FILE.test(name.slice("targets/".length)));
    return isServed ? await readFileIfExists(join(this.path, name)) : undefined;
  }

  async readVersion(role: VersionedRole, version: number): Promise<Uint8Array | undefined> {
    return await this.read(`${version}.${role}.json`);
  }

  async writeVersion(role: VersionedRole, version: number, bytes: Uint8Array): Promise<void> {
    await this.#write(`${version}.${role}.json`, bytes);
  }

  async writeTimestamp(bytes: Uint8Array): Promise<void> {
    await this.#write("timestamp.json", bytes);
  }

  async writeRelease(sha256: string, bytes: Uint8Array): Promise<void> {
    await this.#write(`targets/${sha256}.release.json`, bytes);
  }

  /** Versions on disk, ascending; also those that a crash left without a timestamp that leads to them. */
  async versions(role: VersionedRole): Promise<readonly number[]> {
    const versions: number[] = [];
    for (const name of await readdir(this.path)) {
      const match = VERSIONED_FILE.exec(name);
      if (match?.[2] === role) versions.push(Number(match[1]));
    }
    return versions.sort((a, b) => a - b);
  }

  /** SHA-256 of each release kept. */
  async releases(): Promise<readonly string[]> {
    const names = await readdir(join(this.path, "targets"));
    return names.flatMap((name) => RELEASE_FILE.exec(name)?.[1] ?? []);
  }

  async removeVersion(role: VersionedRole, version: number): Promise<void> {
    await removeFileDurably(join(this.path, `${version}.${role}.json`));
  }

  async removeRelease(sha256: string): Promise<void> {
    await removeFileDurably(join(this.path, `targets/${sha256}.release.json`));
  }

  /** Removes what a killed run left half written. */
  async removeTemporaryFiles(): Promise<void> {
    for (const directory of [this.path, join(this.path, "targets")]) {
      for (const name of await readdir(directory)) {
        if (TEMPORARY_FILE.test(name)) await removeFileDurably(join(directory, name));
      }
    }
  }

  async #write(name: string, bytes: Uint8Array): Promise<void> {
    await writeFileDurably(join(this.path, name), bytes, { mode: FILE_MODE });
  }
}
