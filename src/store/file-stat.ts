import type { BigIntStats } from "node:fs";

/**
 * What tells whether a file is still the one that was read: all four, to the nanosecond. The device is left out, its
 * number may change with a reboot.
 */
export interface FileStat {
  /** Bytes. */
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  /** Inode number as a signed 64-bit integer, the way SQLite keeps it. */
  readonly ino: bigint;
}

export function fileStatOf(stats: BigIntStats): FileStat {
  return {
    size: Number(stats.size),
    mtimeNs: stats.mtimeNs,
    ctimeNs: stats.ctimeNs,
    ino: BigInt.asIntN(64, stats.ino),
  };
}

export function isSameFileStat(a: FileStat, b: FileStat): boolean {
  return a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs && a.ino === b.ino;
}
