import { seededRandom, type Random } from "../core/clock.ts";
import type { FleetFile, FleetRequest, FleetWorkload } from "./fleet-workload.ts";
import { type FileKind, meanBytesOf, normal, PAPER_MIX } from "./workload.ts";

const HOUR_SECONDS = 3_600;
const DAY_SECONDS = 86_400;

/** Files of a release, or of what was there before: by kind of {@link PAPER_MIX}. */
export type FileCounts = readonly [images: number, packages: number, others: number];

export interface ReleaseDayOptions {
  readonly seed: number;
  /** Of the whole time; at least two. The first is a quiet one. */
  readonly days: number;
  readonly requests: number;
  /** Share of all requests that are for files of the release. */
  readonly releaseShare: number;
  /** Requests at the busiest moment / their mean over the whole time. */
  readonly peakToMean: number;
  readonly newFiles: FileCounts;
  readonly oldFiles: FileCounts;
  /** Customers' lines down: lognormal about this median. */
  readonly medianDownBytesPerSecond: number;
  /** Standard deviation of the natural logarithm of these lines. */
  readonly lineSigma: number;
  /** Customers come from so many sites, of which the n-th has 1/n as many as the first. */
  readonly sites: number;
}

/** Customers' lines: within a factor of e ** 0.5 for two thirds of them. */
const LINE_SIGMA = 0.5;

export const DEFAULT_RELEASE_DAY: Omit<ReleaseDayOptions, "seed"> = {
  days: 4,
  requests: 20_000,
  releaseShare: 0.7,
  peakToMean: 10,
  newFiles: [30, 600, 200],
  oldFiles: [60, 1200, 400],
  medianDownBytesPerSecond: 2_500_000,
  lineSigma: LINE_SIGMA,
  sites: 100,
};

/** Into its second day, in the morning. */
export const RELEASE_SECONDS: number = DAY_SECONDS + 8 * HOUR_SECONDS;
/** Requests for the release on its first, second and third day: 80 % on the first, most of the rest within three (papers C18). */
const RELEASE_DAYS = [0.8, 0.13, 0.07] as const;
/** Of file n among those of its kind and release: 1 / n ** 0.8, as web and software archives have it. */
const ZIPF = 0.8;
/**
 * A release and the flash crowd that comes for it: shares of bytes by kind as the PRsync paper has them, a quiet day, then a surge that
 * falls off exponentially, over a background that follows the hours of the day.
 */
export function releaseDayWorkload(options: ReleaseDayOptions): FleetWorkload {
  const random = seededRandom(options.seed * 7919 + 1);
  const files: FleetFile[] = [];
  const shelves = [options.oldFiles, options.newFiles].map((counts, release) =>
    PAPER_MIX.map((kind, at) => new Shelf(files, { kind, count: counts[at]!, release }, random)),
  );
  const horizonSeconds = options.days * DAY_SECONDS;
  const surge = surgeSeconds(options, horizonSeconds);
  const sites = zipfTable(options.sites, 1);
  const requests = Array.from({ length: options.requests }, (): FleetRequest => {
    const isNew = random() < options.releaseShare;
    const shelf = pickShelf(shelves[isNew ? 1 : 0]!, random);
    return {
      atSeconds: isNew ? RELEASE_SECONDS + surgeTime(surge, random) : backgroundTime(options.days, random),
      file: shelf.pick(random),
      site: `site ${pick(sites, random) + 1}`,
      downBytesPerSecond: lineSpeed(options.medianDownBytesPerSecond, random, options.lineSigma),
    };
  }).filter(({ atSeconds }) => atSeconds < horizonSeconds);
  requests.sort((a, b) => a.atSeconds - b.atSeconds);
  return { files, publishedSeconds: [0, RELEASE_SECONDS], requests, horizonSeconds };
}

/** A customer's line, in half powers of two so that few different ones share a line up. */
export function lineSpeed(medianBytesPerSecond: number, random: Random, sigma: number = LINE_SIGMA): number {
  return medianBytesPerSecond * 2 ** (Math.round((2 * sigma * normal(random)) / Math.LN2) / 2);
}

/** The `count` files of one kind and release, and which of them are asked for. */
class Shelf {
  readonly kind: FileKind;
  readonly #files: readonly number[];
  readonly #ranks: Float64Array;

  constructor(
    files: FleetFile[],
    { kind, count, release }: { readonly kind: FileKind; readonly count: number; readonly release: number },
    random: Random,
  ) {
    this.kind = kind;
    this.#files = Array.from(
      { length: count },
      () => files.push({ bytes: kind.draw(random), kind: kind.name, release }) - 1,
    );
    this.#ranks = zipfTable(count, ZIPF);
  }

  pick(random: Random): number {
    return this.#files[pick(this.#ranks, random)]!;
  }
}

function pickShelf(shelves: readonly Shelf[], random: Random): Shelf {
  let left = random() / meanBytesOf(PAPER_MIX);
  return shelves.find(({ kind }) => (left -= kind.shareOfBytes / kind.meanBytes) < 0) ?? shelves.at(-1)!;
}

/** Cumulative shares of ranks 1 … count. */
function zipfTable(count: number, exponent: number): Float64Array {
  let sum = 0;
  const table = Float64Array.from({ length: count }, (_, rank) => (sum += 1 / (rank + 1) ** exponent));
  return table.map((value) => value / sum);
}

function pick(table: Float64Array, random: Random): number {
  const at = random();
  let [low, high] = [0, table.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (table[middle]! < at) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** How fast the surge falls off, so that its beginning is as high above the mean as wanted. */
function surgeSeconds({ peakToMean, releaseShare }: ReleaseDayOptions, horizonSeconds: number): number {
  const firstDayShare = releaseShare * RELEASE_DAYS[0];
  // In the morning the background is at its mean.
  const wantedPerSecond = Math.max(peakToMean - (1 - releaseShare), 0) / horizonSeconds / firstDayShare;
  let [low, high] = [60, 100 * DAY_SECONDS];
  for (let round = 0; round < 60; round++) {
    const middle = Math.sqrt(low * high);
    const beginPerSecond = 1 / (middle * (1 - Math.exp(-DAY_SECONDS / middle)));
    if (beginPerSecond > wantedPerSecond) low = middle;
    else high = middle;
  }
  return low;
}

function surgeTime(fallSeconds: number, random: Random): number {
  let at = random();
  if (at < RELEASE_DAYS[0]) return -fallSeconds * Math.log(1 - random() * (1 - Math.exp(-DAY_SECONDS / fallSeconds)));
  at -= RELEASE_DAYS[0];
  return DAY_SECONDS * (at < RELEASE_DAYS[1] ? 1 : 2) + timeOfDay(random, RELEASE_SECONDS);
}

function backgroundTime(days: number, random: Random): number {
  return Math.floor(random() * days) * DAY_SECONDS + timeOfDay(random, 0);
}

/** Density 1 + cos/2 about 14:00, by rejection. @param sinceSeconds where the day begins that is meant */
function timeOfDay(random: Random, sinceSeconds: number): number {
  for (;;) {
    const at = random() * DAY_SECONDS;
    const phase = (2 * Math.PI * (at + sinceSeconds - 14 * HOUR_SECONDS)) / DAY_SECONDS;
    if (1.5 * random() < 1 + Math.cos(phase) / 2) return at;
  }
}
