import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite";
import { type ContentId, contentIdOf } from "../core/content-id.ts";
import { parseRepoPath, type RepoPath, repoPathBytes } from "../core/repo-path.ts";
import { type FileStat, isSameFileStat } from "./file-stat.ts";
import { PathRows } from "./path-rows.ts";

/** What was found out about a file of DEST, true while its stat is `stat`. */
export interface FileRecord {
  readonly stat: FileStat;
  readonly content: ContentId;
  /** False if size and mtime were believed (adopting a DEST that rsync filled): not to be given to others. */
  readonly isVerified: boolean;
}

export interface FileTotals {
  readonly files: number;
  readonly bytes: number;
  readonly verifiedFiles: number;
}

/** What identical files under several names save. Reflinks share more on disk than can be seen here. */
export interface DuplicateTotals {
  /** Files beyond the first of each content; empty ones are left out. */
  readonly files: number;
  /** Bytes of these files: each content came once. */
  readonly notTransferredBytes: number;
  /** Bytes of those among them that are further names of one inode. */
  readonly notStoredBytes: number;
}

const DUPLICATES = `SELECT total(n - 1) AS files, total((n - 1) * size) AS transferred, total((n - inodes) * size) AS stored
  FROM (SELECT count(*) AS n, max(size) AS size, count(DISTINCT ino) AS inodes FROM files WHERE size > 0
  GROUP BY content HAVING n > 1)`;

/** About a megabyte. */
const MOST_REMOVED = 10_000;
const PATHS_PER_PAGE = 64;

const COLUMNS = "size, mtime_ns, ctime_ns, ino, content, verified";

