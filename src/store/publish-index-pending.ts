import type { StatementSync } from "node:sqlite";
import { parentOf, repoPathBytes, type RepoPath } from "../core/repo-path.ts";
import type { PublishIndex } from "./publish-index.ts";
import { entryOfRow, optionalBlob, pathOf, type Row } from "./publish-index-rows.ts";
import { ROW_KIND } from "./publish-index-schema.ts";
import type { StatFingerprint } from "./publish-index-stat.ts";
import type { Entry } from "../manifest/entry.ts";

/** A path as the scan found it. */
export interface ScannedPath {
  readonly path: RepoPath;
  readonly kind: "file" | "directory" | "symlink";
  readonly mode: number;
  readonly mtimeNs: bigint;
  readonly size: number;
  readonly stat: StatFingerprint;
  readonly target?: string | undefined;
  /** First path of its hard-link group. */
  readonly link?: RepoPath | undefined;
  /** Left out where the release is to have none. */
  readonly owners?: { readonly uid: number; readonly gid: number } | undefined;
}

/** A file whose content has to be read. */
export interface FileToHash {
  readonly path: RepoPath;
  /** Bytes, when it was scanned. */
  readonly size: number;
  readonly stat: StatFingerprint;
}

/** What reading a file gave; `stat` is from after its retention. */
export interface HashedRow {
  readonly contentRow: number;
  readonly mode: number;
  readonly mtimeNs: bigint;
  readonly size: number;
  readonly stat: StatFingerprint;
  /** The file may have other names in the tree. */
  readonly isGroup: boolean;
}

const UPSERT = `INSERT INTO pending(path, kind, mode, mtime, size, target, link, stat, uid, gid, generation, failure)
  VALUES(:path, :kind, :mode, :mtime, :size, :target, :link, :stat, :uid, :gid, :generation, :failure)
  ON CONFLICT(path) DO UPDATE SET
    content = CASE WHEN kind = excluded.kind AND stat = excluded.stat THEN content ELSE NULL END,
    kind = excluded.kind, mode = excluded.mode, mtime = excluded.mtime, size = excluded.size,
    target = excluded.target, link = excluded.link, stat = excluded.stat, uid = excluded.uid, gid = excluded.gid, generation = excluded.generation,
    failure = excluded.failure`;

/** Pending and old row of a path say the same in a manifest. */
const IS_SAME = `e.kind = p.kind AND e.mode IS p.mode AND e.mtime = p.mtime AND e.size IS p.size
  AND e.content IS p.content AND e.target IS p.target AND e.link IS p.link
  AND e.uid IS p.uid AND e.gid IS p.gid`;

/**
 * What the next release changes (table `pending`), from the scan to the signature. Rows of an interrupted publish are
 * kept as a cache: a file whose stat is still the same need not be read again.
 */
export class PendingChanges {
  readonly #index: PublishIndex;
  readonly #generation: number;
  readonly #upsert: StatementSync;
  readonly #complete: StatementSync;
  readonly #completeGroup: StatementSync;
  readonly #forgetDigest: StatementSync;
  /** Of the path put last: paths come directory by directory. */
  #lastDirectory: RepoPath | undefined | null = null;

  constructor(index: PublishIndex) {
    this.#index = index;
    const { database } = index;
    this.#generation = Number(database.prepare("SELECT max(generation) AS last FROM pending").get()!.last ?? 0) + 1;
    this.#upsert = database.prepare(UPSERT);
    this.#forgetDigest = database.prepare("DELETE FROM directories WHERE path = ?");
    const set = "UPDATE pending SET content = ?, mode = ?, mtime = ?, size = ?, stat = ?";
    this.#complete = database.prepare(`${set} WHERE path = ?`);
    this.#completeGroup = database.prepare(`${set} WHERE link = ? AND stat = ? AND kind = ${ROW_KIND.file}`);
  }

