/** How far a round through all files is; work counts in bytes, each file as some more. */
export interface ScrubRound {
  /** When it began, milliseconds; for a round that was interrupted: when it would have, had it not been. */
  readonly sinceMs: number;
  readonly doneWork: number;
  readonly totalWork: number;
}

/** What opening and closing a file costs, in bytes that could be read meanwhile. */
const WORK_PER_FILE = 64 * 1024;
/** A round that lags behind, after a night without power for instance, goes on at most so much faster. */
const CATCH_UP = 4;

export function scrubWork(files: number, bytes: number): number {
  return bytes + files * WORK_PER_FILE;
}

/**
 * When the next file is due: work is spread evenly over the period, and after a file of `lastWork` there is a pause in any case.
 * @param last the file read before, and when it was
 */
export function scrubDueMs(
  { sinceMs, doneWork, totalWork }: ScrubRound,
  last: { readonly work: number; readonly endMs: number },
  periodMs: number,
): number {
  const timeFor = (work: number): number => (totalWork === 0 ? periodMs : (work / totalWork) * periodMs);
  return Math.max(sinceMs + timeFor(doneWork), last.endMs + timeFor(last.work) / CATCH_UP);
}
