import { DEFAULT_CAPACITY_BYTES_PER_SECOND, type VolunteerLoad } from "./delivery-volunteer.ts";
import { OutstandingTransfers } from "./outstanding-transfers.ts";

/** What a volunteer told of itself in one announce. */
export interface LoadReport {
  /** When it came; a later one replaces it. Milliseconds of a monotonic clock. */
  readonly atMs: number;
  /** Open transfers. */
  readonly customers: number;
  readonly customerBytes: number;
  readonly syncBytes: number;
  /** 0 if it does not know. */
  readonly capacityBytesPerSecond: number;
}

interface Known {
  reportedAtMs: number;
  readonly capacityBytesPerSecond: number;
  readonly outstanding: OutstandingTransfers;
}

/**
 * The loads between two announces: what was told last, plus what central sent there since, less what the line has carried
 * meanwhile. Without the middle term all customers of an interval would go where the last announce was the most idle.
 */
export class LoadEstimates {
  readonly #known = new Map<string, Known>();

  /** A customer was sent there. `report`: the last that came. */
  noteRedirect(id: string, report: LoadReport, { lengthBytes, nowMs }: SentTransfer): void {
    this.transfersOf(id, report).add(lengthBytes, nowMs);
  }

  estimate(id: string, report: LoadReport, nowMs: number): VolunteerLoad {
    return this.transfersOf(id, report).load(nowMs);
  }

  forget(id: string): void {
    this.#known.delete(id);
  }

  /** What goes on there, corrected by the report if that is another than the last one; good until the next. */
  transfersOf(id: string, report: LoadReport): OutstandingTransfers {
    const { atMs } = report;
    const known = this.#known.get(id);
    if (known?.reportedAtMs === atMs) return known.outstanding;
    const capacityBytesPerSecond = report.capacityBytesPerSecond || DEFAULT_CAPACITY_BYTES_PER_SECOND;
    if (known?.capacityBytesPerSecond === capacityBytesPerSecond) {
      known.outstanding.correct(report, atMs);
      known.reportedAtMs = atMs;
      return known.outstanding;
    }
    const outstanding =
      known?.outstanding.onLineOf(capacityBytesPerSecond, atMs) ??
      new OutstandingTransfers(capacityBytesPerSecond, atMs);
    outstanding.correct(report, atMs);
    this.#known.set(id, { reportedAtMs: atMs, capacityBytesPerSecond, outstanding });
    return outstanding;
  }
}

export interface SentTransfer {
  readonly lengthBytes: number;
  /** Of the redirect. */
  readonly nowMs: number;
}
