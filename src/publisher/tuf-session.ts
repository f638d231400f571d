import type { Metadata, Root } from "@tufjs/models";
import type { KeyStore } from "../store/key-store.ts";
import type { TufDirectory } from "../store/tuf-directory.ts";
import { TrustError } from "../trust/errors.ts";
import { roleTrustOf } from "../trust/root-chain.ts";
import type { SigningKey } from "../trust/signing-key.ts";
import {
  type AnyMetadata,
  type ReleaseTarget,
  type RootContent,
  type TufRole,
  ROLE_POLICY,
  buildRoot,
  buildSnapshot,
  buildTargets,
  buildTimestamp,
  expiresMsOf,
  isSignedFor,
  signMetadata,
} from "../trust/tuf-roles.ts";
import { type PublishedState, type TufState, readPublished } from "./tuf-state.ts";

/** Metadata below the root; signing one makes new ones of those after it. */
export type PublishedRole = Exclude<TufRole, "root">;

/**
 * One change of central's metadata, made while its lock is held: keys and state as they are on disk now. Files are
 * written so that nothing refers to them before timestamp.json does; whatever a crash leaves is passed over by the next
 * version number.
 */
export class TufSession {
  readonly directory: TufDirectory;
  readonly keys: KeyStore;
  readonly nowMs: number;
  readonly repositoryId: string;
  #root: Metadata<Root>;
  #published: PublishedState | undefined;
  /** Keys that the next root will name: what they sign as well is good before and after it. */
  readonly #comingKeys = new Map<TufRole, readonly SigningKey[]>();

  constructor(state: TufState, place: { directory: TufDirectory; keys: KeyStore; nowMs: number }) {
    this.directory = place.directory;
    this.keys = place.keys;
    this.nowMs = place.nowMs;
    this.repositoryId = state.repositoryId;
    this.#root = state.root;
    this.#published = state.published;
  }

  get root(): Metadata<Root> {
    return this.#root;
  }

  get published(): PublishedState | undefined {
    return this.#published;
  }

  /** True if enough keys of the role are on this machine. */
  canSign(role: TufRole): boolean {
    return this.#keysHere(role).length >= roleTrustOf(this.#root, role).threshold;
  }

  /** True if the role's metadata on disk is old or does not satisfy the newest root (a crash during a rotation). */
  isDue(role: TufRole): boolean {
    const metadata = this.metadataOf(role);
    if (metadata === undefined) return false;
    const { validMs, renewAfterMs } = ROLE_POLICY[role];
    if (this.nowMs >= expiresMsOf(metadata) - validMs + renewAfterMs) return true;
    return !isSignedFor(this.#root, role, metadata);
  }

  metadataOf(role: TufRole): AnyMetadata | undefined {
    if (role === "root") return this.#root;
    if (role === "timestamp") return this.#published?.timestamp;
    return this.#published?.[role].metadata;
  }

  announceKeys(role: TufRole, keys: readonly SigningKey[]): void {
    this.#comingKeys.set(role, keys);
  }

  /** @throws TrustError `missing-key` */
  async writeRoot(content: Omit<RootContent, "version" | "repository" | "expiresMs">): Promise<void> {
    const signers = this.#signers("root");
    const version = this.#root.signed.version + 1;
    const expiresMs = this.nowMs + ROLE_POLICY.root.validMs;
    const metadata = buildRoot({ ...content, version, repository: this.repositoryId, expiresMs });
    const bytes = signMetadata(metadata, signers);
    if (!isSignedFor(metadata, "root", metadata)) missingKeys("root", roleTrustOf(metadata, "root").threshold);
    await this.directory.writeVersion("root", version, bytes);
    this.#root = metadata;
    this.#comingKeys.clear();
  }

  /** Signs `from` and what depends on it anew; timestamp.json last. @throws TrustError `missing-key` */
  async publish(from: PublishedRole, release?: ReleaseTarget): Promise<void> {
    const signers = {
      targets: from === "targets" ? this.#signers("targets") : [],
      snapshot: from === "timestamp" ? [] : this.#signers("snapshot"),
      timestamp: this.#signers("timestamp"),
    };
    const target = release ?? this.#published!.target;
    const targets = from === "targets" ? await this.#writeTargets(target, signers.targets) : this.#listed("targets");
    const snapshot =
      from === "timestamp" ? this.#listed("snapshot") : await this.#writeSnapshot(targets, signers.snapshot);
    const version = (this.#published?.timestamp.signed.version ?? 0) + 1;
    const timestamp = buildTimestamp(version, this.nowMs, snapshot);
    await this.directory.writeTimestamp(signMetadata(timestamp, signers.timestamp));
    this.#published = await readPublished(this.directory);
  }

  async #writeTargets(target: ReleaseTarget, signers: readonly SigningKey[]): Promise<ListedFile> {
    const version = await this.#nextVersion("targets");
    const metadata = buildTargets(version, this.nowMs + ROLE_POLICY.targets.validMs, target);
    const bytes = signMetadata(metadata, signers);
    await this.directory.writeVersion("targets", version, bytes);
    return { version, bytes };
  }

  async #writeSnapshot(targets: ListedFile, signers: readonly SigningKey[]): Promise<ListedFile> {
    const version = await this.#nextVersion("snapshot");
    const metadata = buildSnapshot(version, this.nowMs + ROLE_POLICY.snapshot.validMs, targets);
    const bytes = signMetadata(metadata, signers);
    await this.directory.writeVersion("snapshot", version, bytes);
    return { version, bytes };
  }

  #listed(role: "targets" | "snapshot"): ListedFile {
    const { metadata, bytes } = this.#published![role];
    return { version: metadata.signed.version, bytes };
  }

  async #nextVersion(role: "targets" | "snapshot"): Promise<number> {
    return ((await this.directory.versions(role)).at(-1) ?? 0) + 1;
  }

  #keysHere(role: TufRole): readonly SigningKey[] {
    return this.keys.among(role, roleTrustOf(this.#root, role).keyIds);
  }

  #signers(role: TufRole): readonly SigningKey[] {
    const keys = this.#keysHere(role);
    const { threshold } = roleTrustOf(this.#root, role);
    if (keys.length < threshold) missingKeys(role, threshold - keys.length);
    return [...new Set([...keys, ...(this.#comingKeys.get(role) ?? [])])];
  }
}

interface ListedFile {
  readonly version: number;
  readonly bytes: Uint8Array;
}

function missingKeys(role: TufRole, count: number): never {
  const keys = `${count} more ${role} key${count === 1 ? "" : "s"}`;
  throw new TrustError(
    "missing-key",
    `expected ${keys} on this machine: copy the file back to where it was exported from`,
  );
}
