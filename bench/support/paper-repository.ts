import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { seededRandom, type Random } from "../../src/core/clock.ts";
import { seededBytes } from "./delta-pairs.ts";

/**
 * A tree of the shape that the PRsync paper measured (papers C11–C15), scaled down: sizes as they were, fewer files.
 * Per distribution: images and packages in versions and variants that are 60–99 % alike, small files; of the files above 1 MB
 * 17 % are there once more under another name; 17 % of these twins are source packages, the largest and shared by all.
 */
export interface PaperShape {
  readonly files: number;
  readonly bytes: number;
}

/** What the paper measured, decimal units. */
export const PAPER: PaperShape & { readonly distributions: number } = {
  files: 2_200_000,
  bytes: 2.86e12,
  distributions: 10,
};

/** Files above this are "large". */
export const LARGE_BYTES = 1_000_000;
const SMALL_SHARE = 0.91;
/** 9.9 % of the bytes lie in twins, 8.4 MB each; 30 % of these in source packages, 14.9 MB each (papers C14). */
const TWIN_SHARE = 0.17;
const SOURCE_SHARE_OF_TWINS = 0.17;
const TWIN_BYTES_SHARE = 0.099;
const SOURCE_BYTES_SHARE_OF_TWINS = 0.3;
const SMALL_BYTES_SHARE = 0.08;
/** A little above 60 %: what is measured counts in cells and so comes out a little below what is planned. */
const LEAST_LIKENESS = 0.605;
const MOST_LIKENESS = 0.99;
/** Versions and variants of one package. */
const FAMILY_MEMBERS = 4;

/** One file to be written: bytes are blocks of noise, so that likeness is what was planned. */
export interface PlannedFile {
  readonly path: string;
  readonly bytes: number;
  /** Seed of the content's first version. */
  readonly family: number;
  /** Members of a family share the blocks that their `likeness` leaves alone. */
  readonly member: number;
  /** Share of bytes equal to the family's first member, 0.6 … 0.99; 1 for it and for its twins. */
  readonly likeness: number;
  readonly isSource: boolean;
}

const BLOCK = 4096;
/** Of the large files without a twin; the largest of them. */
const IMAGES_SHARE = 0.1;

/** The plan of a tree: reproducible from `seed`. @param scale 1000 makes 2,200 files with 2.86 GB */
export function planPaperRepository(scale: number, seed: number): readonly PlannedFile[] {
  const random = seededRandom(seed);
  const files = Math.round(PAPER.files / scale);
  const bytes = PAPER.bytes / scale;
  const largeCount = Math.round(files * (1 - SMALL_SHARE));
  const twinCount = Math.round(largeCount * TWIN_SHARE);
  const sourceCount = Math.max(1, Math.round(twinCount * SOURCE_SHARE_OF_TWINS));
  const sourceBytes = bytes * TWIN_BYTES_SHARE * SOURCE_BYTES_SHARE_OF_TWINS;
  const otherTwinBytes = bytes * TWIN_BYTES_SHARE - sourceBytes;
  const originals = largeCount - twinCount;
  const otherTwins = twinCount - sourceCount;
  // A twin's original is as large as the twin; the rest of the large bytes goes to the originals without one.
  const restBytes = bytes * (1 - SMALL_BYTES_SHARE) - 2 * bytes * TWIN_BYTES_SHARE;
  const sizes = {
    sources: spread(sourceCount, sourceBytes, LARGE_BYTES + 1, random),
    twins: spread(otherTwins, otherTwinBytes, LARGE_BYTES + 1, random),
    rest: spread(originals - twinCount, restBytes, LARGE_BYTES + 1, random),
    small: spread(files - largeCount, bytes * SMALL_BYTES_SHARE, 64, random, LARGE_BYTES - 1),
  };
  return [
    ...withTwins(sizes.sources, 0, true, random),
    ...withTwins(sizes.twins, 1e6, false, random),
    ...families(
      sizes.rest,
      { firstFamily: 2e6, images: Math.max(FAMILY_MEMBERS, IMAGES_SHARE * sizes.rest.length) },
      random,
    ),
    ...families(sizes.small, { firstFamily: 3e6, images: 0 }, random),
  ];
}

