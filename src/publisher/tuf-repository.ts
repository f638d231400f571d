import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Clock } from "../core/clock.ts";
import { parseRelease } from "../manifest/release.ts";
import { StoreError } from "../store/errors.ts";
import { KeyStore, type StoredKey } from "../store/key-store.ts";
import { type Lock, acquireLock } from "../store/lock.ts";
import { ensurePrivateDirectory } from "../store/state-directory.ts";
import { TufDirectory } from "../store/tuf-directory.ts";
import { TrustError } from "../trust/errors.ts";
import type { SigningKey } from "../trust/signing-key.ts";
import { releaseTargetOf } from "../trust/trusted-set.ts";
import {
  type TufRole,
  ROLE_POLICY,
  TUF_ROLES,
  buildRoot,
  parseMetadata,
  sha256Hex,
  signMetadata,
} from "../trust/tuf-roles.ts";
import { type KeyListing, listKeys, rotateKeys, setThreshold } from "./tuf-keys.ts";
import { type Renewal, renewDueRoles } from "./tuf-renewal.ts";
import { TufSession } from "./tuf-session.ts";
import { type TufState, readTufState } from "./tuf-state.ts";

/** Releases whose signed file stays available (design: three). */
const RELEASES_KEPT = 3;
/** A mirror may be between timestamp and targets while several releases are published. */
const VERSIONS_KEPT = 16;
const LOCK_WAIT_MS = 10_000;
const LOCK_POLL_MS = 50;

/**
 * The signed side of a repository: its id, its keys and its TUF metadata, under STATE/keys and STATE/tuf. Several
 * processes may use one (publish beside serve): every change reads what is on disk, under a lock, and is visible to mirrors
 * at once or not at all, when timestamp.json is renamed into place. A change that was killed is simply made again.
 */
export class TufRepository {
  /** True if this call made the repository. */
  readonly wasCreated: boolean;
  /** 32 hex digits. */
  readonly repositoryId: string;
  /** SHA-256 of 1.root.json, for tickets. */
  readonly rootFingerprint: string;
  /** Signs passes of volunteers. */
  readonly passSigner: SigningKey;
  readonly #stateDirectory: string;
  readonly #directory: TufDirectory;
  readonly #clock: Clock;

  private constructor(place: Place, state: TufState, origin: { passSigner: SigningKey; wasCreated: boolean }) {
    this.#stateDirectory = place.stateDirectory;
    this.#directory = place.directory;
    this.#clock = place.clock;
    this.repositoryId = state.repositoryId;
    this.rootFingerprint = sha256Hex(state.firstRoot);
    this.passSigner = origin.passSigner;
    this.wasCreated = origin.wasCreated;
  }

  /**
   * Opens the repository; on the first use makes its id, a key for each role and 1.root.json.
   *
   * @throws StoreError `state-unsafe`, `state-busy`
   * @throws TrustError `damaged-state`, `bad-key`
   */
  static async openOrCreate(stateDirectory: string, clock: Clock): Promise<TufRepository> {
    ensurePrivateDirectory(stateDirectory);
    await using _lock = await waitForLock(stateDirectory);
    const directory = await TufDirectory.open(join(stateDirectory, "tuf"));
    await directory.removeTemporaryFiles();
    const keys = await KeyStore.open(join(stateDirectory, "keys"));
    const found = await readTufState(directory);
    const passSigner = await firstKey(keys, "pass");
    if (found === undefined) await createRoot(directory, keys, clock.wallMs());
    const state = found ?? (await readTufState(directory))!;
    return new TufRepository({ stateDirectory, directory, clock }, state, {
      passSigner,
      wasCreated: found === undefined,
    });
  }

  /** Public half of {@link passSigner}, base64, as release.json names it. */
  get passKey(): string {
    return this.passSigner.publicKeyText;
  }

  /** STATE/tuf, whose files are served as they are. */
  get tufDirectory(): string {
    return this.#directory.path;
  }

  /** A file of the metadata by the name under which it is served ("timestamp.json", "3.root.json", …). */
  async tufFile(name: string): Promise<Uint8Array | undefined> {
    return await this.#directory.read(name);
  }

  /** Number of the release that mirrors see, undefined before the first. */
  async releaseNumber(): Promise<number | undefined> {
    return (await readTufState(this.#directory))?.published?.release.number;
  }

  /**
   * Publishes a release: afterwards mirrors see it. Everything it names must be in place. Does nothing (false) if it is
   * the current one already.
   *
   * @throws TrustError `wrong-repository`, `rollback` if `number` is not above the current one, `missing-key`
   * @throws ManifestError `bad-release`
   */
  async signRelease(releaseBytes: Uint8Array, number: number): Promise<boolean> {
    return await this.#change(async (session) => {
      const target = { sha256: sha256Hex(releaseBytes), lengthBytes: releaseBytes.length };
      if (session.published?.target.sha256 === target.sha256) return false;
      this.#checkRelease(releaseBytes, number, session.published?.release.number ?? 0);
      await this.#directory.writeRelease(target.sha256, releaseBytes);
      await session.publish("targets", target);
      await this.#prune(session);
      return true;
    });
  }

