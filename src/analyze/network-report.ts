import { testUniformity } from "../model/kolmogorov-smirnov.ts";
import { cacheSavedShare } from "../model/cache-savings.ts";
import { CappedTable } from "./capped-table.ts";
import { fileMark, type Request } from "./request.ts";

const MAX_NETWORKS = 350_000;
/** Just below where the table would double: 9 to 13 MB each. */
const MAX_PAIRS = 350_000;
/** Table 3 of Planet Scale Software Updates, and a cache in each network. */
const THRESHOLDS = [0, 2, 5, 10, 25, 50];
const DAY_MINUTES = 1440;
/** Fewer points reject nothing. */
const LEAST_POINTS = 8;
const LEVEL = 0.05;
const [COUNT, BYTES] = [0, 1];
const COLUMNS = 2;

/** What caches in all networks with more than so many downloads would have saved. */
export interface CacheRow {
  readonly moreThan: number;
  readonly networks: number;
  /** μ: share of all downloads that goes there. */
  readonly coveredShare: number;
  /** S: downloads of a file per network that wants it; null if there is none. */
  readonly meanPerCache: number | null;
  /** α = μ(1 − 1/S): share of all downloads that caches take. */
  readonly savedShare: number;
  readonly savedShareOfBytes: number | null;
}

export interface CacheReport {
  readonly networks: number;
  readonly rows: readonly CacheRow[];
  /** Each pair of network and file that was counted stands for so many; the shares' standard error is below 1 / √pairs. */
  readonly pairScale: number;
  readonly pairs: number;
}

export interface BurstReport {
  /** Networks with 8 downloads and more, those tested. */
  readonly networks: number;
  /** Networks whose downloads are not told from even ones over the day, at 5 %. */
  readonly evenShare: number | null;
  /** Their share of the downloads of networks tested. */
  readonly evenShareOfRequests: number | null;
  readonly medianDistance: number | null;
  readonly scale: number;
}

/** What is counted per network: /24, /48, or domain. */
export class NetworkCounts {
  readonly #networks = new CappedTable({ columns: COLUMNS, maxRows: MAX_NETWORKS, sampledBy: "key" });
  readonly #pairs = new CappedTable({ columns: COLUMNS, maxRows: MAX_PAIRS, sampledBy: "key" });
  readonly #minutes = new CappedTable({ columns: 1, maxRows: MAX_PAIRS, sampledBy: "first" });

  add({ network, fileFirst, fileSecond, timeSeconds, bytes }: Request): void {
    count(this.#networks, this.#networks.slotOf(network, 0), bytes);
    count(this.#pairs, this.#pairs.slotOf(network, fileMark(fileFirst, fileSecond)), bytes);
    const minute = this.#minutes.slotOf(network, Math.floor(timeSeconds / 60) % DAY_MINUTES);
    if (minute >= 0) this.#minutes.values[minute]!++;
  }

  /** Caches that keep everything (section 5.1). */
  caches(): CacheReport {
    const rows = THRESHOLDS.map((moreThan) => this.#cacheRow(moreThan));
    const { scale, rows: pairs } = this.#pairs;
    return { networks: this.#networks.rows * this.#networks.scale, rows, pairScale: scale, pairs };
  }

  #cacheRow(moreThan: number): CacheRow {
    const { values } = this.#networks;
    let [all, allBytes, covered, coveredBytes, networks] = [0, 0, 0, 0, 0];
    for (const slot of this.#networks.slots()) {
      all += values[slot * COLUMNS + COUNT]!;
      allBytes += values[slot * COLUMNS + BYTES]!;
      if (values[slot * COLUMNS + COUNT]! <= moreThan) continue;
      networks++;
      covered += values[slot * COLUMNS + COUNT]!;
      coveredBytes += values[slot * COLUMNS + BYTES]!;
    }
    const fetched = this.#fetchedByCaches(moreThan);
    const coveredShare = all === 0 ? 0 : covered / all;
    const meanPerCache = fetched.files === 0 ? null : covered / fetched.files;
    return {
      moreThan,
      networks: networks * this.#networks.scale,
      coveredShare,
      meanPerCache,
      savedShare: meanPerCache === null ? 0 : Math.max(0, cacheSavedShare(coveredShare, meanPerCache)),
      savedShareOfBytes: allBytes === 0 ? null : Math.max(0, (coveredBytes - fetched.bytes) / allBytes),
    };
  }

  /** Once per network and file, as many bytes as its downloads had on average. */
  #fetchedByCaches(moreThan: number): { readonly files: number; readonly bytes: number } {
    const { values } = this.#pairs;
    let [files, fetched] = [0, 0];
    for (const slot of this.#pairs.slots()) {
      const network = this.#networks.find(this.#pairs.firstOf(slot), 0);
      if (network < 0 || this.#networks.values[network * COLUMNS + COUNT]! <= moreThan) continue;
      files++;
      fetched += values[slot * COLUMNS + BYTES]! / values[slot * COLUMNS + COUNT]!;
    }
    return { files: files * this.#pairs.scale, bytes: fetched * this.#pairs.scale };
  }

  /** Kolmogorov–Smirnov over the time of day (section 4.1.3), to the minute: points of a minute are spread over it. */
  bursts(): BurstReport {
    const minutes = new Map<number, number[]>();
    for (const slot of this.#minutes.slots()) {
      const network = this.#minutes.firstOf(slot);
      const points = minutes.get(network);
      const [minute, requests] = [this.#minutes.secondOf(slot), this.#minutes.values[slot]!];
      if (points === undefined) minutes.set(network, [minute, requests]);
      else points.push(minute, requests);
    }
    const tests = [...minutes.values()].map(testMinutes).filter((test) => test !== undefined);
    const even = tests.filter(({ probability }) => probability >= LEVEL);
    const distances = tests.map(({ distance }) => distance).sort((a, b) => a - b);
    const requestsOf = (some: typeof tests): number => some.reduce((sum, { requests }) => sum + requests, 0);
    return {
      networks: tests.length * this.#minutes.scale,
      evenShare: tests.length === 0 ? null : even.length / tests.length,
      evenShareOfRequests: tests.length === 0 ? null : requestsOf(even) / requestsOf(tests),
      medianDistance: distances[distances.length >> 1] ?? null,
      scale: this.#minutes.scale,
    };
  }
}

/** More points than these only cost time: each minute then counts in proportion. */
const MOST_POINTS = 100_000;

function testMinutes(
  pairs: readonly number[],
): { readonly requests: number; readonly distance: number; readonly probability: number } | undefined {
  let requests = 0;
  for (let at = 1; at < pairs.length; at += 2) requests += pairs[at]!;
  if (requests < LEAST_POINTS) return undefined;
  const thinned = Math.max(1, requests / MOST_POINTS);
  const points: number[] = [];
  for (let at = 0; at < pairs.length; at += 2) {
    const inMinute = Math.round(pairs[at + 1]! / thinned);
    for (let i = 0; i < inMinute; i++) points.push((pairs[at]! + (i + 0.5) / inMinute) / DAY_MINUTES);
  }
  return { requests, ...testUniformity(points) };
}

function count(table: CappedTable, slot: number, bytes: number): void {
  if (slot < 0) return;
  table.values[slot * COLUMNS + COUNT]!++;
  table.values[slot * COLUMNS + BYTES]! += bytes;
}
