import type { Random } from "../core/clock.ts";

/** A kind of file that customers ask for. */
export interface FileKind {
  readonly name: string;
  /** Of all bytes; those of a mix add up to 1. */
  readonly shareOfBytes: number;
  readonly meanBytes: number;
  /** A size with this mean. */
  readonly draw: (random: Random) => number;
}

/** Requests of one size. */
export interface DrawnFile {
  readonly kind: string;
  readonly bytes: number;
}

const MB = 1e6;

/**
 * What the PRsync paper's customers fetched: 71 % of the bytes are images, 23 % update packages, and most transfers are of
 * small files. Sizes are ours: images uniform around a CD, as wide as half of the paper's customers' waits (8 to 15 minutes)
 * lie apart on an idle line; packages and the rest log-normal.
 */
export const PAPER_MIX: readonly FileKind[] = [
  uniformKind("image", 0.71, [300 * MB, 850 * MB]),
  logNormalKind("package", 0.23, 4 * MB),
  logNormalKind("other", 0.06, 3 * MB),
];

/** Of the natural logarithm: the median of a kind is about a third of its mean. */
const SIGMA = 1.5;

function uniformKind(name: string, shareOfBytes: number, [least, most]: readonly [number, number]): FileKind {
  const draw = (random: Random): number => Math.round(least + (most - least) * random());
  return { name, shareOfBytes, meanBytes: (least + most) / 2, draw };
}

function logNormalKind(name: string, shareOfBytes: number, meanBytes: number): FileKind {
  const draw = (random: Random): number =>
    Math.max(1, Math.round(meanBytes * Math.exp(SIGMA * normal(random) - (SIGMA * SIGMA) / 2)));
  return { name, shareOfBytes, meanBytes, draw };
}

/** Standard normal, after Box and Muller. */
export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Mean size of a request, in bytes. */
export function meanBytesOf(mix: readonly FileKind[]): number {
  return (
    1 / mix.reduce((requestsPerByte, { shareOfBytes, meanBytes }) => requestsPerByte + shareOfBytes / meanBytes, 0)
  );
}

/** A request of a mix: kinds by their share of requests. */
export function drawFile(mix: readonly FileKind[], random: Random): DrawnFile {
  let left = random() / meanBytesOf(mix);
  const kind = mix.find(({ shareOfBytes, meanBytes }) => (left -= shareOfBytes / meanBytes) < 0) ?? mix.at(-1)!;
  return { kind: kind.name, bytes: kind.draw(random) };
}

/** Times of a Poisson process with so many arrivals a second, ascending, from 0 up to the end. */
export function poissonArrivals(random: Random, perSecond: number, endSeconds: number): number[] {
  const times: number[] = [];
  for (let at = 0; ;) {
    at -= Math.log(1 - random()) / perSecond;
    if (at >= endSeconds) return times;
    times.push(at);
  }
}
