/** Downloads of one file, one per place of the arrays. */
export interface FileDownloads {
  readonly bytes: number;
  readonly atSeconds: Float64Array;
  /** Until the last byte, if nothing holds it up. */
  readonly seconds: Float64Array;
  /** A number per site of customers. */
  readonly sites: Int32Array;
}

export interface ServerLoadOptions {
  readonly horizonSeconds: number;
  readonly binSeconds: number;
  /** What a customer can send / what it can receive. */
  readonly uploadRatio: number;
  /** How long those that have a file stay and give it, in units of their download's time; 1 / uploadRatio: until they gave as much as they took. */
  readonly stays: readonly number[];
  /** Sites where a cache keeps everything. */
  readonly hasCache: (site: number) => boolean;
}

/** Bytes per second that the server sends, by bins of time. */
export interface ServerLoad {
  /** It sends everything. */
  readonly clientServer: Float64Array;
  /** Sites with a cache fetch each file once. */
  readonly cached: Float64Array;
  /** Customers that stay give to those that come, the server what they can't; by `stays`. */
  readonly peers: readonly Float64Array[];
  /** Bytes that customers gave, by `stays`; and of these, what their own sites could have used: locality's most. */
  readonly givenBytes: readonly number[];
  readonly sameSiteBytes: readonly number[];
}

/**
 * What is left to the server while many customers want the same files (Planet Scale Software Updates, section 5.2 and figure 13): per
 * file and moment, what is wanted less what those give who have it and stay. A fluid: everybody finds everybody.
 */
export class ServerLoadSum {
  readonly #options: ServerLoadOptions;
  readonly #bins: number;
  readonly #load: { clientServer: Float64Array; cached: Float64Array; peers: Float64Array[] };
  readonly #givenBytes: number[];
  readonly #sameSiteBytes: number[];

  constructor(options: ServerLoadOptions) {
    this.#options = options;
    this.#bins = Math.ceil(options.horizonSeconds / options.binSeconds);
    const empty = (): Float64Array => new Float64Array(this.#bins);
    this.#load = { clientServer: empty(), cached: empty(), peers: options.stays.map(empty) };
    this.#givenBytes = options.stays.map(() => 0);
    this.#sameSiteBytes = options.stays.map(() => 0);
  }

  add(downloads: FileDownloads): void {
    const { stays, hasCache } = this.#options;
    const all = [...downloads.atSeconds.keys()];
    const demand = this.#demandOf(downloads, all);
    addTo(this.#load.clientServer, demand);
    addTo(this.#load.cached, this.#demandOf(downloads, withoutCached(downloads, hasCache)));
    stays.forEach((stay, i) => {
      const supply = this.#supplyOf(downloads, all, stay);
      const given = demand.map((wanted, bin) => Math.min(wanted, supply[bin]!));
      this.#givenBytes[i]! += sumOf(given) * this.#options.binSeconds;
      addTo(
        this.#load.peers[i]!,
        demand.map((wanted, bin) => wanted - given[bin]!),
      );
    });
  }

  /** Counts what could stay within sites: costs a pass per file and site. */
  addSites(downloads: FileDownloads): void {
    for (const members of Map.groupBy(downloads.atSeconds.keys(), (at) => downloads.sites[at]!).values()) {
      if (members.length < 2) continue;
      const demand = this.#demandOf(downloads, members);
      this.#options.stays.forEach((stay, i) => {
        const supply = this.#supplyOf(downloads, members, stay);
        let given = 0;
        for (let bin = 0; bin < this.#bins; bin++) given += Math.min(demand[bin]!, supply[bin]!);
        this.#sameSiteBytes[i]! += given * this.#options.binSeconds;
      });
    }
  }

  get load(): ServerLoad {
    return { ...this.#load, givenBytes: this.#givenBytes, sameSiteBytes: this.#sameSiteBytes };
  }

  #demandOf({ bytes, atSeconds, seconds }: FileDownloads, members: readonly number[]): Float64Array {
    const curve = new RateCurve(this.#bins, this.#options.binSeconds);
    for (const at of members) curve.add(bytes / seconds[at]!, atSeconds[at]!, atSeconds[at]! + seconds[at]!);
    return curve.values();
  }

  #supplyOf({ bytes, atSeconds, seconds }: FileDownloads, members: readonly number[], stay: number): Float64Array {
    const curve = new RateCurve(this.#bins, this.#options.binSeconds);
    for (const at of members) {
      const done = atSeconds[at]! + seconds[at]!;
      curve.add((bytes / seconds[at]!) * this.#options.uploadRatio, done, done + seconds[at]! * stay);
    }
    return curve.values();
  }
}

/** Those that ask the server: all without a cache, and the first of each cache. */
function withoutCached({ atSeconds, sites }: FileDownloads, hasCache: (site: number) => boolean): number[] {
  const first = new Map<number, number>();
  const kept: number[] = [];
  atSeconds.forEach((seconds, at) => {
    const site = sites[at]!;
    if (!hasCache(site)) kept.push(at);
    else if (!(atSeconds[first.get(site) ?? -1]! <= seconds)) first.set(site, at);
  });
  return [...kept, ...first.values()];
}

/** Sum of rates over time, its means in bins; exact for each rate that begins and ends anywhere. */
class RateCurve {
  readonly #steps: Float64Array;
  readonly #binSeconds: number;

  constructor(bins: number, binSeconds: number) {
    this.#steps = new Float64Array(bins + 2);
    this.#binSeconds = binSeconds;
  }

  add(rate: number, from: number, to: number): void {
    this.#step(rate, from);
    this.#step(-rate, to);
  }

  values(): Float64Array {
    let total = 0;
    return this.#steps.map((step) => (total += step)).slice(0, -2);
  }

  #step(rate: number, at: number): void {
    const place = at / this.#binSeconds;
    if (!(place < this.#steps.length - 2)) return;
    const bin = Math.floor(place);
    const share = 1 - (place - bin);
    this.#steps[bin]! += rate * share;
    this.#steps[bin + 1]! += rate * (1 - share);
  }
}

function addTo(sum: Float64Array, values: Float64Array): void {
  values.forEach((value, at) => {
    sum[at]! += value;
  });
}

function sumOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}
