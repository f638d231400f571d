/** What a volunteer announced: bytes since its program started. */
export interface TransferReport {
  /** Payload given to other volunteers. */
  readonly swarmBytes: number;
  /** Sent to customers. */
  readonly customerBytes: number;
  /** Of what releases asked for: what it had already, under any name or as parts of other files. */
  readonly reusedBytes: number;
  /** Of those, the parts of other files. */
  readonly deltaBytes: number;
  /** What other volunteers gave. */
  readonly peerBytes: number;
  /** What central gave. */
  readonly originBytes: number;
}

export const NO_TRANSFERS: TransferReport = {
  swarmBytes: 0,
  customerBytes: 0,
  reusedBytes: 0,
  deltaBytes: 0,
  peerBytes: 0,
  originBytes: 0,
};
const KINDS = Object.keys(NO_TRANSFERS) as readonly (keyof TransferReport)[];

/** Of a counter from one report to the next: no line carries so much in an hour, and no liar spoils the sums for good. 1 PiB. */
const MAX_GROWTH_BYTES = 2 ** 50;

/** Sums of what all volunteers announced since central started: programs that end and start again count on. */
export class TransferTotals {
  readonly #last = new Map<string, TransferReport>();
  #total = NO_TRANSFERS;

  get total(): TransferReport {
    return this.#total;
  }

  /**
   * Counters that fell began anew. Of a program that began before central, the first report is only where counting begins: what it did
   * until then was counted before central's restart.
   */
  note(id: string, report: TransferReport, { hasStarted }: { readonly hasStarted: boolean }): void {
    const last = this.#last.get(id) ?? (hasStarted ? NO_TRANSFERS : report);
    const base = KINDS.every((kind) => last[kind] <= report[kind]) ? last : NO_TRANSFERS;
    const grown = (kind: keyof TransferReport): number => Math.min(report[kind] - base[kind], MAX_GROWTH_BYTES);
    const sum = (kind: keyof TransferReport): number => this.#total[kind] + grown(kind);
    this.#total = Object.fromEntries(KINDS.map((kind) => [kind, sum(kind)])) as unknown as TransferReport;
    this.#last.set(id, report);
  }

  /** Its program ended, so that its counters begin at 0; what it did stays. */
  forget(id: string): void {
    this.#last.delete(id);
  }
}
