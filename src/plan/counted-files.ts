import type { RepoPath } from "../core/repo-path.ts";
import type { Entry, FileEntry } from "../manifest/entry.ts";
import { isMetadataPath } from "./metadata-class.ts";

/** The release as it is read, as often as is asked for: entries that are in it, and (`-1`) some that are not in it any more. */
export type CountedEntries = () => Iterable<readonly [entry: Entry, sign: 1 | -1]>;

/** Whether a file is selected by the other rules of the selection. */
export type IsSelected = (path: RepoPath, entry: FileEntry) => boolean;

/** Selected files that take room: further names of an inode do not, unless it is an index file by that name alone. */
export function* countedFiles(
  entries: CountedEntries,
  isSelected: IsSelected,
): Generator<readonly [FileEntry, 1 | -1]> {
  for (const [entry, sign] of entries()) {
    if (entry.kind !== "file" || !isSelected(entry.path, entry)) continue;
    const { path, link } = entry;
    const isFurther = link !== undefined && isSelected(link, entry);
    if (!isFurther || (isMetadataPath(path) && !isMetadataPath(link))) yield [entry, sign];
  }
}
