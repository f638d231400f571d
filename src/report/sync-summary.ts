import { formatByteSize } from "../core/byte-size.ts";

/** What `prsync sync --json` prints. Network figures are bytes read from sockets above TCP, framing and headers included. */
export interface SyncSummary {
  readonly release: number;
  /** 0 if the mirror held none. */
  readonly previous: number;
  /** Regular files: total = kept + copied + delta + fetched. */
  readonly files: {
    readonly total: number;
    readonly kept: number;
    readonly copied: number;
    readonly delta: number;
    readonly fetched: number;
    readonly removed: number;
    /** Paths that the release lacks and that stay until they are old enough (--delete-after-age); absent if none. */
    readonly heldBack?: number;
  };
  readonly bytes: {
    /** Sizes of all regular files. */
    readonly total: number;
    /** What came from this host. */
    readonly reused: number;
    readonly received: number;
    readonly fromPeers: number;
    readonly fromOrigin: number;
    readonly metadata: number;
    readonly uploaded: number;
  };
  readonly seconds: number;
  /** Nothing was done: all figures but those of metadata are predictions, `seconds` too (0 if no download was ever measured). */
  readonly dryRun?: true;
}

/** The summary in words, one fact a line. */
export function describeSync(summary: SyncSummary): string {
  const { files, bytes } = summary;
  if (summary.dryRun === true) return describePrediction(summary);
  const step =
    summary.previous === summary.release
      ? `release ${summary.release}`
      : `release ${summary.previous} → ${summary.release}`;
  return [
    `${step} in ${summary.seconds.toFixed(1)} s: ${files.total} files, ${formatByteSize(bytes.total)}`,
    `  files: ${files.kept} kept, ${files.copied} copied, ${files.delta} by delta, ${files.fetched} fetched, ${files.removed} removed${heldBackWords(files)}`,
    `  bytes: ${formatByteSize(bytes.reused)} reused, ${formatByteSize(bytes.fromPeers)} from peers, ` +
      `${formatByteSize(bytes.fromOrigin)} from the origin, ${formatByteSize(bytes.metadata)} metadata, ` +
      `${formatByteSize(bytes.uploaded)} given to others`,
  ].join("\n");
}

function heldBackWords({ heldBack }: SyncSummary["files"]): string {
  return heldBack === undefined ? "" : ` (${heldBack} more paths later)`;
}

/** What a dry run says would come. */
function describePrediction({ release, previous, files, bytes, seconds }: SyncSummary): string {
  const rate =
    seconds > 0
      ? `about ${seconds.toFixed(1)} s at the rate of the last download`
      : "time unknown, no download was measured yet";
  return [
    `dry run, release ${previous} → ${release}: ${files.total} files, ${formatByteSize(bytes.total)}; nothing was changed`,
    `  files: ${files.kept} to keep, ${files.copied} to copy, ${files.delta} by delta, ${files.fetched} to fetch, ${files.removed} to remove${heldBackWords(files)}`,
    `  bytes: ${formatByteSize(bytes.reused)} here already, ${formatByteSize(bytes.fromPeers)} from peers, ` +
      `${formatByteSize(bytes.fromOrigin)} from the origin; ${rate}`,
  ].join("\n");
}
