import { existsSync, mkdirSync, rmSync, statSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { StoreError } from "./errors.ts";
import { createSchema, PUBLISH_INDEX_VERSION, schemaVersionOf } from "./publish-index-schema.ts";

/** Name of the database inside the work directory; ordinary SQLite tools read it. */
const INDEX_NAME = "index.sqlite";
/** SQLite result codes of a file that is no (sound) database. */
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/**
 * The open index database of a published tree. One writer (who holds the publish lock) and any number of readers in
 * other processes: WAL. Commits are durable (`synchronous=FULL`), since what is signed next refers to them.
 */
export class PublishIndex implements Disposable {
  readonly database: DatabaseSync;
  readonly #path: string;
  readonly #inode: bigint;
  readonly #statements = new Map<string, StatementSync>();

  private constructor(database: DatabaseSync, path: string) {
    this.database = database;
    this.#path = path;
    this.#inode = statSync(path, { bigint: true }).ino;
  }

  /**
   * Opens or makes the index. One of an older version or a damaged one is made anew, for all in it can be rebuilt.
   * @throws StoreError `index-too-new`
   */
  static openForWriting(workDirectory: string): PublishIndex {
    mkdirSync(workDirectory, { recursive: true, mode: 0o700 });
    const path = indexPath(workDirectory);
    try {
      return openWritable(path) ?? rebuilt(path);
    } catch (error) {
      if (!isDamaged(error)) throw error;
      return rebuilt(path);
    }
  }

  /** Throws the whole index away and begins with an empty one; nobody else writes. */
  static recreate(workDirectory: string): PublishIndex {
    return rebuilt(indexPath(workDirectory));
  }

  /** Undefined if nothing was published yet. @throws StoreError `index-too-new` */
  static openForReading(workDirectory: string): PublishIndex | undefined {
    const path = indexPath(workDirectory);
    if (!existsSync(path)) return undefined;
    const database = new DatabaseSync(path, { readOnly: true, timeout: 10_000 });
    const version = schemaVersionOf(database);
    if (version === PUBLISH_INDEX_VERSION) return new PublishIndex(database, path);
    database.close();
    if (version > PUBLISH_INDEX_VERSION) throw tooNew(path, version);
    return undefined;
  }

  /** For {@link openForWriting}. */
  static wrap(database: DatabaseSync, path: string): PublishIndex {
    return new PublishIndex(database, path);
  }

  /** False if the file under the index's name is another one by now. */
  isInPlace(): boolean {
    return statSync(this.#path, { bigint: true, throwIfNoEntry: false })?.ino === this.#inode;
  }

  /** A statement for `get`, `all` and `run`, prepared once; not for `iterate`, which occupies it. */
  prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  /** Runs `work` in one transaction; it is undone if `work` throws. */
  transaction<Result>(work: () => Result): Result {
    this.database.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.database.exec("COMMIT");
      return result;
    } catch (error) {
      if (this.database.isTransaction) this.database.exec("ROLLBACK");
      throw error;
    }
  }

  meta(key: string): string | number | undefined {
    const value = this.prepare("SELECT value FROM meta WHERE key = ?").get(key)?.value;
    return typeof value === "string" || typeof value === "number" ? value : undefined;
  }

  setMeta(key: string, value: string | number): void {
    this.prepare("INSERT OR REPLACE INTO meta(key, value) VALUES(?, ?)").run(key, value);
  }

  /** Number of the release that `entries` shows; 0 before the first. */
  get appliedRelease(): number {
    return Number(this.meta("applied") ?? 0);
  }

  [Symbol.dispose](): void {
    this.database.close();
  }
}

function indexPath(workDirectory: string): string {
  return `${workDirectory}/${INDEX_NAME}`;
}

function openWritable(path: string): PublishIndex | undefined {
  const database = new DatabaseSync(path, { timeout: 10_000 });
  try {
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536");
    const version = schemaVersionOf(database);
    if (version > PUBLISH_INDEX_VERSION) throw tooNew(path, version);
    if (version === 0) createSchema(database);
    if (version === 0 || version === PUBLISH_INDEX_VERSION) return PublishIndex.wrap(database, path);
  } catch (error) {
    database.close();
    throw error;
  }
  database.close();
  return undefined;
}

function rebuilt(path: string): PublishIndex {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
  return openWritable(path)!;
}

function isDamaged(error: unknown): boolean {
  if (!(error instanceof Error) || !("errcode" in error)) return false;
  return error.errcode === SQLITE_CORRUPT || error.errcode === SQLITE_NOTADB;
}

function tooNew(path: string, version: number): StoreError {
  return new StoreError(
    "index-too-new",
    `index "${path}" has version ${version}, this program knows ${PUBLISH_INDEX_VERSION}`,
  );
}
