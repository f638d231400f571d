import { hash } from "node:crypto";
import { join } from "node:path";
import type { Clock } from "../core/clock.ts";
import { acquireLock, type Lock, type LockHolder } from "../store/lock.ts";
import { IndexedReleases } from "../store/publish-index-release.ts";
import { PublishIndex } from "../store/publish-index.ts";
import type { TufRepository } from "./tuf-repository.ts";

/** The index in step with what is signed. */
export interface RecoveredIndex {
  readonly index: PublishIndex;
  /** Number of the signed release, 0 if there is none. */
  readonly signedRelease: number;
  /** True if the index could not be brought in step and was made anew: all of TREE is read again. */
  readonly wasRebuilt: boolean;
}

/**
 * Brings the index in step with the signed metadata after a publish that was killed: a prepared release that mirrors
 * can see already is applied, one that they can't is forgotten. An index of another repository, or one that lacks the
 * signed release, is made anew.
 */
export async function recoverPublish(
  workDirectory: string,
  repository: TufRepository,
  clock: Clock,
): Promise<RecoveredIndex> {
  const index = PublishIndex.openForWriting(workDirectory);
  const signedRelease = (await repository.releaseNumber()) ?? 0;
  const isOurs = [undefined, repository.repositoryId].includes(index.meta("repository")?.toString());
  if (isOurs && (await isInStep(index, repository, signedRelease))) {
    const releases = new IndexedReleases(index);
    if (index.appliedRelease < signedRelease) releases.apply(signedRelease, clock.wallMs());
    releases.discardPrepared();
    index.setMeta("repository", repository.repositoryId);
    return { index, signedRelease, wasRebuilt: false };
  }
  index[Symbol.dispose]();
  const fresh = PublishIndex.recreate(workDirectory);
  fresh.setMeta("repository", repository.repositoryId);
  fresh.setMeta("unclean", 1);
  return { index: fresh, signedRelease, wasRebuilt: true };
}

/** The lock of whoever changes the index: one publish at a time. */
export async function acquirePublishLock(
  stateDirectory: string,
  command: string,
): Promise<Lock | { readonly heldBy: LockHolder }> {
  return await acquireLock(join(stateDirectory, "publish.lock"), { command });
}

/**
 * For `serve`: applies a release that was signed by a publish that was killed right then, so that customers see what
 * mirrors do. Leaves everything else, such as an index to be made anew, to the next publish; does nothing while one runs.
 * @returns the number of the release that was applied, undefined if there was none to apply
 */
export async function applySignedRelease(
  place: { readonly stateDirectory: string; readonly workDirectory: string },
  repository: TufRepository,
  clock: Clock,
): Promise<number | undefined> {
  if (!(await isBehind(place.workDirectory, repository))) return undefined;
  const lock = await acquirePublishLock(place.stateDirectory, "serve");
  if ("heldBy" in lock) return undefined;
  await using _lock = lock;
  if (!(await isBehind(place.workDirectory, repository))) return undefined;
  const { index, signedRelease } = await recoverPublish(place.workDirectory, repository, clock);
  index[Symbol.dispose]();
  return signedRelease;
}

/** True if the signed release is the one that the index has prepared. */
async function isBehind(workDirectory: string, repository: TufRepository): Promise<boolean> {
  using index = PublishIndex.openForReading(workDirectory);
  if (index?.meta("repository") !== repository.repositoryId) return false;
  const signedRelease = (await repository.releaseNumber()) ?? 0;
  return index.appliedRelease + 1 === signedRelease && (await isInStep(index, repository, signedRelease));
}

/** True if the index shows the signed release or has it prepared. */
async function isInStep(index: PublishIndex, repository: TufRepository, signedRelease: number): Promise<boolean> {
  if (signedRelease === 0) return index.appliedRelease === 0;
  const isNext = index.appliedRelease === signedRelease || index.appliedRelease + 1 === signedRelease;
  const bytes = new IndexedReleases(index).bytes(signedRelease);
  if (!isNext || bytes === undefined) return false;
  return (await repository.tufFile(`targets/${hash("sha256", bytes, "hex")}.release.json`)) !== undefined;
}
