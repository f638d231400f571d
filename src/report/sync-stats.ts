import type { ItemizedChange, ItemizedState } from "./itemized-change.ts";
import type { SyncSummary } from "./sync-summary.ts";

/** Paths by kind; DEST itself counts as a directory, as with rsync. */
export interface EntryCounts {
  readonly files: number;
  readonly directories: number;
  readonly symlinks: number;
  /** Devices, FIFOs and sockets: no release has any, DEST may. */
  readonly specials?: number;
}

type Counts = { -readonly [Kind in keyof EntryCounts]-?: number };

function noEntries(): Counts {
  return { files: 0, directories: 0, symlinks: 0, specials: 0 };
}

/** What `--stats` tells. */
export interface StatsFacts {
  readonly summary: SyncSummary;
  /** All that the mirror holds of the release. */
  readonly entries: EntryCounts;
  /** Sizes of files and lengths of symlink targets. */
  readonly totalBytes: number;
  readonly changes: Iterable<ItemizedChange>;
  /** Bytes of contents that no file of DEST had. */
  readonly literalBytes: number;
}

/** The block that rsync prints for `--stats`. What rsync calls file list is here what comes beside contents. */
export function describeStats(facts: StatsFacts): string {
  const { summary, totalBytes, literalBytes } = facts;
  const created = noEntries();
  const removed = noEntries();
  const transferred = { files: 0, bytes: 0 };
  for (const { action, before, after } of facts.changes) {
    if (action === "remove") count(removed, before.kind);
    else if (before.kind !== after.kind) count(created, after.kind);
    if (action !== "update" || after.kind !== "file") continue;
    transferred.files++;
    transferred.bytes += after.size ?? 0;
  }
  const { uploaded, received, metadata } = summary.bytes;
  const rate = (uploaded + received) / Math.max(0.001, summary.seconds);
  const speedup = totalBytes / Math.max(1, uploaded + received);
  return [
    `Number of files: ${describeCounts(facts.entries)}`,
    `Number of created files: ${describeCounts(created)}`,
    `Number of deleted files: ${describeCounts(removed)}`,
    `Number of regular files transferred: ${grouped(transferred.files)}`,
    `Total file size: ${grouped(totalBytes)} bytes`,
    `Total transferred file size: ${grouped(transferred.bytes)} bytes`,
    `Literal data: ${grouped(literalBytes)} bytes`,
    `Matched data: ${grouped(Math.max(0, transferred.bytes - literalBytes))} bytes`,
    `File list size: ${grouped(metadata)}`,
    `Total bytes sent: ${grouped(uploaded)}`,
    `Total bytes received: ${grouped(received)}`,
    "",
    `sent ${grouped(uploaded)} bytes  received ${grouped(received)} bytes  ${grouped(rate, 2)} bytes/sec`,
    `total size is ${grouped(totalBytes)}  speedup is ${grouped(speedup, 2)}${summary.dryRun === true ? " (DRY RUN)" : ""}`,
  ].join("\n");
}

function count(counts: Counts, kind: ItemizedState["kind"]): void {
  if (kind === "directory") counts.directories++;
  else if (kind === "symlink") counts.symlinks++;
  else if (kind === "other") counts.specials++;
  else counts.files++;
}

/** `11 (reg: 8, dir: 2, link: 1)`; kinds that are not there are left out. */
function describeCounts({ files, directories, symlinks, specials = 0 }: EntryCounts): string {
  const kinds = [
    ["reg", files],
    ["dir", directories],
    ["link", symlinks],
    ["special", specials],
  ] as const;
  const named = kinds.filter(([, number]) => number > 0).map(([kind, number]) => `${kind}: ${grouped(number)}`);
  const all = grouped(files + directories + symlinks + specials);
  return named.length === 0 ? all : `${all} (${named.join(", ")})`;
}

function grouped(value: number, decimals = 0): string {
  return value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}