/** The next day: 1 % of the files with about 1 % of the bytes get a new version. @param day 1, 2, … */
export function changedOn(plan: readonly PlannedFile[], day: number, seed: number): readonly PlannedFile[] {
  const random = seededRandom(seed + 7919 * day);
  const shuffled = plan.map((file) => ({ file, key: random() })).sort((a, b) => a.key - b.key);
  const wantedBytes = plan.reduce((sum, file) => sum + file.bytes, 0) / 100;
  const wantedFiles = Math.max(1, Math.round(plan.length / 100));
  // Large ones first, as many as fit: the bytes lie there; then the small ones for the count.
  const order = [true, false].flatMap((isLarge) => shuffled.filter(({ file }) => file.bytes > LARGE_BYTES === isLarge));
  const changed: PlannedFile[] = [];
  let bytes = 0;
  for (const { file } of order) {
    if (changed.length >= wantedFiles) break;
    if (file.bytes > LARGE_BYTES && bytes + file.bytes > wantedBytes) continue;
    changed.push({
      ...file,
      member: 1000 * day + changed.length,
      likeness: between(random, LEAST_LIKENESS, MOST_LIKENESS),
    });
    bytes += file.bytes;
  }
  return changed;
}

/** Writes planned files below `directory`; an old file of that name gets the new bytes. */
export function writeFiles(directory: string, plan: readonly PlannedFile[], seed: number): void {
  for (const file of plan) {
    const path = join(directory, file.path);
    mkdirSync(dirname(path), { recursive: true });
    const descriptor = openSync(path, "w");
    writeSync(descriptor, contentOf(file, seed));
    closeSync(descriptor);
  }
}

/** The bytes of a planned file: the family's noise, with runs of blocks replaced until it is as unlike as planned. */
export function contentOf(file: PlannedFile, seed: number): Buffer {
  const bytes = seededBytes(file.bytes, seed + file.family);
  if (file.likeness >= 1) return bytes;
  const random = seededRandom(seed + file.family * 31 + file.member);
  const blocks = Math.max(1, Math.ceil(file.bytes / BLOCK));
  const runs = Math.min(8, Math.ceil(blocks / 4));
  const replaced = Math.floor((file.bytes * (1 - file.likeness)) / runs);
  // One run in each of equal stretches, so that runs never overlap and the share is exact.
  const stretch = Math.floor(file.bytes / runs);
  for (let run = 0; run < runs; run++) {
    const start = run * stretch + Math.floor(random() * (stretch - replaced));
    seededBytes(replaced, seed + file.family * 17 + file.member * 13 + run).copy(bytes, start);
  }
  return bytes;
}

/** `count` sizes of a long-tailed distribution with this sum and minimum (and maximum, where the sum allows it). */
function spread(count: number, sum: number, least: number, random: Random, most = Infinity): number[] {
  const weights = Array.from({ length: count }, () => Math.exp(1.1 * normal(random)));
  let sizes: number[] = [];
  let factor = sum / count;
  // Clamping moves the sum: the factor follows until it fits.
  for (let round = 0; round < 60; round++) {
    sizes = weights.map((weight) => Math.round(Math.min(most, Math.max(least, weight * factor))));
    const got = sizes.reduce((total, size) => total + size, 0);
    factor *= sum / got;
  }
  return sizes;
}

/** Each size twice, the same bytes under two names in two distributions. */
function withTwins(sizes: readonly number[], firstFamily: number, isSource: boolean, random: Random): PlannedFile[] {
  return sizes.flatMap((bytes, index) => {
    const here = distribution(random);
    const there = (here + 1 + Math.floor(random() * (PAPER.distributions - 1))) % PAPER.distributions;
    const kind = isSource ? "source" : "pool";
    const file = { bytes, family: firstFamily + index, member: 0, likeness: 1, isSource };
    const ending = isSource ? "src.rpm" : "pkg";
    return [
      { ...file, path: `distribution-${here}/${kind}/${firstFamily + index}.${ending}` },
      { ...file, path: `distribution-${there}/${kind}/renamed-${firstFamily + index}.${ending}` },
    ];
  });
}

/** Versions and variants: files of about one size in one family, each planned to be so much like the first. */
function families(
  sizes: readonly number[],
  { firstFamily, images }: { readonly firstFamily: number; readonly images: number },
  random: Random,
): PlannedFile[] {
  const sorted = sizes.toSorted((a, b) => a - b);
  return sorted.map((_, index) => {
    const member = index % FAMILY_MEMBERS;
    const family = firstFamily + (index - member);
    const kin = sorted.slice(index - member, index - member + FAMILY_MEMBERS);
    const bytes = Math.floor(kin.reduce((sum, size) => sum + size, 0) / kin.length);
    const likeness = member === 0 ? 1 : between(random, LEAST_LIKENESS, MOST_LIKENESS);
    const isImage = index - member >= sorted.length - images;
    const path = `distribution-${distribution(random)}/${isImage ? "images" : "pool"}/${family}-v${member}.${isImage ? "iso" : "pkg"}`;
    return { path, bytes, family, member, likeness, isSource: false };
  });
}

function distribution(random: Random): number {
  return Math.floor(random() * PAPER.distributions);
}

function between(random: Random, low: number, high: number): number {
  return low + (high - low) * random();
}

function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
