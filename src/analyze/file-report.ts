import { CappedTable } from "./capped-table.ts";
import { FILE_KINDS, type FileKind } from "./file-kind.ts";
import type { Request } from "./request.ts";

/** The paper's border between small and large files. */
export const SMALL_BYTES = 1e6;
/** "Most downloads within 2–3 days of release". */
export const FLASH_SECONDS: number = 72 * 3600;
const FLASH_HOURS = 14 * 24;
/** Whose first request comes later than this after the log's begin did not exist before, as far as the log tells. */
const NEW_AFTER_SECONDS = 86_400;
/** Half a million places of 56 bytes: 29 MB, and twice that for a moment when the table is thinned. */
const MAX_FILES = 350_000;
const [REQUESTS, BYTES, FIRST, WITHIN, SIZE, KIND] = [0, 1, 2, 3, 4, 5];
const COLUMNS = 6;

/** Shares are 0 … 1; null if there was nothing to share. */
export interface SizeReport {
  /** Files of known size: the most bytes that one answer had. Files known by redirects alone have none. */
  readonly files: number;
  readonly smallShareOfFiles: number | null;
  readonly smallShareOfRequests: number | null;
  readonly smallShareOfBytes: number | null;
  readonly smallShareOfStoredBytes: number | null;
  /** Share of files and of downloaded bytes in files up to each size; sizes are powers of two. */
  readonly distribution: readonly { readonly sizeBytes: number; readonly files: number; readonly bytes: number }[];
}

export interface FlashReport {
  /** Of all requests: how many came within 72 h of their file's first. Files older than the log look new in it. */
  readonly shareOfRequests: number | null;
  /** Files whose first request came a day or more after the log's begin and 72 h or more before its end. */
  readonly newFiles: number;
  readonly shareOfRequestsForNewFiles: number | null;
  /** Requests for files new in the log, by hours since their first. */
  readonly requestsByAgeHours: readonly number[];
}

export interface PopularityReport {
  readonly files: number;
  readonly askedOnce: number;
  readonly shareOfTopPercent: number | null;
  readonly shareOfTopTenPercent: number | null;
  /** Requests of the file at each rank, ranks 1, 2, 4, … */
  readonly requestsByRank: readonly { readonly rank: number; readonly requests: number }[];
}

/** What is counted per file. */
export class FileCounts {
  readonly #files = new CappedTable({ columns: COLUMNS, maxRows: MAX_FILES, sampledBy: "key" });
  readonly #ages = new Float64Array(FLASH_HOURS);

  /** Each file in the reports stands for so many. */
  get scale(): number {
    return this.#files.scale;
  }

  /** Requests and bytes of one file; undefined if the sample left it out. */
  exactly(first: number, second: number): { readonly requests: number; readonly bytes: number } | undefined {
    const row = this.#files.find(first, second) * COLUMNS;
    const { values } = this.#files;
    return row < 0 ? undefined : { requests: values[row + REQUESTS]!, bytes: values[row + BYTES]! };
  }

  /** Counts a request and fills in what kind its file is. @param kindOf is asked for files not met before */
  add(request: Request, logBeginSeconds: number, kindOf: () => FileKind): void {
    const row = this.#files.slotOf(request.fileFirst, request.fileSecond) * COLUMNS;
    if (row < 0) {
      request.kind = kindOf();
      return;
    }
    const { values } = this.#files;
    const { timeSeconds, bytes } = request;
    const isFirst = values[row + REQUESTS] === 0;
    if (isFirst) values[row + KIND] = FILE_KINDS.indexOf(kindOf());
    request.kind = FILE_KINDS[values[row + KIND]!]!;
    if (isFirst || timeSeconds < values[row + FIRST]!) values[row + FIRST] = timeSeconds;
    const age = timeSeconds - values[row + FIRST]!;
    values[row + REQUESTS]!++;
    values[row + BYTES]! += bytes;
    if (age <= FLASH_SECONDS) values[row + WITHIN]!++;
    if (bytes > values[row + SIZE]!) values[row + SIZE] = bytes;
    const hour = Math.floor(age / 3600);
    if (hour < FLASH_HOURS && values[row + FIRST]! >= logBeginSeconds + NEW_AFTER_SECONDS) this.#ages[hour]!++;
  }

