import type { RepoPath } from "../core/repo-path.ts";
import type { FileGroup } from "../manifest/file-groups.ts";
import { inGroupOrder } from "../manifest/group-order.ts";
import type { IndexedReleases, UnplacedContent } from "../store/publish-index-release.ts";
import { ROW_KIND } from "../store/publish-index-schema.ts";
import type { PublishIndex } from "../store/publish-index.ts";

/** Contents that lie in no bundle, in tree order but for groups, which stay together; a content of two groups goes with the first. */
export function groupedContents(
  groups: readonly FileGroup[],
  { index, releases }: { readonly index: PublishIndex; readonly releases: IndexedReleases },
): Iterable<UnplacedContent> {
  const unplaced = { [Symbol.iterator]: () => releases.unplacedContents() };
  if (groups.length === 0) return unplaced;
  const groupByRow = new Map<number, number>();
  const find = index.database.prepare("SELECT content FROM pending WHERE path = ? AND content IS NOT NULL");
  groups.forEach((files, group) => {
    for (const path of files) {
      const row = Number(find.get(bytesOf(path))?.content ?? -1);
      if (row >= 0 && !groupByRow.has(row)) groupByRow.set(row, group);
    }
  });
  return inGroupOrder(unplaced, ({ contentRow }) => groupByRow.get(contentRow));
}

/** How many of the paths are in the release that `pending` makes. */
export function countKnown(groups: readonly FileGroup[], index: PublishIndex): number {
  // What is pending stands in place of the release before.
  const find = index.database.prepare(
    "SELECT coalesce((SELECT kind FROM pending WHERE path = ?), (SELECT kind FROM entries WHERE path = ?)) AS kind",
  );
  return groups.flat().filter((path) => {
    const kind = find.get(bytesOf(path), bytesOf(path))!.kind;
    return kind !== null && kind !== ROW_KIND.removed;
  }).length;
}

function bytesOf(path: RepoPath): Buffer {
  return Buffer.from(path, "latin1");
}
