import { createHash } from "node:crypto";
import {
  Key,
  MetaFile,
  Metadata,
  MetadataKind,
  Root,
  Signature,
  Snapshot,
  TargetFile,
  Targets,
  Timestamp,
} from "@tufjs/models";
import { messageOf } from "../core/errors.ts";
import { TrustError } from "./errors.ts";
import type { SigningKey } from "./signing-key.ts";
import { formatUtc } from "./utc-time.ts";

/** TUF's four top-level roles, in the order in which trust flows. */
export const TUF_ROLES = ["root", "targets", "snapshot", "timestamp"] as const;
export type TufRole = (typeof TUF_ROLES)[number];

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** How long a role's metadata holds and after which age it is signed anew while its keys are on the machine. */
export interface RolePolicy {
  readonly validMs: number;
  readonly renewAfterMs: number;
}

/** Short where the key is always online (a freeze ends within a day), long where an operator must act. */
export const ROLE_POLICY: Readonly<Record<TufRole, RolePolicy>> = {
  timestamp: { validMs: 24 * HOUR_MS, renewAfterMs: HOUR_MS },
  snapshot: { validMs: 7 * DAY_MS, renewAfterMs: DAY_MS },
  targets: { validMs: 90 * DAY_MS, renewAfterMs: 30 * DAY_MS },
  root: { validMs: 730 * DAY_MS, renewAfterMs: 365 * DAY_MS },
};

/** Before the end of targets or root metadata that nobody renewed, operators are told. */
export const WARN_BEFORE_MS: number = 60 * DAY_MS;

/** Of TUF's specification, as @tufjs/models writes it. */
const SPEC_VERSION = "1.0.31";

/** The only target of the metadata. */
export const RELEASE_TARGET = "release.json";

/** Signed field of root metadata that names the repository. */
const REPOSITORY_FIELD = "repository";
/** Signed field of timestamp metadata: when it was made. */
const CREATED_FIELD = "created";

export interface RoleKeys {
  /** Raw 32-byte public keys. */
  readonly publicKeys: readonly Uint8Array[];
  readonly threshold: number;
}

/** Everything root metadata says. */
export interface RootContent {
  readonly version: number;
  readonly repository: string;
  readonly expiresMs: number;
  readonly roles: Readonly<Record<TufRole, RoleKeys>>;
}

/** A metadata file as another one lists it. */
export interface ListedFile {
  readonly version: number;
  readonly bytes: Uint8Array;
}

/** SHA-256 of the canonical JSON of the key (TUF 4.2), 64 hex digits. */
export function tufKeyIdOf(publicKey: Uint8Array): string {
  const hex = Buffer.from(publicKey).toString("hex");
  return sha256Hex(Buffer.from(`{"keytype":"ed25519","keyval":{"public":"${hex}"},"scheme":"ed25519"}`));
}

