import type { Metadata, Root, Snapshot, Targets, Timestamp } from "@tufjs/models";
import { type Release, parseRelease } from "../manifest/release.ts";
import type { TufDirectory } from "../store/tuf-directory.ts";
import { TrustError } from "../trust/errors.ts";
import { trustedRoots } from "../trust/root-chain.ts";
import { isRepositoryId } from "../trust/ticket.ts";
import { releaseTargetOf } from "../trust/trusted-set.ts";
import { type ReleaseTarget, parseMetadata, repositoryOf } from "../trust/tuf-roles.ts";

/** A metadata file that has its version in its name. */
export interface VersionedFile<Signed extends Snapshot | Targets> {
  readonly metadata: Metadata<Signed>;
  readonly bytes: Uint8Array;
}

/** What timestamp.json leads to. */
export interface PublishedState {
  readonly timestamp: Metadata<Timestamp>;
  readonly snapshot: VersionedFile<Snapshot>;
  readonly targets: VersionedFile<Targets>;
  readonly target: ReleaseTarget;
  readonly release: Release;
}

/** Central's TUF metadata as it lies on disk. */
export interface TufState {
  readonly repositoryId: string;
  readonly firstRoot: Uint8Array;
  readonly root: Metadata<Root>;
  /** Undefined before the first release. */
  readonly published: PublishedState | undefined;
}

/**
 * Undefined if nothing was ever created there.
 *
 * @throws TrustError `damaged-state` if a file that must be there is missing or another
 */
export async function readTufState(directory: TufDirectory): Promise<TufState | undefined> {
  const firstRoot = await directory.readVersion("root", 1);
  if (firstRoot === undefined) return undefined;
  const root = await newestRoot(directory);
  const repositoryId = repositoryOf(root);
  if (!isRepositoryId(repositoryId)) return damaged("a repository id in the root metadata");
  return { repositoryId, firstRoot, root, published: await readPublished(directory) };
}

/** The release that timestamp.json leads to; undefined before the first. @throws TrustError `damaged-state` */
export async function readPublished(directory: TufDirectory): Promise<PublishedState | undefined> {
  const timestampBytes = await directory.read("timestamp.json");
  if (timestampBytes === undefined) return undefined;
  const timestamp = parseMetadata("timestamp", timestampBytes);
  const snapshotBytes = await required(directory, `${timestamp.signed.snapshotMeta.version}.snapshot.json`);
  const snapshot = parseMetadata("snapshot", snapshotBytes);
  const targetsVersion = snapshot.signed.meta["targets.json"]?.version;
  const targetsBytes = await required(directory, `${targetsVersion}.targets.json`);
  const targets = parseMetadata("targets", targetsBytes);
  const target = releaseTargetOf(targets);
  return {
    timestamp,
    snapshot: { metadata: snapshot, bytes: snapshotBytes },
    targets: { metadata: targets, bytes: targetsBytes },
    target,
    release: parseRelease(await required(directory, `targets/${target.sha256}.release.json`)),
  };
}

async function newestRoot(directory: TufDirectory): Promise<Metadata<Root>> {
  const files: Uint8Array[] = [];
  for (const version of await directory.versions("root")) {
    files.push(await required(directory, `${version}.root.json`));
  }
  const chain = trustedRoots(files);
  if (chain.length < files.length) return damaged(`an unbroken chain of ${files.length} roots, got ${chain.length}`);
  return chain.at(-1)!.metadata;
}

async function required(directory: TufDirectory, name: string): Promise<Uint8Array> {
  return (await directory.read(name)) ?? damaged(`the file ${name}`);
}

function damaged(expected: string): never {
  throw new TrustError(
    "damaged-state",
    `TUF metadata of this repository: expected ${expected}; restore it from a backup`,
  );
}
