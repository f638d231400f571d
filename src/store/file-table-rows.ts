import { type FileColumns, FileTableWriter, MAX_TABLED_FILES } from "./file-table.ts";
import { PublishIndex } from "./publish-index.ts";
import { pathOf, type Row } from "./publish-index-rows.ts";
import { ROW_KIND } from "./publish-index-schema.ts";

export interface FileTableTask {
  readonly workDirectory: string;
  /** Any 32 bits that nobody knows. */
  readonly seed: number;
}

const COUNT = `SELECT count(*) AS files FROM entries WHERE kind = ${ROW_KIND.file}`;
const FILES = `SELECT e.path, e.mtime, e.size, c.sha256, c.bundle, c.ordinal, c.since_release
  FROM entries e CROSS JOIN contents c ON c.id = e.content WHERE e.kind = ${ROW_KIND.file}`;

/** The files that the index shows now, all of one release. Undefined if there is none, or if they are more than {@link MAX_TABLED_FILES}. */
export function readFileColumns({ workDirectory, seed }: FileTableTask): FileColumns | undefined {
  using index = PublishIndex.openForReading(workDirectory);
  if (index === undefined) return undefined;
  // One snapshot: a release that is published meanwhile shows in none of the rows.
  index.database.exec("BEGIN");
  const release = index.appliedRelease;
  const files = Number(index.database.prepare(COUNT).get()!.files);
  if (release === 0 || files > MAX_TABLED_FILES) return undefined;
  const writer = new FileTableWriter({ release, seed, files });
  for (const row of index.database.prepare(FILES).iterate()) writer.add(tableRowOf(row));
  return writer.finish();
}

function tableRowOf(row: Row): Parameters<FileTableWriter["add"]>[0] {
  const { bundle, ordinal, since_release: since } = row;
  return {
    path: pathOf(row.path),
    lengthBytes: Number(row.size),
    mtimeNs: BigInt(row.mtime as string),
    digest: row.sha256 as Uint8Array,
    place:
      bundle === null
        ? undefined
        : { bundle: Number(bundle), ordinal: Number(ordinal), sinceRelease: Number(since ?? Infinity) },
  };
}
