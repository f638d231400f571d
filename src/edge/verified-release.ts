import { setImmediate } from "node:timers/promises";
import type { RepoPath } from "../core/repo-path.ts";
import type { Selection } from "../filter/selection.ts";
import type { MirrorIndex } from "../store/mirror-index.ts";

/** Files looked up before others get their turn: about ten milliseconds. */
const FILES_PER_TURN = 4_000;
/** While files come and go it begins anew. */
const MOST_TRIES = 3;

/**
 * True if every file of the held release, not only of a selection, is on disk and hashed. Looks up each unless that is known (see
 * {@link VerifiedSince}), 3.6 s of 2.2 million: for the end of a sync, not in between.
 * @throws the signal's reason
 */
export async function isWholeReleaseVerified(
  index: MirrorIndex,
  selection: Selection,
  signal: AbortSignal,
): Promise<boolean> {
  if (!selection.isEverything) return false;
  if (!isKnownVerified(index)) {
    if (!(await areAllVerified(index, signal))) return false;
    noteVerified(index);
  }
  return !index.files.pending().some((path) => index.manifest.entry(path)?.kind === "file");
}

/** As many records as files are not enough: a record may be of a file that the release lacks and that a selection left alone. */
async function areAllVerified(index: MirrorIndex, signal: AbortSignal): Promise<boolean> {
  const { files, manifest, facts } = index;
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    if (files.hasUnverified() || files.count() < manifest.fileCount()) return false;
    const [doubts, release] = [files.doubtCount, facts.get("heldRelease")];
    const isStill = (): boolean => files.doubtCount === doubts && facts.get("heldRelease") === release;
    let step = manifest.verifiedFilesAfter(undefined, FILES_PER_TURN);
    while (step.areVerified && step.end !== undefined && isStill()) {
      await setImmediate();
      signal.throwIfAborted();
      step = manifest.verifiedFilesAfter(step.end, FILES_PER_TURN);
    }
    if (isStill()) return step.areVerified;
  }
  return false;
}

/**
 * A release that was found whole and the next one differ in few paths, and few records went meanwhile: these are looked at in place of
 * millions. Made when a sync begins, before it changes a record.
 */
export class VerifiedSince {
  readonly #index: MirrorIndex;
  readonly #wasVerified: boolean;
  /** Undefined if there are too many. */
  #changed: readonly RepoPath[] | undefined;

  constructor(index: MirrorIndex) {
    this.#index = index;
    this.#wasVerified = isKnownVerified(index);
    index.files.takeRemoved();
  }

  /** Right before the next release, if there is one, becomes the held one. */
  beforeCommit(): void {
    if (!this.#wasVerified) return;
    const { manifest, files } = this.#index;
    const pairs = manifest.next() === undefined ? [] : manifest.fewChanges();
    // A run that was cut off may have put files of another release over those that no change speaks of.
    this.#changed = pairs && [...pairs.map(({ path }) => path), ...files.pending()];
  }

  /** Right after it: notes the held release as whole if it is; else all of it is to be looked at. */
  afterCommit(): void {
    const removed = this.#index.files.takeRemoved();
    if (this.#changed === undefined || removed === undefined || this.#index.files.hasUnverified()) return;
    const isThere = (path: RepoPath): boolean => {
      const entry = this.#index.manifest.entry(path);
      return entry?.kind !== "file" || this.#index.files.get(path)?.content === entry.content;
    };
    if (this.#changed.every(isThere) && [...removed].every(isThere)) noteVerified(this.#index);
  }
}

/** The fact goes with the first record that does, and with the first that is only believed. */
function isKnownVerified({ facts }: MirrorIndex): boolean {
  const release = facts.get("heldRelease");
  return release !== undefined && facts.get("verifiedRelease") === release;
}

function noteVerified({ facts }: MirrorIndex): void {
  const release = facts.get("heldRelease");
  if (release !== undefined) facts.set("verifiedRelease", release);
}