  put(scanned: ScannedPath): void {
    this.#forgetDigestAbove(scanned.path);
    this.#upsert.run({
      path: repoPathBytes(scanned.path),
      kind: ROW_KIND[scanned.kind],
      mode: scanned.kind === "symlink" ? null : scanned.mode,
      mtime: scanned.mtimeNs.toString(),
      size: scanned.kind === "file" ? scanned.size : null,
      target: optionalBlob(scanned.target),
      link: optionalBlob(scanned.link),
      stat: scanned.stat,
      uid: scanned.owners?.uid ?? null,
      gid: scanned.owners?.gid ?? null,
      generation: this.#generation,
      failure: null,
    });
  }

  /** The next release lacks a path of the last one. */
  putRemoved(path: RepoPath): void {
    this.#putBare(path, ROW_KIND.removed, null);
  }

  /** A file of the last release about which nothing is known now. */
  putFailed(path: RepoPath, failure: string): void {
    this.#putBare(path, ROW_KIND.file, failure);
  }

  #putBare(path: RepoPath, kind: number, failure: string | null): void {
    this.#forgetDigestAbove(path);
    const nothing = { mode: null, mtime: null, size: null, target: null, link: null, stat: null, uid: null, gid: null };
    this.#upsert.run({ ...nothing, path: repoPathBytes(path), kind, generation: this.#generation, failure });
  }

  /** The directory of a path that may change must be compared in full next time, whatever becomes of this publish. */
  #forgetDigestAbove(path: RepoPath): void {
    const directory = parentOf(path);
    if (directory === this.#lastDirectory) return;
    this.#lastDirectory = directory;
    this.#forgetDigest.run(optionalBlob(directory ?? ""));
  }

  /**
   * Ends the scan: forgets rows that it did not touch and hashes that lack what a bundle of this piece length needs. Files
   * that only moved with a directory above them keep what was read of them.
   */
  endScan(pieceLength: number): void {
    const { database } = this.#index;
    database.prepare("DELETE FROM pending WHERE generation <> ?").run(this.#generation);
    database.exec(TAKE_UNCHANGED);
    database.exec(TAKE_MOVED);
    database.prepare("DELETE FROM pieces WHERE piece_length <> ?").run(pieceLength);
    database.exec(`UPDATE pending SET content = NULL WHERE content IN (SELECT c.id FROM contents c
      LEFT JOIN pieces p ON p.content = c.id WHERE c.bundle IS NULL AND c.size > 0 AND p.content IS NULL)`);
  }

  /** Files and bytes still to be read. */
  workLeft(): { readonly files: number; readonly bytes: number } {
    const row = this.#index.database
      .prepare(`SELECT count(*) AS files, total(size) AS bytes FROM pending WHERE ${TO_HASH}`)
      .get()!;
    return { files: Number(row.files), bytes: Number(row.bytes) };
  }

  /**
   * Files to read, in path order; safe against changes of the table meanwhile. Later members of hard-link groups are
   * left out unless `withLinks`: their first member speaks for them.
   */
  *filesToHash(withLinks: boolean): Generator<FileToHash> {
    const page = this.#index.database.prepare(
      `SELECT path, size, stat FROM pending WHERE path > ? AND ${TO_HASH} AND (link IS NULL OR ?) ORDER BY path LIMIT 500`,
    );
    for (let last: Uint8Array = Buffer.alloc(0); ;) {
      const rows = page.all(last, withLinks ? 1 : 0);
      for (const row of rows) {
        yield { path: pathOf(row.path), size: Number(row.size), stat: row.stat as StatFingerprint };
      }
      if (rows.length === 0) return;
      last = rows.at(-1)!.path as Uint8Array;
    }
  }

  /** Records the content of a file and of the other paths of its inode that looked the same when scanned. */
  complete(file: FileToHash, hashed: HashedRow): void {
    const path = repoPathBytes(file.path);
    const values = [hashed.contentRow, hashed.mode, hashed.mtimeNs.toString(), hashed.size, hashed.stat] as const;
    this.#complete.run(...values, path);
    if (hashed.isGroup) this.#completeGroup.run(...values, path, file.stat);
  }

  fail(path: RepoPath, failure: string): void {
    this.#index.database.prepare("UPDATE pending SET failure = ? WHERE path = ?").run(failure, repoPathBytes(path));
  }

  /** Paths that could not be read, and why. */
  failures(): { readonly path: RepoPath; readonly failure: string }[] {
    const rows = this.#index.database.prepare(
      "SELECT path, failure FROM pending WHERE failure IS NOT NULL ORDER BY path",
    );
    return rows.all().map((row) => ({ path: pathOf(row.path), failure: row.failure as string }));
  }

  /**
   * The last release's entry of a path stays; it is read again next time. It stands alone from now on if it was part
   * of a hard-link group: the rest of the group may have moved on.
   */
  keepPrevious(path: RepoPath): void {
    const { database } = this.#index;
    const bytes = repoPathBytes(path);
    database.prepare("DELETE FROM pending WHERE path = ?").run(bytes);
    database.prepare("UPDATE entries SET stat = NULL WHERE path = ?").run(bytes);
    database
      .prepare(
        `INSERT INTO pending(path, kind, mode, mtime, size, content, uid, gid, generation)
        SELECT path, kind, mode, mtime, size, content, uid, gid, ? FROM entries WHERE path = ? AND link IS NOT NULL`,
      )
      .run(this.#generation, bytes);
  }

  /** A path that can't be read and has no previous entry to keep is left out. */
  leaveOut(path: RepoPath): void {
    const { database } = this.#index;
    const bytes = repoPathBytes(path);
    const isOld = database.prepare("SELECT 1 FROM entries WHERE path = ?").get(bytes) !== undefined;
    if (isOld) this.putRemoved(path);
    else database.prepare("DELETE FROM pending WHERE path = ?").run(bytes);
  }

  /** Drops rows that change nothing; their stat goes to the entry. */
  dropUnchanged(): void {
    const { database } = this.#index;
    database.exec(`UPDATE entries SET stat = (SELECT p.stat FROM pending p WHERE p.path = entries.path)
        WHERE path IN (SELECT p.path FROM pending p CROSS JOIN entries e ON e.path = p.path WHERE ${IS_SAME});
      DELETE FROM pending AS p WHERE EXISTS(SELECT 1 FROM entries e WHERE e.path = p.path AND ${IS_SAME})`);
  }

  /**
   * Makes every `link` name a file of the next release that has the same content and is itself no link; others stand
   * alone.
   */
  mendLinks(): void {
    const { database } = this.#index;
    database
      .prepare(
        `INSERT INTO pending(path, kind, mode, mtime, size, content, stat, uid, gid, generation)
        SELECT path, kind, mode, mtime, size, content, stat, uid, gid, ? FROM entries AS m
        WHERE link IN (SELECT path FROM pending)
        AND NOT EXISTS(SELECT 1 FROM pending p WHERE p.path = m.path) AND NOT ${IS_GOOD_LINK}`,
      )
      .run(this.#generation);
    database.exec(`UPDATE pending AS m SET link = NULL WHERE link IS NOT NULL AND NOT ${IS_GOOD_LINK}`);
  }

  count(): number {
    return Number(this.#index.database.prepare("SELECT count(*) AS n FROM pending").get()!.n);
  }

  /** The next release's entries in manifest order. */
  *nextEntries(): Generator<Entry> {
    for (const row of this.#index.database.prepare(NEXT_ENTRIES).iterate()) yield entryOfRow(row);
  }

  /** Per changed path, in order, what the last release and the next one say of it. */
  *changes(): Generator<{ readonly before: Entry | undefined; readonly after: Entry | undefined }> {
    for (const row of this.#index.database.prepare(CHANGES).iterate()) {
      yield { before: sideOfRow(row, "old"), after: sideOfRow(row, "new") };
    }
  }
}

// `pending` is small and `entries` large. Left to itself SQLite may walk all entries for a join: CROSS means its order, as a sub-select does.

/** A file that is the same and was scanned all the same, for its owners, is not read again. */
const TAKE_UNCHANGED = `UPDATE pending SET content = (SELECT e.content FROM entries e
    WHERE e.path = pending.path AND e.stat = pending.stat AND e.kind = ${ROW_KIND.file})
  WHERE kind = ${ROW_KIND.file} AND content IS NULL AND failure IS NULL`;

/**
 * A path that is new, with inode, size, mtime and ctime of one that is gone: a directory above it was renamed, which changes
 * nothing of the file itself. (A rename of the file changes its ctime: it is read again.)
 */
const TAKE_MOVED = `CREATE TEMP TABLE gone(stat TEXT PRIMARY KEY, content INTEGER) WITHOUT ROWID;
  INSERT OR IGNORE INTO gone SELECT e.stat, e.content FROM pending p CROSS JOIN entries e ON e.path = p.path
    WHERE p.kind = ${ROW_KIND.removed} AND e.kind = ${ROW_KIND.file} AND e.stat IS NOT NULL AND e.content IS NOT NULL;
  UPDATE pending SET content = (SELECT g.content FROM gone g WHERE g.stat = pending.stat)
    WHERE kind = ${ROW_KIND.file} AND content IS NULL AND failure IS NULL AND stat IN (SELECT stat FROM gone);
  DROP TABLE gone`;

const TO_HASH = `kind = ${ROW_KIND.file} AND content IS NULL AND failure IS NULL`;

/** The path that row `m` links to is a file of the next release, has the same content and is itself no link. */
const IS_GOOD_LINK = `(EXISTS(SELECT 1 FROM pending f WHERE f.path = m.link AND f.kind = ${ROW_KIND.file}
    AND f.link IS NULL AND f.content = m.content)
  OR NOT EXISTS(SELECT 1 FROM pending f WHERE f.path = m.link)
    AND EXISTS(SELECT 1 FROM entries f WHERE f.path = m.link AND f.kind = ${ROW_KIND.file}
    AND f.link IS NULL AND f.content = m.content))`;

const NEXT_ENTRIES = `SELECT n.*, c.sha256 AS sha256 FROM (
  SELECT path, kind, mode, mtime, size, content, target, link, uid, gid FROM pending WHERE kind <> ${ROW_KIND.removed}
  UNION ALL SELECT path, kind, mode, mtime, size, content, target, link, uid, gid FROM entries e
  WHERE NOT EXISTS(SELECT 1 FROM pending p WHERE p.path = e.path) ORDER BY path) n
  LEFT JOIN contents c ON c.id = n.content ORDER BY n.path`;

const SIDES = ["kind", "mode", "mtime", "size", "target", "link", "uid", "gid"];

const CHANGES = `SELECT p.path AS path,
  ${SIDES.map((column) => `e.${column} AS old_${column}, p.${column} AS new_${column}`).join(", ")},
  ec.sha256 AS old_sha256, pc.sha256 AS new_sha256
  FROM pending p LEFT JOIN entries e ON e.path = p.path
  LEFT JOIN contents ec ON ec.id = e.content LEFT JOIN contents pc ON pc.id = p.content ORDER BY p.path`;

function sideOfRow(row: Row, side: "old" | "new"): Entry | undefined {
  const kind = row[`${side}_kind`];
  if (kind === null || kind === undefined || kind === ROW_KIND.removed) return undefined;
  const columns = [...SIDES, "sha256"].map((column) => [column, row[`${side}_${column}`] ?? null] as const);
  return entryOfRow({ path: row.path!, ...Object.fromEntries(columns) });
}
