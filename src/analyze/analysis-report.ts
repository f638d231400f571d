import type { FileKind } from "./file-kind.ts";
import type { FlashReport, PopularityReport, SizeReport } from "./file-report.ts";
import type { GroupReport } from "./group-report.ts";
import type { AlwaysOnlineReport, HourReport } from "./hour-report.ts";
import type { LogFormat } from "./log-line.ts";
import type { BurstReport, CacheReport } from "./network-report.ts";
import type { SyncTimeReport } from "./sync-time.ts";
import type { TreeReport } from "./tree-report.ts";

/** What came in, line by line; every line but empty ones is in exactly one of these. */
export interface LineCounts {
  /** GET answered with 200, 206, 302 or 307, not below /.prsync/, and files sent by rsync: all reports are about these. */
  downloads: number;
  /** Other requests: HEAD, 304, 404, those of mirrors to central, … */
  otherRequests: number;
  /** rsyncd's connects, sums and the like. */
  notes: number;
  malformed: number;
  /** Longer than 64 KiB. */
  tooLong: number;
  clockJumps: number;
}

export interface KindCount {
  requests: number;
  bytes: number;
}

export interface NameReport {
  /** Counts are too low by this at most. */
  readonly undercount: number;
  readonly top: readonly { readonly name: string; readonly requests: number; readonly bytes: number }[];
}

/** All that `prsync analyze` tells of logs; the shape of its `--json`. Times are seconds since 1970. */
export interface AnalysisReport {
  readonly lines: Readonly<LineCounts>;
  readonly formats: Readonly<Record<LogFormat, number>>;
  readonly statuses: Readonly<Record<string, number>>;
  readonly begin: number | null;
  readonly end: number | null;
  readonly bytes: number;
  readonly kinds: Readonly<Record<FileKind, Readonly<KindCount>>>;
  readonly sizes: SizeReport;
  readonly tools: NameReport;
  readonly flashCrowds: FlashReport;
  readonly popularity: PopularityReport & NameReport;
  readonly hours: HourReport;
  readonly bursts: BurstReport;
  readonly caches: CacheReport;
  readonly alwaysOnline: AlwaysOnlineReport;
  readonly groups: GroupReport;
  readonly syncTimes: SyncTimeReport;
  /** Null without `--tree`. */
  readonly tree: TreeReport | null;
  /** Each file counted stands for so many. */
  readonly fileScale: number;
}
