import { lstat, readdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import type { SigningKey } from "../trust/signing-key.ts";
import { TUF_ROLES, type TufRole, tufKeyIdOf } from "../trust/tuf-roles.ts";
import { removeFileDurably } from "./durable-file.ts";
import { StoreError } from "./errors.ts";
import { createSigningKey, readKeyFile, writeKeyFile } from "./key-file.ts";
import { ensurePrivateDirectory } from "./state-directory.ts";

/** "pass" signs the passes of volunteers; it is no TUF role. */
export type KeyRole = TufRole | "pass";
const KEY_ROLES: readonly KeyRole[] = [...TUF_ROLES, "pass"];

/** A private key on this machine. */
export interface StoredKey {
  readonly role: KeyRole;
  /** TUF key id, 64 hex digits. */
  readonly keyId: string;
  readonly key: SigningKey;
  readonly path: string;
}

const KEY_FILE_NAME = /^(root|targets|snapshot|timestamp|pass)-[0-9a-f]{16}\.pem$/;

/**
 * Central's private keys: one PKCS8 file ROLE-KEYID.pem each, 0600 in a directory of 0700. Several keys of one role may
 * lie there; the root metadata says which count.
 */
export class KeyStore {
  readonly directory: string;
  readonly #keys: StoredKey[];

  private constructor(directory: string, keys: StoredKey[]) {
    this.directory = directory;
    this.#keys = keys;
  }

  /**
   * Reads all keys; makes the directory if it is missing. Other files in it are left alone.
   *
   * @throws StoreError `state-unsafe` if others could read or swap a key
   * @throws TrustError `bad-key`
   */
  static async open(directory: string): Promise<KeyStore> {
    ensurePrivateDirectory(directory);
    const { mode } = await lstat(directory);
    if ((mode & 0o077) !== 0) {
      const shownMode = (mode & 0o777).toString(8);
      throw new StoreError(
        "state-unsafe",
        `key directory "${directory}" is open to others (mode ${shownMode}); run chmod 700`,
      );
    }
    const keys: StoredKey[] = [];
    for (const name of (await readdir(directory)).sort()) {
      const role = KEY_FILE_NAME.exec(name)?.[1] as KeyRole | undefined;
      if (role === undefined) continue;
      const path = join(directory, name);
      const key = await readKeyFile(path);
      if (key !== undefined) keys.push({ role, keyId: tufKeyIdOf(key.publicKey), key, path });
    }
    return new KeyStore(directory, keys);
  }

  list(): readonly StoredKey[] {
    return KEY_ROLES.flatMap((role) => this.of(role));
  }

  of(role: KeyRole): readonly StoredKey[] {
    return this.#keys.filter((stored) => stored.role === role);
  }

  /** The keys of `role` that are among `keyIds`. */
  among(role: KeyRole, keyIds: readonly string[]): readonly SigningKey[] {
    return this.of(role).flatMap(({ keyId, key }) => (keyIds.includes(keyId) ? [key] : []));
  }

  /** A new key, durable before it is returned: nothing may be signed with a key that a crash could lose. */
  async create(role: KeyRole): Promise<StoredKey> {
    const stored = await this.#write(this.directory, role, createSigningKey());
    this.#keys.push(stored);
    return stored;
  }

  async remove(stored: StoredKey): Promise<void> {
    await removeFileDurably(stored.path);
    this.#keys.splice(this.#keys.indexOf(stored), 1);
  }

  /**
   * Moves the keys of `roles` to another directory (a stick, to be put away): each is written and read back there before
   * it is removed here.
   *
   * @throws StoreError `state-unsafe` if the copy is not what was written
   */
  async moveTo(directory: string, roles: readonly KeyRole[]): Promise<readonly StoredKey[]> {
    ensurePrivateDirectory(directory);
    if ((await realpath(directory)) === (await realpath(this.directory))) {
      throw new StoreError("state-unsafe", `expected another directory than "${this.directory}" to move keys to`);
    }
    const moved: StoredKey[] = [];
    for (const stored of roles.flatMap((role) => this.of(role))) {
      const copy = await this.#write(directory, stored.role, stored.key);
      const readBack = await readKeyFile(copy.path);
      if (readBack?.publicKeyText !== stored.key.publicKeyText) {
        throw new StoreError("state-unsafe", `key file "${copy.path}" is not what was written; nothing was removed`);
      }
      await this.remove(stored);
      moved.push(copy);
    }
    return moved;
  }

  async #write(directory: string, role: KeyRole, key: SigningKey): Promise<StoredKey> {
    const keyId = tufKeyIdOf(key.publicKey);
    const path = join(directory, `${role}-${keyId.slice(0, 16)}.pem`);
    await writeKeyFile(path, key);
    return { role, keyId, key, path };
  }
}
