import type { RepoPath } from "../core/repo-path.ts";
import type { SelectableEntry } from "../filter/selection.ts";
import { countedFiles, type CountedEntries, type IsSelected } from "./counted-files.ts";
import { isMetadataPath } from "./metadata-class.ts";

/** Where the newest files of a release end: those of this second and earlier in path order, and all that are younger, are taken. */
export interface NewestCut {
  /** Since 1970. */
  readonly seconds: number;
  /** Last path taken of that second, a byte string; "" none. */
  readonly upTo: string;
  /** Larger files are not taken. */
  readonly maxBytes: number;
}

/** "too-small": what is always taken needs more than the quota. */
export type CutChoice =
  | { readonly cut: NewestCut; readonly takenBytes: number }
  | { readonly problem: "too-small"; readonly alwaysBytes: number };

/** Older files come back only if so much of the quota is free: else files at the border would come and go with each release. */
const SLACK = 0.1;
const BEFORE_ALL = Number.MIN_SAFE_INTEGER;
const NANOSECONDS = 1_000_000_000n;

/** Whether a file is taken. Names of one inode have one time, and go by the first of them. */
export function isTaken(
  path: string,
  { link, mtimeNs = 0n, size = 0 }: Pick<SelectableEntry, "link" | "mtimeNs" | "size">,
  cut: NewestCut,
): boolean {
  if (isMetadataPath(path as RepoPath)) return true;
  const seconds = secondsOf(mtimeNs);
  if (size > cut.maxBytes) return false;
  return seconds > cut.seconds || (seconds === cut.seconds && (link ?? path) <= cut.upTo);
}

export interface QuotaRules {
  readonly quotaBytes: number;
  readonly isSelected: IsSelected;
  /** The cut of the last run: kept as long as it fits and leaves little free. */
  readonly before: NewestCut | undefined;
}

/**
 * Finds how far back `quotaBytes` reach: from the youngest file by mtime (whole seconds, then path) to the first that does not fit.
 * Index files of package managers always count; further names of an inode do not; a file larger than the whole budget is
 * passed over. Holds a number per distinct second, not the entries.
 */
export function chooseCut(entries: CountedEntries, rules: QuotaRules): CutChoice {
  const { quotaBytes, before } = rules;
  const counted = new CountedBytes(entries, rules);
  const { alwaysBytes, bySecond } = counted.sum();
  if (alwaysBytes > quotaBytes) return { problem: "too-small", alwaysBytes };
  let takenBytes = alwaysBytes;
  let cut: NewestCut = { seconds: BEFORE_ALL, upTo: "", maxBytes: quotaBytes };
  for (const seconds of [...bySecond.keys()].sort((a, b) => b - a)) {
    const bytes = bySecond.get(seconds)!;
    if (takenBytes + bytes > quotaBytes) {
      const border = counted.border(seconds, quotaBytes - takenBytes);
      takenBytes += border.bytes;
      cut = { seconds, upTo: border.upTo, maxBytes: quotaBytes };
      break;
    }
    takenBytes += bytes;
  }
  if (before === undefined || !isOlder(cut, before)) return { cut, takenBytes };
  const keptBytes = alwaysBytes + counted.bytesWithin(before, bySecond);
  return keptBytes >= quotaBytes * (1 - SLACK) ? { cut: before, takenBytes: keptBytes } : { cut, takenBytes };
}

/** Whether `a` takes files that `b` does not. */
function isOlder(a: NewestCut, b: NewestCut): boolean {
  return a.seconds < b.seconds || (a.seconds === b.seconds && a.upTo > b.upTo);
}

class CountedBytes {
  readonly #entries: CountedEntries;
  readonly #isSelected: IsSelected;
  readonly #maxBytes: number;

  constructor(entries: CountedEntries, { isSelected, quotaBytes }: Pick<QuotaRules, "isSelected" | "quotaBytes">) {
    this.#entries = entries;
    this.#isSelected = isSelected;
    this.#maxBytes = quotaBytes;
  }

  sum(): { readonly alwaysBytes: number; readonly bySecond: ReadonlyMap<number, number> } {
    let alwaysBytes = 0;
    const bySecond = new Map<number, number>();
    for (const [entry, sign] of countedFiles(this.#entries, this.#isSelected)) {
      if (isMetadataPath(entry.path)) alwaysBytes += sign * entry.size;
      else if (entry.size <= this.#maxBytes) {
        const seconds = secondsOf(entry.mtimeNs);
        bySecond.set(seconds, (bySecond.get(seconds) ?? 0) + sign * entry.size);
      }
    }
    return { alwaysBytes, bySecond };
  }

  /** Files of one second in path order, as far as they fit. */
  border(seconds: number, roomBytes: number): { readonly bytes: number; readonly upTo: string } {
    const files = this.#ofSecond(seconds);
    let [bytes, upTo] = [0, ""];
    for (const path of [...files.keys()].sort()) {
      const size = files.get(path)!;
      if (bytes + size > roomBytes) break;
      bytes += size;
      upTo = path;
    }
    return { bytes, upTo };
  }

  bytesWithin(cut: NewestCut, bySecond: ReadonlyMap<number, number>): number {
    let bytes = 0;
    for (const [seconds, ofSecond] of bySecond) if (seconds > cut.seconds) bytes += ofSecond;
    for (const [path, size] of this.#ofSecond(cut.seconds)) if (path <= cut.upTo) bytes += size;
    return bytes;
  }

  #ofSecond(seconds: number): Map<string, number> {
    const files = new Map<string, number>();
    for (const [entry, sign] of countedFiles(this.#entries, this.#isSelected)) {
      if (secondsOf(entry.mtimeNs) !== seconds || isMetadataPath(entry.path)) continue;
      if (entry.size > this.#maxBytes) continue;
      if (sign > 0) files.set(entry.path, entry.size);
      else files.delete(entry.path);
    }
    return files;
  }
}

function secondsOf(mtimeNs: bigint): number {
  return Number(mtimeNs / NANOSECONDS);
}
