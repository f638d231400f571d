import type { DatabaseSync, StatementSync } from "node:sqlite";
import { parseRepoPath, type RepoPath, repoPathBytes } from "../core/repo-path.ts";

/** A path that stands in DEST and that the release lacks. */
export interface GoneRecord {
  readonly path: RepoPath;
  /** When that was first seen, wall clock, milliseconds. */
  readonly sinceMs: number;
  /** An earlier release put it there. */
  readonly isOurs: boolean;
}

/** Table `gone`. A record that is lost makes its path stay longer, never shorter. */
export class GoneRecords {
  readonly #database: DatabaseSync;
  readonly #has: StatementSync;
  readonly #put: StatementSync;
  readonly #forget: StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#has = database.prepare("SELECT 1 FROM gone WHERE path = ?");
    this.#put = database.prepare("INSERT OR REPLACE INTO gone(path, since_ms, is_ours) VALUES (?, ?, ?)");
    this.#forget = database.prepare("DELETE FROM gone WHERE path = ?");
  }

  has(path: RepoPath): boolean {
    return this.#has.get(repoPathBytes(path)) !== undefined;
  }

  put({ path, sinceMs, isOurs }: GoneRecord): void {
    this.#put.run(repoPathBytes(path), sinceMs, isOurs ? 1 : 0);
  }

  forget(path: RepoPath): void {
    this.#forget.run(repoPathBytes(path));
  }

  count(): number {
    return Number(this.#database.prepare("SELECT count(*) AS n FROM gone").get()!.n);
  }

  /** All records in path order. */
  all(): GoneRecord[] {
    const rows = this.#database.prepare("SELECT path, since_ms, is_ours FROM gone ORDER BY path").all();
    return rows.map((row) => ({
      path: parseRepoPath(row.path as Uint8Array),
      sinceMs: Number(row.since_ms),
      isOurs: row.is_ours === 1,
    }));
  }
}
