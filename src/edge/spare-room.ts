import type { ContentToObtain } from "../plan/plan-sync.ts";
import { freeSpaceOf, reserveBytes } from "../store/free-space.ts";

/** Bytes and files that a sync may put on the disk of DEST on top of what its plan needs, until it ends. */
export class SpareRoom {
  #leftBytes: number;
  #leftFiles: number;

  constructor(leftBytes: number, leftFiles: number) {
    this.#leftBytes = leftBytes;
    this.#leftFiles = leftFiles;
  }

  /** What is free now, less the reserve and all that the plan still writes; parts of an interrupted run count as unwritten. */
  static beside(contents: readonly ContentToObtain[], path: string): SpareRoom {
    const { freeBytes, totalBytes, freeInodes } = freeSpaceOf(path);
    const written = contents.filter(({ source }) => source.how !== "move");
    const plannedBytes = written.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
    return new SpareRoom(freeBytes - reserveBytes(totalBytes) - plannedBytes, freeInodes - written.length);
  }

  /** Not below 0. */
  get leftBytes(): number {
    return this.#leftFiles > 0 ? Math.max(0, this.#leftBytes) : 0;
  }

  /** Sets room for one file aside; false if there is not so much. */
  take(bytes: number): boolean {
    if (bytes > this.leftBytes) return false;
    this.#leftBytes -= bytes;
    this.#leftFiles--;
    return true;
  }

  /** That file is gone. */
  give(bytes: number): void {
    this.#leftBytes += bytes;
    this.#leftFiles++;
  }
}
