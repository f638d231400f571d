import type { Metadata, Root, Snapshot, Targets, Timestamp } from "@tufjs/models";
import { TrustError } from "./errors.ts";
import type { ObservedState } from "./marks.ts";
import { roleTrustOf } from "./root-chain.ts";
import {
  RELEASE_TARGET,
  type ReleaseTarget,
  createdTextOf,
  expiresMsOf,
  parseMetadata,
  repositoryOf,
} from "./tuf-roles.ts";
import { formatUtc, parseUtc } from "./utc-time.ts";

/** One verified file per role. */
export interface TrustedFiles {
  readonly root: Uint8Array;
  readonly timestamp: Uint8Array;
  readonly snapshot: Uint8Array;
  readonly targets: Uint8Array;
}

export interface TrustedSet {
  readonly root: Metadata<Root>;
  readonly timestamp: Metadata<Timestamp>;
  readonly snapshot: Metadata<Snapshot>;
  readonly targets: Metadata<Targets>;
}

/** Cap of release.json (design: 64 KiB). */
export const MAX_RELEASE_BYTES = 65_536;
const SHA256_HEX = /^[0-9a-f]{64}$/;

/** @throws TrustError `malformed` */
export function parseTrustedFiles(files: TrustedFiles): TrustedSet {
  return {
    root: parseMetadata("root", files.root),
    timestamp: parseMetadata("timestamp", files.timestamp),
    snapshot: parseMetadata("snapshot", files.snapshot),
    targets: parseMetadata("targets", files.targets),
  };
}

/**
 * Against one fixed time (TUF 5.1), by the program's clock.
 *
 * @throws TrustError `expired` names the first role that ended
 */
export function checkExpiry(set: TrustedSet, nowMs: number): void {
  for (const role of ["root", "timestamp", "snapshot", "targets"] as const) {
    const expiresMs = expiresMsOf(set[role]);
    if (expiresMs > nowMs) continue;
    throw new TrustError("expired", `${role} metadata ended at ${formatUtc(expiresMs)}, it is ${formatUtc(nowMs)}`);
  }
}

/** @throws TrustError `wrong-repository` */
export function checkRepository(root: Metadata<Root>, repository: string): void {
  const named = repositoryOf(root);
  if (named === repository) return;
  throw new TrustError("wrong-repository", `root metadata: expected ${repository}, got ${JSON.stringify(named)}`);
}

/**
 * Stricter than tuf-js, which takes inherited names, no hash at all and md5: exactly one SHA-256.
 *
 * @throws TrustError `malformed`
 */
export function releaseTargetOf(targets: Metadata<Targets>): ReleaseTarget {
  const listed = targets.signed.targets;
  const target = Object.hasOwn(listed, RELEASE_TARGET) ? listed[RELEASE_TARGET] : undefined;
  if (target === undefined) return fail(`expected a target "${RELEASE_TARGET}"`);
  const names = Object.keys(target.hashes);
  const sha256 = Object.hasOwn(target.hashes, "sha256") ? target.hashes["sha256"] : undefined;
  if (names.length !== 1 || sha256 === undefined || !SHA256_HEX.test(sha256)) {
    return fail(`expected exactly one hash, a SHA-256, got [${names.join(", ")}]`);
  }
  const { length } = target;
  if (!Number.isSafeInteger(length) || length < 1 || length > MAX_RELEASE_BYTES) {
    return fail(`expected a release of 1 to ${MAX_RELEASE_BYTES} bytes, got ${length}`);
  }
  return { sha256, lengthBytes: length };
}

/** What the marks are compared with. */
export function observedState(
  set: TrustedSet,
  repository: { readonly repository: string; readonly rootFingerprint: string },
  release: { readonly number: number; readonly sha256: string },
): ObservedState {
  return {
    repository: repository.repository,
    rootFingerprint: repository.rootFingerprint,
    rootVersion: set.root.signed.version,
    timestamp: {
      ...roleTrustOf(set.root, "timestamp"),
      version: set.timestamp.signed.version,
      createdMs: Math.max(0, parseUtc(createdTextOf(set.timestamp)) ?? 0),
    },
    snapshot: { ...roleTrustOf(set.root, "snapshot"), version: set.snapshot.signed.version },
    targets: {
      ...roleTrustOf(set.root, "targets"),
      version: set.targets.signed.version,
      release: release.number,
      releaseSha256: release.sha256,
    },
  };
}

function fail(problem: string): never {
  throw new TrustError("malformed", `targets metadata: ${problem}`);
}
