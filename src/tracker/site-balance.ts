/** A difference that is noise: a share of what a site takes on average. */
const NOISE_SHARE = 0.02;

interface Counters {
  readonly site: string;
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
}

interface Totals {
  uploadedBytes: number;
  downloadedBytes: number;
}

/** What a volunteer announced: bytes that crossed the border of its site since its program started. */
export interface BorderReport {
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
}

/**
 * What each site gave to others and took from them. Large sites would give far more than they take, because there is
 * always somebody there to ask; so volunteers of those in debt are named more often.
 */
export class SiteBalance {
  readonly #last = new Map<string, Counters>();
  readonly #totals = new Map<string, Totals>();

  /** Counters that fell began anew; who moved to another site begins there. */
  note(id: string, site: string, { uploadedBytes, downloadedBytes }: BorderReport): void {
    const last = this.#last.get(id);
    const isContinued =
      last?.site === site && last.uploadedBytes <= uploadedBytes && last.downloadedBytes <= downloadedBytes;
    const totals = this.#totals.get(site) ?? { uploadedBytes: 0, downloadedBytes: 0 };
    totals.uploadedBytes += uploadedBytes - (isContinued ? last.uploadedBytes : 0);
    totals.downloadedBytes += downloadedBytes - (isContinued ? last.downloadedBytes : 0);
    this.#totals.set(site, totals);
    this.#last.set(id, { site, uploadedBytes, downloadedBytes });
  }

  /** The volunteer is gone for good; what its site gave and took stays. */
  forget(id: string): void {
    this.#last.delete(id);
  }

  get totals(): ReadonlyMap<string, BorderReport> {
    return this.#totals;
  }

  /** Downloaded / uploaded, from 1/8 (gave much) to 8 (deep in debt); 1 for a site nothing is known of. */
  debtOf(site: string): number {
    const { uploadedBytes, downloadedBytes } = this.#totals.get(site) ?? { uploadedBytes: 0, downloadedBytes: 0 };
    const noise = Math.max(1, this.#noiseBytes);
    return Math.min(8, Math.max(1 / 8, (downloadedBytes + noise) / (uploadedBytes + noise)));
  }

  get #noiseBytes(): number {
    let downloadedBytes = 0;
    for (const totals of this.#totals.values()) downloadedBytes += totals.downloadedBytes;
    return (downloadedBytes / Math.max(1, this.#totals.size)) * NOISE_SHARE;
  }
}
