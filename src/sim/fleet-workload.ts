/** A file of the repository that customers ask for. */
export interface FleetFile {
  readonly bytes: number;
  readonly kind: string;
  /** Place in {@link FleetWorkload.publishedSeconds} of the release that brought it. */
  readonly release: number;
}

/** A customer asks central for a file. */
export interface FleetRequest {
  readonly atSeconds: number;
  /** Place in {@link FleetWorkload.files}. */
  readonly file: number;
  readonly site: string | undefined;
  /** What the customer's own line takes. */
  readonly downBytesPerSecond: number;
}

/** Days of a repository and its customers; from a log or from a generator. */
export interface FleetWorkload {
  readonly files: readonly FleetFile[];
  /** Ascending. The first is 0: what was there before. */
  readonly publishedSeconds: readonly number[];
  /** In order of time. */
  readonly requests: readonly FleetRequest[];
  readonly horizonSeconds: number;
}
