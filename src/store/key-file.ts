import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { isSystemError } from "../core/errors.ts";
import { SEED_LENGTH, SigningKey } from "../trust/signing-key.ts";
import { writeFileDurably } from "./durable-file.ts";
import { StoreError } from "./errors.ts";

const KEY_FILE_MODE = 0o600;
const MAX_KEY_FILE_BYTES = 4096;

/** A new key pair from the system's random numbers. */
export function createSigningKey(): SigningKey {
  return SigningKey.fromSeed(randomBytes(SEED_LENGTH));
}

export async function writeKeyFile(path: string, key: SigningKey): Promise<void> {
  await writeFileDurably(path, key.toPem(), { mode: KEY_FILE_MODE });
}

/**
 * Reads a private key, undefined if there is no such file. The file is checked after it was opened, so that nobody can
 * swap it in between.
 *
 * @throws StoreError `state-unsafe` if it is a symlink, no regular file, another user's, or readable by others
 * @throws TrustError `bad-key`
 */
export async function readKeyFile(path: string): Promise<SigningKey | undefined> {
  await using handle = await openKeyFile(path);
  if (handle === undefined) return undefined;
  const { mode, uid, size } = await checkedStat(handle, path);
  const user = process.geteuid!();
  if (user !== 0 && uid !== user && uid !== 0) fail(path, `belongs to user ${uid}, not to ${user}`);
  if ((mode & 0o077) !== 0) fail(path, `can be read by others (mode ${(mode & 0o777).toString(8)}); run chmod 600`);
  if (size > MAX_KEY_FILE_BYTES) fail(path, `has ${size} bytes, too many for a key`);
  return SigningKey.fromPem(await handle.readFile("utf8"));
}

/** Reads the key at `path` or makes one there: the identity of a volunteer. @throws as {@link readKeyFile} */
export async function readOrCreateKeyFile(path: string): Promise<SigningKey> {
  const existing = await readKeyFile(path);
  if (existing !== undefined) return existing;
  const key = createSigningKey();
  await writeKeyFile(path, key);
  return key;
}

async function openKeyFile(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return undefined;
    if (isSystemError(error, "ELOOP")) return fail(path, "is a symlink");
    throw error;
  }
}

async function checkedStat(handle: FileHandle, path: string): Promise<{ mode: number; uid: number; size: number }> {
  const stats = await handle.stat();
  return stats.isFile() ? stats : fail(path, "is no regular file");
}

function fail(path: string, problem: string): never {
  throw new StoreError("state-unsafe", `key file "${path}" ${problem}`);
}
