import { messageOf } from "../core/errors.ts";
import { displayPath, type RepoPath } from "../core/repo-path.ts";
import type { ConsideredPath } from "../plan/plan-sync.ts";
import { localState } from "./inventory.ts";
import type { Mirror } from "./mirror.ts";
import { verifyFile } from "./verify-held.ts";

/**
 * Hashes the files about whose content nothing is known (rsync --checksum), so that those that are right are kept. Files of another
 * size are not read: they are wrong in any case.
 */
export async function compareContents(
  mirror: Mirror,
  considered: ReadonlyMap<RepoPath, ConsideredPath>,
): Promise<ReadonlyMap<RepoPath, ConsideredPath>> {
  const { signal, log } = mirror.ports;
  const compared = new Map(considered);
  for (const item of considered.values()) {
    const { path, entry, local } = item;
    if (entry?.kind !== "file" || local.kind !== "file" || local.content !== undefined) continue;
    if (local.size !== entry.size) continue;
    try {
      await verifyFile(path, entry.content, { ...mirror, signal });
    } catch (error) {
      signal.throwIfAborted();
      log.warn({ path: displayPath(path), reason: messageOf(error) }, "file can't be compared");
    }
    compared.set(path, { ...item, local: localState({ ...mirror, isStrict: true }, path) });
  }
  return compared;
}
