import type { ContentId } from "../core/content-id.ts";
import type { RepoPath } from "../core/repo-path.ts";
import type { FileEntry } from "../manifest/entry.ts";
import { type AssignedPlace, chooseAssignedCut, isAssigned, sliceOf } from "../plan/assigned-cut.ts";
import { assignVolatile, type ReleaseBytes } from "../tracker/volatile-assignment.ts";
import type { FleetFile } from "./fleet-workload.ts";
import { type Placement, publishedOf } from "./placement.ts";

/** As large as a bundle may be. */
const BUNDLE_BYTES = 2 ** 32;

/**
 * What `--role volatile` holds (decision 0036): central's assignment and the mirror's own count of what fits, by the program's own functions.
 * Files lie in bundles in their order; each is a content of its own.
 * @param id of the volunteer, hex
 */
export function assignedPlacement(quotaBytes: number, id: string): Placement {
  return ({ files, releases }) => {
    const published = publishedFiles(files, releases, quotaBytes);
    const { seed, ...assignment } = assignVolatile({ id, quotaBytes }, releases, bytesByRelease(published));
    const placeOf = (content: ContentId): AssignedPlace => published[Number.parseInt(content, 16)]!.place;
    const choice = chooseAssignedCut(() => published.map(({ entry }) => [entry, 1] as const), {
      quotaBytes,
      isSelected: () => true,
      assignment: { ...assignment, seed },
      placeOf,
    });
    if ("problem" in choice) return [];
    const by = { cut: choice.cut, seed, placeOf };
    return published
      .filter(({ entry }) => isAssigned(entry.path, entry, by))
      .sort((a, b) => b.place.release - a.place.release)
      .map(({ file }) => file);
  };
}

interface PublishedFile {
  /** Place in the workload's files. */
  readonly file: number;
  readonly entry: FileEntry;
  readonly place: AssignedPlace;
}

/** What publish makes of the files: numbers of releases from 1, bundles that are never larger than they may be. */
function publishedFiles(files: readonly FleetFile[], releases: number, quotaBytes: number): PublishedFile[] {
  const ends = new Map<number, { bundle: number; bytes: number }>();
  let bundles = 0;
  return publishedOf(files, releases).map((file, ordinal) => {
    const { bytes, release } = files[file]!;
    let end = ends.get(release);
    if (end === undefined || end.bytes >= BUNDLE_BYTES) ends.set(release, (end = { bundle: bundles++, bytes: 0 }));
    const slice = sliceOf(end.bundle, end.bytes, quotaBytes);
    end.bytes += bytes;
    return { file, entry: entryOf(ordinal, bytes), place: { release: release + 1, slice, ordinal } };
  });
}

/** @param ordinal told by the content's id */
function entryOf(ordinal: number, size: number): FileEntry {
  const content = ordinal.toString(16).padStart(64, "0") as ContentId;
  return { kind: "file", path: `${ordinal}` as RepoPath, mode: 0o644, mtimeNs: 0n, size, content };
}

/** As central has them of its index: by powers of two of the length. */
function bytesByRelease(published: readonly PublishedFile[]): ReleaseBytes[] {
  const sums = new Map<string, ReleaseBytes>();
  for (const { entry, place } of published) {
    const belowBytes = 2 ** Math.ceil(Math.log2(entry.size + 1));
    const key = `${place.release} ${belowBytes}`;
    const bytes = (sums.get(key)?.bytes ?? 0) + entry.size;
    sums.set(key, { release: place.release, belowBytes, bytes });
  }
  return [...sums.values()];
}
