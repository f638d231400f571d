import * as fs from "node:fs";
import { baseNameOf, type RepoPath } from "../core/repo-path.ts";
import { StoreError } from "./errors.ts";

const PROC_SUPER_MAGIC = 0x9fa0;

/** What leads to the children of an open directory without a look at its name; ends in "/". */
export function procPathOf(descriptor: number): string {
  return `/proc/self/fd/${descriptor}/`;
}

/** A child by its bytes. @param parent ends in "/" */
export function leafOf(parent: string, path: RepoPath): Buffer {
  return Buffer.from(parent + baseNameOf(path), "latin1");
}

/**
 * The walk is only safe on a real procfs: anything else mounted there could lead anywhere. Checked at every open.
 * @throws StoreError `no-procfs`
 */
export function assertProcfs(): void {
  try {
    if (fs.statfsSync("/proc/self/fd").type === PROC_SUPER_MAGIC) return;
  } catch (error) {
    throw new StoreError("no-procfs", "/proc is not mounted; it is needed to work safely below a directory", {
      cause: error,
    });
  }
  throw new StoreError("no-procfs", "/proc is not a proc file system; it is needed to work safely below a directory");
}
