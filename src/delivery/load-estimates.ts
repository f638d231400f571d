import { DEFAULT_CAPACITY_BYTES_PER_SECOND, type VolunteerLoad } from "./delivery-volunteer.ts";

/** What a volunteer told of itself in one announce. */
export interface LoadReport {
  /** When it came; a later one replaces it. Milliseconds of a monotonic clock. */
  readonly atMs: number;
  readonly customerBytes: number;
  readonly syncBytes: number;
  /** 0 if it does not know. */
  readonly capacityBytesPerSecond: number;
}

interface Assigned {
  readonly reportedAtMs: number;
  bytes: number;
}

/**
 * The loads between two announces: what was told last, plus what central sent there since, less what the line has carried
 * meanwhile. Without the middle term all customers of an interval would go where the last announce was the most idle.
 * One number per volunteer.
 */
export class LoadEstimates {
  readonly #assigned = new Map<string, Assigned>();

  /** A customer was sent there. `reportedAtMs`: of the report that was known. */
  noteRedirect(id: string, reportedAtMs: number, lengthBytes: number): void {
    const known = this.#assigned.get(id);
    if (known?.reportedAtMs === reportedAtMs) known.bytes += lengthBytes;
    else this.#assigned.set(id, { reportedAtMs, bytes: lengthBytes });
  }

  estimate(id: string, report: LoadReport, nowMs: number): VolunteerLoad {
    const { atMs, customerBytes, syncBytes } = report;
    const capacityBytesPerSecond = report.capacityBytesPerSecond || DEFAULT_CAPACITY_BYTES_PER_SECOND;
    const known = this.#assigned.get(id);
    const assignedBytes = known?.reportedAtMs === atMs ? known.bytes : 0;
    const carriedBytes = (Math.max(0, nowMs - atMs) / 1000) * capacityBytesPerSecond;
    // Both share the line; customers go first.
    const customerLeft = customerBytes + assignedBytes - carriedBytes;
    return {
      customerBytes: Math.max(0, customerLeft),
      syncBytes: Math.max(0, syncBytes + Math.min(0, customerLeft)),
      capacityBytesPerSecond,
    };
  }

  forget(id: string): void {
    this.#assigned.delete(id);
  }
}
