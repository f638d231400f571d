import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers/promises";
import { displayPath } from "../core/repo-path.ts";
import { TreeCounts, type TreeReport, type TreeSource } from "../analyze/tree-report.ts";
import { StoreError } from "../store/errors.ts";
import { readIndexSnapshot, type IndexFile, type IndexRead } from "../store/index-snapshot.ts";
import type { IndexedRelease } from "../store/indexed-release.ts";
import { isNotedAsDamaged, MIRROR_INDEX_VERSION } from "../store/mirror-index-schema.ts";
import { mirroredRelease } from "../store/mirror-index-tree.ts";
import { PUBLISH_INDEX_VERSION } from "../store/publish-index-schema.ts";
import { publishedRelease } from "../store/publish-index-tree.ts";
import { readTreeFiles } from "./tree-files.ts";

const MOST_COMPLAINTS = 10;
/** About 20 ms. */
const FILES_PER_TURN = 2_000;

/** Why an index that is there is not used. */
const REASONS: Readonly<Record<Exclude<IndexRead<never>["outcome"], "read" | "none">, string>> = {
  older: "was made by an older version",
  unreadable: "can't be read",
};

/** Where to look for indexes, and whom to tell. */
export interface TreePlace {
  /** A TREE, a DEST or any other directory. */
  readonly path: string;
  /** Of a TREE; where none is there nothing was published. */
  readonly workDirectory: string;
  readonly complain: (line: string) => void;
  readonly signal: AbortSignal;
}

interface KnownIndex extends IndexFile {
  readonly from: TreeSource["from"];
  readonly releaseOf: (database: DatabaseSync) => IndexedRelease | undefined;
}

/**
 * What an index of a mirror or a published tree knows of its release; no file of the tree is opened. Undefined if there is
 * none, or none of use.
 * @throws StoreError `index-too-new`, `index-damaged`; the signal's reason
 */
export async function reportOfIndex(place: TreePlace): Promise<TreeReport | undefined> {
  for (const index of indexesOf(place)) {
    if (isNotedAsDamaged(index.path)) throw new StoreError("index-damaged", `index "${index.path}" is damaged`);
    const found = await readIndexSnapshot(index, async (database) => countRelease(index, database, place.signal));
    if (found.outcome === "read" && found.result !== undefined) return found.result;
    if (found.outcome === "read" || found.outcome === "none") continue;
    place.complain(`prsync: index "${index.path}" ${REASONS[found.outcome]} and is not used`);
  }
  return undefined;
}

/** Reads every file, and complains of the first that can't be. @throws what {@link readTreeFiles} throws */
export async function reportOfFiles({ path, complain, signal }: Omit<TreePlace, "workDirectory">): Promise<TreeReport> {
  const counts = new TreeCounts({ from: "files", release: null });
  let unreadable = 0;
  for await (const file of readTreeFiles(path, signal)) {
    if (!("unreadable" in file)) counts.add(file);
    else {
      counts.addUnreadable();
      if (unreadable++ < MOST_COMPLAINTS)
        complain(`prsync: "${displayPath(file.unreadable)}" can't be read: ${file.reason}`);
    }
  }
  if (unreadable > MOST_COMPLAINTS) complain(`prsync: ${unreadable - MOST_COMPLAINTS} more files can't be read`);
  return counts.report();
}

function indexesOf({ path, workDirectory }: TreePlace): readonly KnownIndex[] {
  return [
    {
      path: join(path, ".prsync", "index.sqlite"),
      version: MIRROR_INDEX_VERSION,
      from: "mirror",
      releaseOf: mirroredRelease,
    },
    {
      path: join(workDirectory, "index.sqlite"),
      version: PUBLISH_INDEX_VERSION,
      from: "published",
      releaseOf: publishedRelease,
    },
  ];
}

async function countRelease(
  { from, releaseOf }: KnownIndex,
  database: DatabaseSync,
  signal: AbortSignal,
): Promise<TreeReport | undefined> {
  const release = releaseOf(database);
  if (release === undefined) return undefined;
  const counts = new TreeCounts({ from, release: release.number });
  let files = 0;
  for (const file of release.files) {
    counts.add(file);
    if (++files % FILES_PER_TURN > 0) continue;
    await setImmediate();
    signal.throwIfAborted();
  }
  return counts.report();
}
