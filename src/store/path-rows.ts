import type { RepoPath } from "../core/repo-path.ts";

/** A row of a table that has one row per path. */
export interface PathRow<Value> {
  readonly path: RepoPath;
  readonly value: Value;
}

const ROWS_PER_PAGE = 1_000;

/**
 * The rows of a table in path order, to be merged with something else in that order. They are read a page at a time, so that the
 * table may change meanwhile: a row is as it was when its page was read.
 */
export class PathRows<Value> {
  readonly #readPage: (after: RepoPath | undefined, limit: number) => readonly PathRow<Value>[];
  #page: readonly PathRow<Value>[] = [];
  #next = 0;
  #isLastPage = false;

  /** @param readPage the first rows after a path (undefined: from the beginning), at most `limit` */
  constructor(readPage: (after: RepoPath | undefined, limit: number) => readonly PathRow<Value>[]) {
    this.#readPage = readPage;
  }

  hasBefore(path: RepoPath): boolean {
    const row = this.#peek();
    return row !== undefined && row.path < path;
  }

  /** The next row before `path` (undefined: the next of all), or undefined if there is none. */
  takeBefore(path: RepoPath | undefined): PathRow<Value> | undefined {
    const row = this.#peek();
    if (row === undefined || (path !== undefined && row.path >= path)) return undefined;
    this.#next++;
    return row;
  }

  /** The row of `path`, if it has one; those before it are passed over. */
  takeAt(path: RepoPath): PathRow<Value> | undefined {
    while (this.takeBefore(path) !== undefined);
    const row = this.#peek();
    if (row?.path !== path) return undefined;
    this.#next++;
    return row;
  }

  #peek(): PathRow<Value> | undefined {
    const row = this.#page[this.#next];
    if (row !== undefined || this.#isLastPage) return row;
    this.#page = this.#readPage(this.#page.at(-1)?.path, ROWS_PER_PAGE);
    this.#next = 0;
    this.#isLastPage = this.#page.length < ROWS_PER_PAGE;
    return this.#page[0];
  }
}
