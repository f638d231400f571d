import type { FleetWorkload } from "./fleet-workload.ts";
import { type FileDownloads, ServerLoadSum } from "./server-load.ts";

/** A site with more requests than this has a cache in the comparison (Planet Scale Software Updates, figure 13). */
const CACHE_ABOVE_REQUESTS = 25;
const UPLOAD_RATIO = 1 / 4;
const BIN_SECONDS = 60;
/** What is called the peak is the mean of ten minutes. */
const PEAK_BINS = 10;

/** How the server's load would be without volunteers. */
export interface LoadRow {
  readonly name: string;
  readonly bytes: number;
  /** Of what the server sends if it sends everything. */
  readonly share: number;
  /** The most of ten minutes. */
  readonly peakBytesPerSecond: number;
  /** Of the bytes that peers give: the most that they could give within a site; undefined without peers. */
  readonly sameSiteShare: number | undefined;
  /** Bytes per second, by {@link LoadStudy.binSeconds}. */
  readonly series: Float64Array;
}

export interface LoadStudy {
  readonly binSeconds: number;
  readonly rows: readonly LoadRow[];
}

/** Client–server, caches, and customers that give what they have: gone at once, twice as long, until they gave as much as they took. */
export function studyLoad(workload: FleetWorkload): LoadStudy {
  const { requests, horizonSeconds } = workload;
  const sites = new Map<string, number>();
  const counts: number[] = [];
  const siteOf = (name: string | undefined): number => {
    const site = sites.get(name ?? "") ?? sites.size;
    sites.set(name ?? "", site);
    return site;
  };
  for (const { site } of requests) counts[siteOf(site)] = (counts[siteOf(site)] ?? 0) + 1;
  const sum = new ServerLoadSum({
    horizonSeconds,
    binSeconds: BIN_SECONDS,
    uploadRatio: UPLOAD_RATIO,
    stays: [1, 2, 1 / UPLOAD_RATIO],
    hasCache: (site) => counts[site]! > CACHE_ABOVE_REQUESTS,
  });
  for (const [file, members] of Map.groupBy(requests, (request) => request.file)) {
    const { bytes } = workload.files[file]!;
    const downloads: FileDownloads = {
      bytes,
      atSeconds: Float64Array.from(members, ({ atSeconds }) => atSeconds),
      seconds: Float64Array.from(members, ({ downBytesPerSecond }) => bytes / downBytesPerSecond),
      sites: Int32Array.from(members, ({ site }) => siteOf(site)),
    };
    sum.add(downloads);
    sum.addSites(downloads);
  }
  const { clientServer, cached, peers, givenBytes, sameSiteBytes } = sum.load;
  const whole = bytesOf(clientServer);
  const rowOf = (name: string, series: Float64Array, sameSiteShare?: number): LoadRow => ({
    name,
    bytes: bytesOf(series),
    share: bytesOf(series) / whole,
    peakBytesPerSecond: peakOf(series),
    sameSiteShare,
    series,
  });
  const peerNames = ["peers, gone at once", "peers, twice as long", "peers, until ratio 1"];
  const localities = givenBytes.map((given, i) => (given > 0 ? Math.min(1, sameSiteBytes[i]! / given) : undefined));
  return {
    binSeconds: BIN_SECONDS,
    rows: [
      rowOf("client–server", clientServer),
      rowOf("caches", cached),
      ...peers.map((series, i) => rowOf(peerNames[i]!, series, localities[i])),
    ],
  };
}

function bytesOf(series: Float64Array): number {
  return series.reduce((sum, value) => sum + value, 0) * BIN_SECONDS;
}

function peakOf(series: Float64Array): number {
  let most = 0;
  for (let from = 0; from < series.length; from += PEAK_BINS) {
    const part = series.subarray(from, from + PEAK_BINS);
    most = Math.max(most, part.reduce((sum, value) => sum + value, 0) / part.length);
  }
  return most;
}
