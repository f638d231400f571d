import type { StatementSync } from "node:sqlite";
import { repoPathBytes, type RepoPath } from "../core/repo-path.ts";
import type { PublishIndex } from "../store/publish-index.ts";
import { pathOf, type Row } from "../store/publish-index-rows.ts";

const COLUMNS = `SELECT path, kind, stat, link, uid, c.retained_inode AS own FROM entries e
  LEFT JOIN contents c ON c.id = e.content`;

/** The last release's entries in path order, from which ranges can be left out without reading them. To be closed. */
export class OldEntries implements Disposable {
  readonly #statement: StatementSync;
  #rows: Iterator<Row>;
  #row: Row | undefined;
  #path: RepoPath | undefined;
  /** Where to go on, once somebody looks there: ranges that are left out one after the other cost one look-up. */
  #skipped: string | undefined;
  #isAtEnd = false;

  constructor(index: PublishIndex) {
    this.#statement = index.database.prepare(`${COLUMNS} WHERE path >= ? ORDER BY path`);
    this.#rows = this.#rowsFrom("");
    this.advance();
  }

  /** Path, kind, stat, link, uid, and as `own` the inode of the retained copy. Undefined at the end. */
  get row(): Row | undefined {
    this.#seek();
    return this.#row;
  }

  get path(): RepoPath | undefined {
    this.#seek();
    return this.#path;
  }

  /** True if there is nothing before a path (undefined: before the end) any more. */
  isPast(path: string | undefined): boolean {
    if (this.#isAtEnd) return true;
    if (path !== undefined && this.#skipped !== undefined && this.#skipped >= path) return true;
    return this.path === undefined || (path !== undefined && this.path >= path);
  }

  advance(): void {
    this.#seek();
    this.#step();
  }

  /** Goes on at the first entry from a path on; undefined: ends. */
  skipTo(path: string | undefined): void {
    this.#isAtEnd ||= path === undefined;
    if (this.#row !== undefined && path !== undefined && this.#path! < path) this.#skipped = path;
    if (this.#isAtEnd) this.#row = this.#path = this.#skipped = undefined;
  }

  /** An open cursor would keep other tables from being dropped. */
  [Symbol.dispose](): void {
    this.#rows.return?.();
  }

  #seek(): void {
    if (this.#skipped === undefined) return;
    this.#rows.return?.();
    this.#rows = this.#rowsFrom(this.#skipped);
    this.#skipped = undefined;
    this.#step();
  }

  #step(): void {
    const step = this.#rows.next();
    this.#row = step.done === true ? undefined : step.value;
    this.#path = this.#row === undefined ? undefined : pathOf(this.#row.path);
  }

  #rowsFrom(path: string): Iterator<Row> {
    return this.#statement.iterate(repoPathBytes(path as RepoPath)) as Iterator<Row>;
  }
}
