import type { FaultBed } from "./fault-bed.ts";

/**
 * How a fault is brought about: a signal, an error or a lie in the n-th system call; power cut; a disk that is small, short
 * of inodes, read-only or slow; bytes changed on the disk; the clock; other programs at the same time; names and kinds of files.
 */
export type FaultKind = "kill" | "error" | "power" | "disk" | "rot" | "clock" | "concurrent" | "race" | "names";

/** What came of it. */
export interface Played {
  /** How often the fault really happened; 0 is a failure. */
  readonly fired: number;
  /** What went wrong; empty if the promise was kept. */
  readonly problems: readonly string[];
}

/** One fault at one moment. */
export interface FaultPlay {
  /** Unique within the row. */
  readonly name: string;
  readonly kind: FaultKind;
  /** @param lane plays of different lanes run at the same time */
  play(bed: FaultBed, lane: number): Promise<Played>;
}

/** A row of the fault matrix (reliability: 3.1 crash, power, disk; 3.2 time and concurrency; 3.6 names and file objects). */
export type FaultRow =
  | { readonly id: string; readonly fault: string; readonly plays: readonly FaultPlay[] }
  /** A row that can't happen here, and why. */
  | { readonly id: string; readonly fault: string; readonly notHere: string };

/** The same check on a run without the defence: it must find problems, or it could not see any. */
export interface FaultControl {
  readonly kind: FaultKind;
  readonly without: string;
  play(bed: FaultBed, lane: number): Promise<Played>;
}
