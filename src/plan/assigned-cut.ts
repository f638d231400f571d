import type { ContentId } from "../core/content-id.ts";
import { mixedHash } from "../core/rendezvous.ts";
import type { RepoPath } from "../core/repo-path.ts";
import type { SelectableEntry } from "../filter/selection.ts";
import { countedFiles, type CountedEntries, type IsSelected } from "./counted-files.ts";
import { isMetadataPath } from "./metadata-class.ts";

/** What central tells a volatile volunteer to hold (docs/protocol.md, "Announce of volunteers"). */
export interface Assignment {
  /** Newest one when it was made. */
  readonly release: number;
  /** Nothing that an earlier release brought is taken. */
  readonly since: number;
  /** Orders the slices of the release that does not fit whole; 32 bits. */
  readonly seed: number;
}

/** Where a content came in. */
export interface AssignedPlace {
  /** That made its bundle. */
  readonly release: number;
  /** Contents that lie together: number of the bundle and of a part of it, as one integer. */
  readonly slice: number;
  /** In the bundle. */
  readonly ordinal: number;
}

export type PlaceOf = (content: ContentId) => AssignedPlace | undefined;

/** Where the contents that a volunteer takes end: all of later releases, and of this one those up to `last`, are taken. */
export interface AssignedCut {
  readonly release: number;
  /** In the volunteer's order; undefined: none of this release. */
  readonly last: { readonly rank: number; readonly slice: number; readonly ordinal: number } | undefined;
  /** Larger files are not taken. */
  readonly maxBytes: number;
}

/** "too-small": what is always taken needs more than the quota. */
export type AssignedChoice =
  | { readonly cut: AssignedCut; readonly takenBytes: number }
  | { readonly problem: "too-small"; readonly alwaysBytes: number };

export interface AssignmentRules {
  readonly quotaBytes: number;
  readonly isSelected: IsSelected;
  readonly assignment: Assignment;
  readonly placeOf: PlaceOf;
}

/** A slice is at most this part of the quota, so that what does not fit at its end is little; never less than {@link MIN_SLICE_BYTES}. */
const SLICES_PER_QUOTA = 16;
/** A bundle of 4 GiB has at most 65,536 slices then, and their numbers fit behind the bundle's. */
const MIN_SLICE_BYTES = 65_536;
const SLICES_PER_BUNDLE = 65_536;

/** Number of the slice in which a content lies. @param offsetBytes of the content in its bundle, without padding */
export function sliceOf(bundle: number, offsetBytes: number, quotaBytes: number): number {
  const sliceBytes = Math.max(MIN_SLICE_BYTES, Math.ceil(quotaBytes / SLICES_PER_QUOTA));
  return bundle * SLICES_PER_BUNDLE + Math.floor(offsetBytes / sliceBytes);
}

/** The bundle of a slice. */
export function bundleOf(slice: number): number {
  return Math.floor(slice / SLICES_PER_BUNDLE);
}

/** Whether a file is taken; index files of package managers and empty ones always are. */
export function isAssigned(
  path: string,
  { size = 0, content }: Pick<SelectableEntry, "size" | "content">,
  by: { readonly cut: AssignedCut; readonly seed: number; readonly placeOf: PlaceOf },
): boolean {
  if (size === 0 || isMetadataPath(path as RepoPath)) return true;
  const { cut, seed, placeOf } = by;
  const place = size > cut.maxBytes || content === undefined ? undefined : placeOf(content);
  if (place === undefined) return false;
  if (place.release !== cut.release || cut.last === undefined) return place.release > cut.release;
  const { slice, ordinal } = place;
  return compare([mixedHash(seed, slice), slice, ordinal], [cut.last.rank, cut.last.slice, cut.last.ordinal]) <= 0;
}

