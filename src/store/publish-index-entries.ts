import { repoPathBytes, type RepoPath } from "../core/repo-path.ts";
import type { ContentId } from "../core/content-id.ts";
import type { Entry, FileEntry } from "../manifest/entry.ts";
import type { PublishIndex } from "./publish-index.ts";
import { ENTRY_COLUMNS, entryOfRow, hexBlob, pathOf, type Row } from "./publish-index-rows.ts";
import { ROW_KIND } from "./publish-index-schema.ts";

const FROM = `SELECT ${ENTRY_COLUMNS} FROM entries e LEFT JOIN contents c ON c.id = e.content`;

/** Exact look-up in the applied release. */
export function entryLookup(index: PublishIndex): (path: RepoPath) => Entry | undefined {
  const statement = index.database.prepare(`${FROM} WHERE path = ?`);
  return (path) => {
    const row = statement.get(repoPathBytes(path));
    return row === undefined ? undefined : entryOfRow(row);
  };
}

/**
 * A file of the release by content id. The join is CROSS because its order is meant: left to itself SQLite walks all entries and sorts them,
 * 28 ms of 50,000 files in place of 0.06 ms.
 */
export const FILE_FROM_QUERY: string = `SELECT ${ENTRY_COLUMNS} FROM contents c CROSS JOIN entries e ON e.content = c.id
  WHERE c.sha256 >= ? AND c.bundle IS NOT NULL AND e.kind = ${ROW_KIND.file} ORDER BY c.sha256 LIMIT 1`;

/** The first file in the order of content ids, from this one on. */
export function fileFromLookup(index: PublishIndex): (content: ContentId) => FileEntry | undefined {
  const statement = index.database.prepare(FILE_FROM_QUERY);
  return (content) => {
    const row = statement.get(hexBlob(content));
    const entry = row === undefined ? undefined : entryOfRow(row);
    return entry?.kind === "file" ? entry : undefined;
  };
}

/**
 * Direct children of a directory in byte order (undefined: the top). What lies deeper is jumped over, so the cost is
 * that of the children, not of the whole subtree.
 */
export function childrenLookup(index: PublishIndex): (directory: RepoPath | undefined, part?: ChildrenPart) => Entry[] {
  const rowsOf = childRows(index, FROM);
  return (directory, { after, limit } = ALL_CHILDREN) => {
    const entries: Entry[] = [];
    if (limit === 0) return entries;
    for (const row of rowsOf(directory, after)) {
      entries.push(entryOfRow(row));
      if (entries.length >= limit) break;
    }
    return entries;
  };
}

/** Some of the children: the first `limit` after one of them (undefined: from the beginning). */
export interface ChildrenPart {
  readonly after: RepoPath | undefined;
  readonly limit: number;
}

const ALL_CHILDREN: ChildrenPart = { after: undefined, limit: Infinity };

/**
 * {@link childrenLookup} with rows of one's own.
 * @param from what to select, with a column `path`, and of which tables
 */
export function childRows(
  index: PublishIndex,
  from: string,
): (directory: RepoPath | undefined, after?: RepoPath) => Generator<Row> {
  const statement = index.database.prepare(`${from} WHERE path >= ? AND path < ? ORDER BY path`);
  return function* (directory, after) {
    const prefix = directory === undefined ? "" : `${directory}/`;
    // "0" follows "/". A name has at most 255 bytes, so no path at the top reaches the end.
    const end = directory === undefined ? Buffer.alloc(300, 0xff) : repoPathBytes(`${directory}0` as RepoPath);
    for (let next: string | undefined = after === undefined ? prefix : `${after}\0`; next !== undefined;) {
      let jump: string | undefined;
      for (const row of statement.iterate(repoPathBytes(next as RepoPath), end)) {
        const path = pathOf(row.path);
        const slash = path.indexOf("/", prefix.length);
        if (slash < 0) yield row;
        else {
          jump = `${path.slice(0, slash)}0`;
          break;
        }
      }
      next = jump;
    }
  };
}
