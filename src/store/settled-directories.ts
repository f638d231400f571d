import { repoPathBytes, type RepoPath } from "../core/repo-path.ts";
import { DirectoryDigest, type ChildFacts } from "./directory-digest.ts";
import type { KnownDirectories } from "./ordered-walk.ts";
import { childRows } from "./publish-index-entries.ts";
import { pathOf, type Row } from "./publish-index-rows.ts";
import { ROW_KIND } from "./publish-index-schema.ts";
import { factsOf, type StatFingerprint } from "./publish-index-stat.ts";
import type { PublishIndex } from "./publish-index.ts";

/**
 * Directories of TREE in which every child looks as the applied release's rows say: they are recognised by one digest each, so
 * that a publish with nothing new reads one row per directory instead of one per path. A directory is given its digest from the
 * rows after the release is applied, never from what a scan saw: what changes in between gives another digest next time.
 *
 * A directory gets none while any child was not read, or has other names, even outside TREE: a directory with such a name can be
 * moved into TREE, and is then part of a hard-link group.
 */
export class SettledDirectories implements KnownDirectories {
  readonly salt: number;
  readonly #index: PublishIndex;
  readonly #keepsOwners: boolean;

  /** @param keepsOwners entries name user and group */
  constructor(index: PublishIndex, keepsOwners: boolean) {
    this.#index = index;
    this.#keepsOwners = keepsOwners;
    this.salt = keepsOwners ? 1 : 0;
    index.database.exec("CREATE TEMP TABLE unsettled(path BLOB PRIMARY KEY) WITHOUT ROWID");
  }

  digestOf(directory: string): Uint8Array | undefined {
    const row = this.#index.prepare("SELECT digest FROM directories WHERE path = ?").get(bytesOf(directory));
    return row?.digest as Uint8Array | undefined;
  }

  onReported(directory: string): void {
    const path = bytesOf(directory);
    this.#index.prepare("DELETE FROM directories WHERE path = ?").run(path);
    this.#index.prepare("INSERT OR IGNORE INTO unsettled(path) VALUES(?)").run(path);
  }

  /** This publish gives a directory no digest: a file in it has names that may come into TREE without changing the file. */
  leaveUnsettled(directory: RepoPath | undefined): void {
    this.#index.prepare("DELETE FROM unsettled WHERE path = ?").run(bytesOf(directory ?? ""));
  }

  /** Gives the directories that were reported their digests. Nothing may be pending. */
  settle(): void {
    const { database } = this.#index;
    const rowsOf = childRows(this.#index, "SELECT path, kind, stat, link, uid FROM entries");
    const put = database.prepare("INSERT OR REPLACE INTO directories(path, digest) VALUES(?, ?)");
    const isLinkedTo = database.prepare("SELECT 1 FROM entries WHERE link = ?");
    this.#index.transaction(() => {
      for (const { path } of database.prepare("SELECT path FROM unsettled").iterate()) {
        const directory = pathOf(path);
        const digest = this.#digestOfRows(directory, rowsOf(directory === "" ? undefined : directory), isLinkedTo);
        if (digest !== undefined) put.run(path as Uint8Array, digest);
      }
    });
    database.exec("DELETE FROM unsettled");
  }

  #digestOfRows(
    directory: string,
    rows: Iterable<Row>,
    isLinkedTo: ReturnType<PublishIndex["prepare"]>,
  ): Uint8Array | undefined {
    const digest = new DirectoryDigest(this.salt);
    const nameAt = directory === "" ? 0 : directory.length + 1;
    for (const { path, kind, stat, link, uid } of rows) {
      const isAsOwned = (typeof uid === "number") === this.#keepsOwners;
      if (stat === null || link !== null || !isAsOwned) return undefined;
      if (kind === ROW_KIND.file && isLinkedTo.get(path!) !== undefined) return undefined;
      const facts: ChildFacts = factsOf(stat as StatFingerprint);
      digest.add(pathOf(path).slice(nameAt), Number(kind), facts);
    }
    return digest.finish();
  }
}

function bytesOf(directory: string): Uint8Array {
  return repoPathBytes(directory as RepoPath);
}
