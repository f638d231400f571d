import { formatByteSize } from "../../core/byte-size.ts";

/** What one mirror did for one release: figures of its `synced` event. */
export interface TransferRow {
  readonly mirror: string;
  readonly release: number;
  readonly seconds: number;
  readonly files: {
    readonly kept: number;
    readonly copied: number;
    readonly delta: number;
    readonly fetched: number;
    readonly removed: number;
  };
  readonly bytes: {
    readonly total: number;
    readonly reused: number;
    readonly fromPeers: number;
    readonly fromOrigin: number;
    readonly metadata: number;
  };
}

const HEADINGS = [
  "release",
  "mirror",
  "files kept",
  "copied",
  "delta",
  "fetched",
  "removed",
  "bytes reused",
  "from peers",
  "from origin",
  "metadata",
  "seconds",
];

/** The lines of the table that the demo ends with. */
export function formatTransferTable(rows: readonly TransferRow[]): string[] {
  const cells = [HEADINGS, ...rows.map(cellsOf)];
  const widths = HEADINGS.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  const lines = cells.map((row) => row.map((cell, column) => pad(cell, column, widths[column]!)).join("  "));
  return [lines[0]!, widths.map((width) => "-".repeat(width)).join("  "), ...lines.slice(1)];
}

/** One sentence: what central sent for a release beside what rsync would have. */
export function describeOriginShare(rows: readonly TransferRow[], newBytes: number): string {
  const sum = (pick: (bytes: TransferRow["bytes"]) => number): number =>
    rows.reduce((total, row) => total + pick(row.bytes), 0);
  const sent = sum(({ fromOrigin, metadata }) => fromOrigin + metadata);
  const copies = (sent / newBytes).toFixed(2);
  return (
    `release ${rows[0]?.release}: ${formatByteSize(newBytes)} of new contents for ${rows.length} mirrors; ` +
    `central sent ${formatByteSize(sent)} in all (${copies} copies), mirrors gave each other ${formatByteSize(sum(({ fromPeers }) => fromPeers))}`
  );
}

function cellsOf({ mirror, release, seconds, files, bytes }: TransferRow): string[] {
  const counts = [files.kept, files.copied, files.delta, files.fetched, files.removed].map(String);
  const sizes = [bytes.reused, bytes.fromPeers, bytes.fromOrigin, bytes.metadata].map(formatByteSize);
  return [String(release), mirror, ...counts, ...sizes, seconds.toFixed(1)];
}

/** Words stand left, figures right. */
function pad(cell: string, column: number, width: number): string {
  return column === 1 ? cell.padEnd(width) : cell.padStart(width);
}