/**
 * Finds how much of an assignment fits: whole releases from the newest back; of the first that does not fit whole, slices of its bundles
 * in the order of the seed, up to the first content that does not fit. Index files of package managers always count; further names of an
 * inode do not; a file larger than the quota is passed over. Up to three passes; holds a number per release, per slice of one release,
 * and per content of one slice.
 */
export function chooseAssignedCut(entries: CountedEntries, rules: AssignmentRules): AssignedChoice {
  const { quotaBytes, assignment } = rules;
  const { alwaysBytes, byRelease } = sumByRelease(entries, rules);
  if (alwaysBytes > quotaBytes) return { problem: "too-small", alwaysBytes };
  let takenBytes = alwaysBytes;
  for (const [release, bytes] of [...byRelease].sort(([a], [b]) => b - a)) {
    if (release < assignment.since) break;
    if (takenBytes + bytes > quotaBytes) {
      const part = partOf(release, quotaBytes - takenBytes, { entries, rules });
      return { cut: { release, last: part.last, maxBytes: quotaBytes }, takenBytes: takenBytes + part.bytes };
    }
    takenBytes += bytes;
  }
  return { cut: { release: assignment.since - 1, last: undefined, maxBytes: quotaBytes }, takenBytes };
}

interface Counting {
  readonly entries: CountedEntries;
  readonly rules: AssignmentRules;
  /** Told of each index file. */
  readonly onAlways?: (bytes: number) => void;
}

function sumByRelease(
  entries: CountedEntries,
  rules: AssignmentRules,
): { readonly alwaysBytes: number; readonly byRelease: ReadonlyMap<number, number> } {
  let alwaysBytes = 0;
  const onAlways = (bytes: number): void => void (alwaysBytes += bytes);
  const byRelease = sumBy({ entries, rules, onAlways }, ({ release }) => release);
  return { alwaysBytes, byRelease };
}

/** What of one release fits into the room, in the volunteer's order. */
function partOf(
  release: number,
  roomBytes: number,
  counting: Counting,
): { readonly bytes: number; readonly last: AssignedCut["last"] } {
  const { seed } = counting.rules.assignment;
  const bySlice = sumBy(counting, (place) => (place.release === release ? place.slice : undefined));
  const ranked = [...bySlice].map(([slice, bytes]) => ({ rank: mixedHash(seed, slice), slice, bytes }));
  ranked.sort((a, b) => a.rank - b.rank || a.slice - b.slice);
  let taken = 0;
  let last: AssignedCut["last"];
  for (const { rank, slice, bytes } of ranked) {
    if (taken + bytes <= roomBytes) {
      taken += bytes;
      last = { rank, slice, ordinal: Number.MAX_SAFE_INTEGER };
      continue;
    }
    const byOrdinal = sumBy(counting, (place) => (place.slice === slice ? place.ordinal : undefined));
    for (const [ordinal, ofContent] of [...byOrdinal].sort(([a], [b]) => a - b)) {
      if (taken + ofContent > roomBytes) break;
      taken += ofContent;
      last = { rank, slice, ordinal };
    }
    break;
  }
  return { bytes: taken, last };
}

/** Bytes of the files that are not always taken, by what their places have; those without are left out. */
function sumBy(counting: Counting, keyOf: (place: AssignedPlace) => number | undefined): Map<number, number> {
  const { entries, rules, onAlways } = counting;
  const { isSelected, placeOf, quotaBytes } = rules;
  const sums = new Map<number, number>();
  for (const [{ path, size, content }, sign] of countedFiles(entries, isSelected)) {
    const isAlways = isMetadataPath(path);
    if (isAlways) onAlways?.(sign * size);
    if (isAlways || size === 0 || size > quotaBytes) continue;
    const place = placeOf(content);
    const key = place === undefined ? undefined : keyOf(place);
    if (key !== undefined) sums.set(key, (sums.get(key) ?? 0) + sign * size);
  }
  return sums;
}

type Position = readonly [rank: number, slice: number, ordinal: number];

function compare(a: Position, b: Position): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}
