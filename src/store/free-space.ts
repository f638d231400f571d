import { statfsSync } from "node:fs";

/** What an unprivileged user may still write on a file system. */
export interface FreeSpace {
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** Files that can still be made; Infinity where the file system has no fixed number. */
  readonly freeInodes: number;
}

export function freeSpaceOf(path: string): FreeSpace {
  const { bavail, bsize, blocks, ffree, files } = statfsSync(path);
  return {
    freeBytes: bavail * bsize,
    totalBytes: blocks * bsize,
    freeInodes: files === 0 ? Infinity : ffree,
  };
}

/** Left free for others: 1 GiB or 2 %, whatever is more, but never more than 5 % of a small disk. */
export function reserveBytes(totalBytes: number): number {
  return Math.min(Math.max(2 ** 30, totalBytes * 0.02), totalBytes * 0.05);
}

/** What is missing to write `bytes` into `files` new files; undefined if it fits. */
export function shortfall(
  space: FreeSpace,
  wanted: { readonly bytes: number; readonly files: number },
): { readonly bytes: number; readonly inodes: number } | undefined {
  const bytes = Math.max(0, Math.ceil(wanted.bytes + reserveBytes(space.totalBytes) - space.freeBytes));
  const inodes = Math.max(0, wanted.files - space.freeInodes);
  return bytes > 0 || inodes > 0 ? { bytes, inodes } : undefined;
}
