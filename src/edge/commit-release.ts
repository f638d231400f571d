import { isSystemError, messageOf } from "../core/errors.ts";
import type { RepoPath } from "../core/repo-path.ts";
import type { Release } from "../manifest/release.ts";
import { type AttributeRules, heldMode } from "../plan/held-attributes.ts";
import type { MirrorIndex } from "../store/mirror-index.ts";
import type { IndexFacts } from "../store/mirror-index-facts.ts";
import type { Mirror } from "./mirror.ts";
import { isWholeReleaseVerified, type VerifiedSince } from "./verified-release.ts";

/** What becomes known of whole looks at DEST. */
export type WalkedAt = Partial<Pick<IndexFacts, "lastWholeWalkMs" | "lastCleanWalkMs">>;

/**
 * The release number changes in one durable transaction with the manifest. Paths that failed, or whose removal was too
 * much, stay noted: the next run looks at them again.
 */
export async function commitRelease(
  mirror: Mirror,
  done: {
    readonly release: Release;
    readonly walked: WalkedAt;
    readonly noted: readonly RepoPath[];
    readonly isComplete: boolean;
    readonly verified: VerifiedSince;
  },
): Promise<void> {
  const { index, staging, catalog, swarm, holdings } = mirror;
  setRootAttributes(mirror, done.release);
  const settle = (): void => {
    index.files.clearPending();
    index.files.addPending([...done.noted, ...index.files.takeChanged()]);
    rememberWalked(index, done.walked);
  };
  done.verified.beforeCommit();
  if (index.manifest.next() !== undefined) await index.commitRelease(settle);
  else if (done.walked.lastCleanWalkMs === 0) index.durably(settle);
  else index.transaction(settle);
  index.transaction(() => {
    index.facts.set("sketchesSwept", index.sketches.sweep(index.facts.get("sketchesSwept") ?? 0));
  });
  // What could not be placed is not fetched again by the next run, which drops what it has no use for.
  if (done.isComplete) {
    index.transaction(() => [...index.staged.all()].forEach(({ content }) => index.staged.remove(content)));
    staging.discardAll();
  }
  done.verified.afterCommit();
  // Until it was looked at: of the new release nothing is said that is not known.
  if (!done.isComplete || index.files.hasUnverified()) holdings.isComplete = false;
  try {
    const { selected, ports } = mirror;
    holdings.isComplete = done.isComplete && (await isWholeReleaseVerified(index, selected.selection, ports.signal));
    await catalog.refreshLiving((infoHash, piece) => swarm.announceHave(infoHash, piece));
  } catch (error) {
    // The release is held: what was looked up for others is not worth a sync that failed.
    if (!mirror.ports.signal.aborted) throw error;
  }
}

function rememberWalked({ facts }: MirrorIndex, { lastWholeWalkMs, lastCleanWalkMs }: WalkedAt): void {
  if (lastWholeWalkMs !== undefined) facts.set("lastWholeWalkMs", lastWholeWalkMs);
  if (lastCleanWalkMs !== undefined) facts.set("lastCleanWalkMs", lastCleanWalkMs);
}

/** DEST itself may belong to somebody else; that is no reason to be without the release. */
function setRootAttributes({ destination, attributes, ports }: Mirror, release: Release): void {
  try {
    destination.setRootAttributes(heldRoot(release, attributes));
  } catch (error) {
    if (!isSystemError(error, "EPERM", "EACCES")) throw error;
    ports.log.warn({ reason: messageOf(error) }, "mode and time of DEST itself can't be set");
  }
}

/** Mode and time of DEST itself. */
export function heldRoot({ root }: Release, rules: AttributeRules): Release["root"] {
  return { mode: heldMode(root.mode, rules, true), mtimeNs: root.mtimeNs };
}