export function sha256Hex(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export function buildRoot(content: RootContent): Metadata<Root> {
  const root = new Root({
    specVersion: SPEC_VERSION,
    version: content.version,
    expires: formatUtc(content.expiresMs),
    consistentSnapshot: true,
    unrecognizedFields: { [REPOSITORY_FIELD]: content.repository },
  });
  for (const role of TUF_ROLES) {
    const { publicKeys, threshold } = content.roles[role];
    for (const publicKey of publicKeys) root.addKey(tufKey(publicKey), role);
    const slot = root.roles[role]!;
    if (threshold < 1 || threshold > publicKeys.length) {
      const problem = `role ${role}: expected a threshold of 1 to ${publicKeys.length} keys, got ${threshold}`;
      throw new TrustError("bad-threshold", problem);
    }
    Object.assign(slot, { threshold });
  }
  return new Metadata(root);
}

/** The release as targets metadata lists it. */
export interface ReleaseTarget {
  readonly sha256: string;
  readonly lengthBytes: number;
}

export function buildTargets(version: number, expiresMs: number, release: ReleaseTarget): Metadata<Targets> {
  const targets = new Targets({ specVersion: SPEC_VERSION, version, expires: formatUtc(expiresMs) });
  const hashes = { sha256: release.sha256 };
  targets.addTarget(new TargetFile({ path: RELEASE_TARGET, length: release.lengthBytes, hashes }));
  return new Metadata(targets);
}

export function buildSnapshot(version: number, expiresMs: number, targets: ListedFile): Metadata<Snapshot> {
  const meta = { "targets.json": metaFile(targets) };
  return new Metadata(new Snapshot({ specVersion: SPEC_VERSION, version, expires: formatUtc(expiresMs), meta }));
}

export function buildTimestamp(version: number, createdMs: number, snapshot: ListedFile): Metadata<Timestamp> {
  return new Metadata(
    new Timestamp({
      specVersion: SPEC_VERSION,
      version,
      expires: formatUtc(createdMs + ROLE_POLICY.timestamp.validMs),
      snapshotMeta: metaFile(snapshot),
      unrecognizedFields: { [CREATED_FIELD]: formatUtc(createdMs) },
    }),
  );
}

/** The bytes of the metadata file, signed by each of `signers` over the canonical JSON (TUF 4.2). */
export function signMetadata(metadata: AnyMetadata, signers: readonly SigningKey[]): Uint8Array {
  metadata.signatures = {};
  for (const signer of signers) {
    const keyID = tufKeyIdOf(signer.publicKey);
    metadata.sign((bytes) => new Signature({ keyID, sig: Buffer.from(signer.sign(bytes)).toString("hex") }));
  }
  return Buffer.from(JSON.stringify(metadata.toJSON()));
}

export type AnyMetadata = Metadata<Root> | Metadata<Targets> | Metadata<Snapshot> | Metadata<Timestamp>;

interface MetadataOf {
  readonly root: Metadata<Root>;
  readonly targets: Metadata<Targets>;
  readonly snapshot: Metadata<Snapshot>;
  readonly timestamp: Metadata<Timestamp>;
}

const KINDS = {
  root: MetadataKind.Root,
  targets: MetadataKind.Targets,
  snapshot: MetadataKind.Snapshot,
  timestamp: MetadataKind.Timestamp,
} as const;

/**
 * Reads a metadata file without believing it.
 *
 * @throws TrustError `malformed`
 */
export function parseMetadata<Role extends TufRole>(role: Role, bytes: Uint8Array): MetadataOf[Role] {
  let metadata: AnyMetadata;
  try {
    const json: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
    // fromJSON is overloaded per kind and checks the form itself.
    metadata = Metadata.fromJSON(KINDS[role] as MetadataKind.Root, json as Parameters<typeof Metadata.fromJSON>[1]);
  } catch (error) {
    throw new TrustError("malformed", `${role} metadata: expected TUF's form, got: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const { version } = metadata.signed;
  if (!Number.isSafeInteger(version) || version < 1) {
    throw new TrustError("malformed", `${role} metadata: expected a version of 1 to 2^53 - 1, got ${version}`);
  }
  return metadata as MetadataOf[Role];
}

/** True if `metadata` has the signatures that `root` wants for the role. */
export function isSignedFor(root: Metadata<Root>, role: TufRole, metadata: AnyMetadata): boolean {
  try {
    root.verifyDelegate(role, metadata);
    return true;
  } catch {
    return false;
  }
}

/** Repository id in root metadata, undefined if it names none. */
export function repositoryOf(root: Metadata<Root>): unknown {
  return root.signed.unrecognizedFields[REPOSITORY_FIELD];
}

/** When timestamp metadata was made, as it says itself; undefined if it does not say. */
export function createdTextOf(timestamp: Metadata<Timestamp>): unknown {
  return timestamp.signed.unrecognizedFields[CREATED_FIELD];
}

export function expiresMsOf(metadata: AnyMetadata): number {
  return Date.parse(metadata.signed.expires);
}

function tufKey(publicKey: Uint8Array): Key {
  return new Key({
    keyID: tufKeyIdOf(publicKey),
    keyType: "ed25519",
    scheme: "ed25519",
    keyVal: { public: Buffer.from(publicKey).toString("hex") },
  });
}

function metaFile({ version, bytes }: ListedFile): MetaFile {
  return new MetaFile({ version, length: bytes.length, hashes: { sha256: sha256Hex(bytes) } });
}