  sizes(): SizeReport {
    const { values } = this.#files;
    const all = new Sums();
    const small = new Sums();
    const byPower = Array.from({ length: 64 }, () => new Sums());
    for (const slot of this.#files.slots()) {
      const size = values[slot * COLUMNS + SIZE]!;
      if (size === 0) continue;
      const row = { size, requests: values[slot * COLUMNS + REQUESTS]!, bytes: values[slot * COLUMNS + BYTES]! };
      all.add(row);
      if (size < SMALL_BYTES) small.add(row);
      byPower[Math.ceil(Math.log2(size))]!.add(row);
    }
    const last = byPower.findLastIndex(({ files }) => files > 0);
    let [files, bytes] = [0, 0];
    const distribution = byPower.slice(0, last + 1).map((sums, power) => {
      files += sums.files;
      bytes += sums.bytes;
      return { sizeBytes: 2 ** power, files: files / all.files, bytes: bytes / all.bytes };
    });
    return {
      files: all.files * this.scale,
      smallShareOfFiles: share(small.files, all.files),
      smallShareOfRequests: share(small.requests, all.requests),
      smallShareOfBytes: share(small.bytes, all.bytes),
      smallShareOfStoredBytes: share(small.stored, all.stored),
      distribution,
    };
  }

  flash(logSeconds: readonly [begin: number, end: number]): FlashReport {
    const { values } = this.#files;
    let [all, within, newFiles, newAll, newWithin] = [0, 0, 0, 0, 0];
    for (const slot of this.#files.slots()) {
      const [requests, early, first] = [
        values[slot * COLUMNS + REQUESTS]!,
        values[slot * COLUMNS + WITHIN]!,
        values[slot * COLUMNS + FIRST]!,
      ];
      all += requests;
      within += early;
      if (first < logSeconds[0] + NEW_AFTER_SECONDS || first > logSeconds[1] - FLASH_SECONDS) continue;
      newFiles++;
      newAll += requests;
      newWithin += early;
    }
    const lastHour = this.#ages.findLastIndex((requests) => requests > 0);
    return {
      shareOfRequests: share(within, all),
      newFiles: newFiles * this.scale,
      shareOfRequestsForNewFiles: share(newWithin, newAll),
      requestsByAgeHours: [...this.#ages.slice(0, lastHour + 1)].map((requests) => requests * this.scale),
    };
  }

  popularity(): PopularityReport {
    const counts = new Float64Array(this.#files.rows);
    let next = 0;
    for (const slot of this.#files.slots()) counts[next++] = this.#files.values[slot * COLUMNS + REQUESTS]!;
    counts.sort().reverse();
    const total = sumOf(counts);
    const shareOfTop = (part: number): number | null =>
      share(sumOf(counts.subarray(0, Math.ceil(part * counts.length))), total);
    const ranks = Array.from({ length: 40 }, (_, power) => 2 ** power).filter((rank) => rank <= counts.length);
    return {
      files: counts.length * this.scale,
      askedOnce: counts.filter((count) => count === 1).length * this.scale,
      shareOfTopPercent: shareOfTop(0.01),
      shareOfTopTenPercent: shareOfTop(0.1),
      requestsByRank: ranks.map((rank) => ({ rank: rank * this.scale, requests: counts[rank - 1]! })),
    };
  }
}

class Sums {
  files = 0;
  requests = 0;
  bytes = 0;
  stored = 0;

  add({ size, requests, bytes }: { readonly size: number; readonly requests: number; readonly bytes: number }): void {
    this.files++;
    this.requests += requests;
    this.bytes += bytes;
    this.stored += size;
  }
}

function share(part: number, of: number): number | null {
  return of === 0 ? null : part / of;
}

function sumOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}