  /** Signs anew what is old enough. To be called at least hourly while serving. */
  async renewIfDue(nowMs: number = this.#clock.wallMs()): Promise<Renewal> {
    return await this.#change((session) => renewDueRoles(session), nowMs);
  }

  async listKeys(): Promise<readonly KeyListing[]> {
    return await this.#change(async (session) => listKeys(session));
  }

  /** New keys for a role, the old ones are removed. @throws TrustError `missing-key` */
  async rotateKeys(role: TufRole): Promise<readonly StoredKey[]> {
    return await this.#change((session) => rotateKeys(session, role));
  }

  /** @returns the keys made for it; @throws TrustError `bad-threshold`, `missing-key` */
  async setThreshold(role: TufRole, threshold: number): Promise<readonly StoredKey[]> {
    return await this.#change((session) => setThreshold(session, role, threshold));
  }

  /**
   * Takes keys offline: moves them to `directory`. Publishing needs the targets keys, renewing and changing keys the root
   * keys: copy the files back for that.
   */
  async exportKeys(directory: string, roles: readonly TufRole[] = ["root", "targets"]): Promise<readonly StoredKey[]> {
    return await this.#change((session) => session.keys.moveTo(directory, roles));
  }

  #checkRelease(releaseBytes: Uint8Array, number: number, current: number): void {
    const release = parseRelease(releaseBytes);
    if (release.number !== number) throw new RangeError(`expected release ${number}, got ${release.number}`);
    if (release.repository !== this.repositoryId) {
      const problem = `release.json: expected repository ${this.repositoryId}, got ${release.repository}`;
      throw new TrustError("wrong-repository", problem);
    }
    if (number <= current) throw new TrustError("rollback", `expected a release above ${current}, got ${number}`);
  }

  /** Keeps the newest releases that mirrors saw, and the metadata that leads to them. */
  async #prune(session: TufSession): Promise<void> {
    const current = session.published!;
    const kept = new Set<string>();
    let oldestTargets = current.targets.metadata.signed.version;
    for (const version of (await this.#directory.versions("targets")).toReversed()) {
      if (version > oldestTargets || kept.size >= RELEASES_KEPT) continue;
      const bytes = await this.#directory.readVersion("targets", version);
      if (bytes !== undefined) kept.add(releaseTargetOf(parseMetadata("targets", bytes)).sha256);
      oldestTargets = version;
    }
    for (const sha256 of await this.#directory.releases()) {
      if (!kept.has(sha256)) await this.#directory.removeRelease(sha256);
    }
    for (const version of (await this.#directory.versions("targets")).slice(0, -VERSIONS_KEPT)) {
      if (version < oldestTargets) await this.#directory.removeVersion("targets", version);
    }
    for (const version of (await this.#directory.versions("snapshot")).slice(0, -VERSIONS_KEPT)) {
      await this.#directory.removeVersion("snapshot", version);
    }
  }

  async #change<T>(change: (session: TufSession) => Promise<T>, nowMs: number = this.#clock.wallMs()): Promise<T> {
    await using _lock = await waitForLock(this.#stateDirectory);
    const keys = await KeyStore.open(join(this.#stateDirectory, "keys"));
    const state = await readTufState(this.#directory);
    if (state === undefined) throw new TrustError("damaged-state", `expected 1.root.json in ${this.tufDirectory}`);
    return await change(new TufSession(state, { directory: this.#directory, keys, nowMs }));
  }
}

interface Place {
  readonly stateDirectory: string;
  readonly directory: TufDirectory;
  readonly clock: Clock;
}

async function createRoot(directory: TufDirectory, keys: KeyStore, nowMs: number): Promise<void> {
  const roleKeys = async (role: TufRole): Promise<{ publicKeys: Uint8Array[]; threshold: number }> => {
    return { publicKeys: [(await firstKey(keys, role)).publicKey], threshold: 1 };
  };
  const metadata = buildRoot({
    version: 1,
    repository: randomBytes(16).toString("hex"),
    expiresMs: nowMs + ROLE_POLICY.root.validMs,
    roles: {
      root: await roleKeys("root"),
      targets: await roleKeys("targets"),
      snapshot: await roleKeys("snapshot"),
      timestamp: await roleKeys("timestamp"),
    },
  });
  // Written last: until it exists, the next run goes on with the keys that are there.
  await directory.writeVersion("root", 1, signMetadata(metadata, [await firstKey(keys, "root")]));
}

async function firstKey(keys: KeyStore, role: (typeof TUF_ROLES)[number] | "pass"): Promise<SigningKey> {
  return (keys.of(role)[0] ?? (await keys.create(role))).key;
}

/** Changes take milliseconds, so waiting for another process is short. @throws StoreError `state-busy` */
async function waitForLock(stateDirectory: string): Promise<Lock> {
  const path = join(stateDirectory, "tuf.lock");
  const endMs = performance.now() + LOCK_WAIT_MS;
  for (;;) {
    const lock = await acquireLock(path, { command: "tuf" });
    if (!("heldBy" in lock)) return lock;
    if (performance.now() > endMs) {
      throw new StoreError("state-busy", `lock "${path}": expected it within ${LOCK_WAIT_MS} ms, another run holds it`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MS));
  }
}