/** Table `files`: the contents that are on disk, by path and by content. */
export class FileRecords {
  readonly #database: DatabaseSync;
  readonly #get: StatementSync;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;
  readonly #pathsOf: StatementSync;
  readonly #pathsTrusted: StatementSync;
  readonly #pathsAfter: StatementSync;
  readonly #namesOf: StatementSync;
  readonly #changed = new Set<RepoPath>();
  #removed: Set<RepoPath> | undefined = new Set<RepoPath>();
  #changeCount = 0;
  #doubtCount = 0;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#get = bigints(database.prepare(`SELECT ${COLUMNS} FROM files WHERE path = ?`));
    this.#put = database.prepare(`INSERT OR REPLACE INTO files(path, ${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)`);
    this.#remove = database.prepare("DELETE FROM files WHERE path = ?");
    this.#pathsOf = database.prepare("SELECT path FROM files WHERE content = ? ORDER BY verified DESC, path LIMIT ?");
    this.#pathsTrusted = database.prepare(
      "SELECT path FROM files WHERE content = ? AND verified >= ? ORDER BY verified DESC, path LIMIT ?",
    );
    this.#pathsAfter = database.prepare(
      "SELECT path FROM files WHERE content = ? AND verified = ? AND path > ? ORDER BY path LIMIT ?",
    );
    this.#namesOf = database.prepare("SELECT path FROM files WHERE content = ? AND ino = ?");
  }

  /** Records written or removed since the index was opened. */
  get changeCount(): number {
    return this.#changeCount;
  }

  /** Grows with what may make a record that was looked at untrue of its file, or go: not with one that is written again as it was. */
  get doubtCount(): number {
    return this.#doubtCount;
  }

  /** What is recorded, whatever stands there now. */
  get(path: RepoPath): FileRecord | undefined {
    const row = this.#get.get(repoPathBytes(path));
    return row === undefined ? undefined : recordOf(row);
  }

  /** What is recorded, if `stat` is what the path has now; undefined: nothing is known about this file. */
  lookUp(path: RepoPath, stat: FileStat): FileRecord | undefined {
    const record = this.get(path);
    return record !== undefined && isSameFileStat(record.stat, stat) ? record : undefined;
  }

  put(path: RepoPath, record: FileRecord): void {
    const { stat, content, isVerified } = record;
    const hash = Buffer.from(content, "hex");
    const bytes = repoPathBytes(path);
    this.#changeCount++;
    if (!isVerified) this.#doubtCount++;
    this.#put.run(bytes, stat.size, stat.mtimeNs, stat.ctimeNs, stat.ino, hash, isVerified ? 1 : 0);
  }

  /** Our own doing changed the stat and not the bytes. Does nothing unless `before` is what was recorded. */
  restat(path: RepoPath, before: FileStat, after: FileStat): void {
    const record = this.lookUp(path, before);
    if (record !== undefined) this.put(path, { ...record, stat: after });
  }

  /** `path` became another name of the file at `to`. */
  link(path: RepoPath, to: RepoPath): void {
    const record = this.get(to);
    if (record === undefined) this.remove(path);
    else this.put(path, record);
  }

  remove(path: RepoPath): void {
    this.#changeCount++;
    this.#doubtCount++;
    this.#remove.run(repoPathBytes(path));
    this.#removed?.add(path);
    if (this.#removed !== undefined && this.#removed.size > MOST_REMOVED) this.#removed = undefined;
  }

  /** Paths whose records went since the last call, though they may be back; undefined if these are too many. */
  takeRemoved(): ReadonlySet<RepoPath> | undefined {
    const removed = this.#removed;
    this.#removed = new Set();
    return removed;
  }

  /** Some paths recorded with a content, verified ones first; compare their stat before use. */
  pathsOf(content: ContentId, options: { readonly limit: number } = { limit: 16 }): RepoPath[] {
    return this.#pathsOf.all(Buffer.from(content, "hex"), options.limit).map((row) => pathOf(row));
  }

  /** All paths recorded with a content, verified ones first, a page at a time: the table may change between two of them. */
  *allPathsOf(content: ContentId, trust: "any" | "verified"): Generator<RepoPath> {
    const hash = Buffer.from(content, "hex");
    const first = this.#pathsTrusted.all(hash, trust === "verified" ? 1 : 0, PATHS_PER_PAGE);
    if (first.length < PATHS_PER_PAGE) return yield* first.map((row) => pathOf(row));
    for (const verified of trust === "verified" ? [1] : [1, 0]) {
      let after: Uint8Array = Buffer.alloc(0);
      for (let found = PATHS_PER_PAGE; found === PATHS_PER_PAGE;) {
        const page = this.#pathsAfter.all(hash, verified, after, PATHS_PER_PAGE);
        found = page.length;
        after = (page.at(-1)?.path as Uint8Array | undefined) ?? after;
        yield* page.map((row) => pathOf(row));
      }
    }
  }

  /** Names recorded with a content for a file. @param inode as in {@link FileStat} */
  namesOf(content: ContentId, inode: bigint): RepoPath[] {
    return this.#namesOf.all(Buffer.from(content, "hex"), inode).map((row) => pathOf(row));
  }

  /** Names of the recorded files right in a directory (undefined: the top); what lies deeper is jumped over. */
  namesIn(directory: RepoPath | undefined): string[] {
    const prefix = directory === undefined ? "" : `${directory}/`;
    const statement = this.#database.prepare("SELECT path FROM files WHERE path >= ? ORDER BY path");
    const names: string[] = [];
    for (let from: string | undefined = prefix; from !== undefined;) {
      let next: string | undefined;
      for (const row of statement.iterate(repoPathBytes(from as RepoPath))) {
        const path: string = pathOf(row);
        if (!path.startsWith(prefix)) break;
        const slash = path.indexOf("/", prefix.length);
        if (slash < 0) names.push(path.slice(prefix.length));
        else {
          // "0" follows "/".
          next = `${path.slice(0, slash)}0`;
          break;
        }
      }
      from = next;
    }
    return names;
  }

  /** All records in path order; finish or leave the loop before the next write. */
  *all(): Generator<readonly [RepoPath, FileRecord]> {
    const statement = bigints(this.#database.prepare(`SELECT path, ${COLUMNS} FROM files ORDER BY path`));
    for (const row of statement.iterate()) yield [pathOf(row), recordOf(row)];
  }

  /** All records in path order; others may write meanwhile. */
  rows(): PathRows<FileRecord> {
    const query = `SELECT path, ${COLUMNS} FROM files WHERE path > ? ORDER BY path LIMIT ?`;
    const page = bigints(this.#database.prepare(query));
    return new PathRows((after, limit) =>
      page
        .all(repoPathBytes(after ?? ("" as RepoPath)), limit)
        .map((row) => ({ path: pathOf(row), value: recordOf(row) })),
    );
  }

  /** The next unverified paths after `after` in path order. */
  unverified(options: { readonly after?: RepoPath; readonly limit: number }): RepoPath[] {
    const after = options.after === undefined ? Buffer.alloc(0) : repoPathBytes(options.after);
    const query = "SELECT path FROM files WHERE verified = 0 AND path > ? ORDER BY path LIMIT ?";
    return this.#database
      .prepare(query)
      .all(after, options.limit)
      .map((row) => pathOf(row));
  }

  /** The recorded path that follows `path` ("" begins); undefined after the last. */
  after(path: RepoPath): RepoPath | undefined {
    const row = this.#database
      .prepare("SELECT path FROM files WHERE path > ? ORDER BY path LIMIT 1")
      .get(repoPathBytes(path));
    return row === undefined ? undefined : pathOf(row);
  }

  /** Paths that an activation is about to put there: if it is cut off, the next run must look at them. */
  addPending(paths: Iterable<RepoPath>): void {
    this.#doubtCount++;
    const insert = this.#database.prepare("INSERT OR IGNORE INTO pending(path) VALUES (?)");
    for (const path of paths) insert.run(repoPathBytes(path));
  }

  /** What {@link addPending} noted since the last {@link clearPending}. */
  pending(): RepoPath[] {
    return this.#database
      .prepare("SELECT path FROM pending ORDER BY path")
      .all()
      .map((row) => pathOf(row));
  }

  /** The same, to be merged with something else in path order. */
  pendingRows(): PathRows<undefined> {
    const page = this.#database.prepare("SELECT path FROM pending WHERE path > ? ORDER BY path LIMIT ?");
    return new PathRows((after, limit) =>
      page.all(repoPathBytes(after ?? ("" as RepoPath)), limit).map((row) => ({ path: pathOf(row), value: undefined })),
    );
  }

  isPending(path: RepoPath): boolean {
    return this.#database.prepare("SELECT 1 FROM pending WHERE path = ?").get(repoPathBytes(path)) !== undefined;
  }

  clearPending(): void {
    this.#database.exec("DELETE FROM pending");
  }

  /**
   * A file is not what was recorded: its record goes and the next run looks at the path, also if the run that is under way
   * clears what it noted itself.
   */
  noteChanged(path: RepoPath): void {
    this.#changed.add(path);
    this.remove(path);
    this.addPending([path]);
  }

  /** A file was hashed and is not what was believed: recorded as it is, or size and mtime would be believed again. */
  noteFound(path: RepoPath, found: { readonly stat: FileStat; readonly content: ContentId }): void {
    this.noteChanged(path);
    this.put(path, { stat: found.stat, content: found.content, isVerified: true });
  }

  /** What {@link noteChanged} noted since the last call. */
  takeChanged(): RepoPath[] {
    const changed = [...this.#changed];
    this.#changed.clear();
    return changed;
  }

  isEmpty(): boolean {
    return this.#database.prepare("SELECT 1 FROM files LIMIT 1").get() === undefined;
  }

  /** Some file was believed by size and time. */
  hasUnverified(): boolean {
    return this.#database.prepare("SELECT 1 FROM files WHERE verified = 0 LIMIT 1").get() !== undefined;
  }

  count(): number {
    return Number(this.#database.prepare("SELECT count(*) AS n FROM files").get()!.n);
  }

  /** Files whose content another file has too, and what that saves: read from all records. */
  duplicates(): DuplicateTotals {
    const row = this.#database.prepare(DUPLICATES).get()!;
    return {
      files: Number(row.files),
      notTransferredBytes: Number(row.transferred),
      notStoredBytes: Number(row.stored),
    };
  }

  totals(): FileTotals {
    const query = "SELECT count(*) AS files, total(size) AS bytes, total(verified) AS verified FROM files";
    const row = this.#database.prepare(query).get()!;
    return { files: Number(row.files), bytes: Number(row.bytes), verifiedFiles: Number(row.verified) };
  }
}

function recordOf(row: Record<string, SQLOutputValue>): FileRecord {
  const stat: FileStat = {
    size: Number(row.size),
    mtimeNs: row.mtime_ns as bigint,
    ctimeNs: row.ctime_ns as bigint,
    ino: row.ino as bigint,
  };
  return { stat, content: contentIdOf(row.content as Uint8Array), isVerified: row.verified === 1n };
}

function pathOf(row: Record<string, SQLOutputValue>): RepoPath {
  return parseRepoPath(row.path as Uint8Array);
}

function bigints(statement: StatementSync): StatementSync {
  statement.setReadBigInts(true);
  return statement;
}
