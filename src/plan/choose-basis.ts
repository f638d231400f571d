import { baseNameOf, type RepoPath } from "../core/repo-path.ts";
import { isSigned } from "../delta/block-length.ts";
import { estimateSharedBytes, type Sketch } from "../delta/sketch.ts";

/** How a basis file was found. */
export type BasisKinship = "same-path" | "similar-name" | "similar-content";

/** A file of DEST that may hold parts of a content. */
export interface BasisCandidate {
  readonly path: RepoPath;
  readonly lengthBytes: number;
  readonly kinship: BasisKinship;
  /** Undefined if nothing is known about its bytes. */
  readonly sketch: Sketch | undefined;
}

/** The content that is wanted. */
export interface BasisTarget {
  readonly lengthBytes: number;
  readonly sketch: Sketch | undefined;
}

/**
 * "unlike": the sketches have nothing in common; "compressed": another version of a compressed file, too small for a sketch;
 * "too-long": reading it would take longer than what it can give.
 */
export type BasisRejection = "unsigned" | "empty" | "too-long" | "unlike" | "compressed" | "adds-nothing";

export interface BasisChoice {
  /** To be searched in this order, the best first; empty: the content is fetched whole and its signature not read. */
  readonly bases: readonly RepoPath[];
  readonly rejected: readonly { readonly path: RepoPath; readonly reason: BasisRejection }[];
}

/** Files searched for one content, at most. */
export const MAX_BASES = 4;
/** Bytes read of the first basis file: a log that was rotated, an image that was cut short are not searched for what is left. */
const LONGEST_BASIS_LENGTHS = 64;
const LONGEST_BASIS_BYTES: number = 1024 ** 3;
/** Bytes read of the second and further basis files together, in lengths of the content: what they add is little. */
const FURTHER_BASES_LENGTHS = 4;
/**
 * With 16 handprints 16 of 16 may mean that a tenth is missing: beside the best file a second one is searched if it is about
 * as good, since the sketch can't tell which of them is better. It is read only for what the first one lacks.
 */
const ABOUT_AS_GOOD = 0.75;
/** Expected share of a file whose bytes nothing is known about, by how it was found: only their order matters. */
const EXPECTED_SHARE: Readonly<Record<BasisKinship, number>> = {
  "same-path": 0.5,
  "similar-name": 0.3,
  "similar-content": 0.1,
};
/** What these files hold looks like noise: another version shares nothing with it. */
const COMPRESSED_NAME =
  /\.(?:gz|tgz|bz2|tbz2?|xz|txz|lzma|zst|lz4?|br|7z|zip|jar|whl|apk|rpm|deb|udeb|snap|png|jpe?g)$/i;

interface RatedCandidate extends BasisCandidate {
  /** Bytes of the target that it is expected to give. */
  readonly expectedBytes: number;
}

/**
 * Decides which files of DEST are searched for parts of a content, before any of them is read: pure, all of the policy is here.
 *
 * A sketch on both sides decides: nothing in common rejects a file, whatever its name. Else what lies at the same path comes
 * first, then what is named alike. Every further file must be expected to give what those before it lack. `candidates` come
 * in the order of preference within a kinship.
 */
export function chooseBases(target: BasisTarget, candidates: readonly BasisCandidate[]): BasisChoice {
  const rejected: { path: RepoPath; reason: BasisRejection }[] = [];
  const rated: RatedCandidate[] = [];
  for (const candidate of distinct(candidates)) {
    const rating = rate(target, candidate);
    if (typeof rating === "string") rejected.push({ path: candidate.path, reason: rating });
    else rated.push({ ...candidate, expectedBytes: rating });
  }
  // A stable sort: equals stay in the order of preference.
  rated.sort((a, b) => b.expectedBytes - a.expectedBytes);
  const chosen = new ChosenBases(target);
  for (const candidate of rated) {
    if (!chosen.add(candidate)) rejected.push({ path: candidate.path, reason: "adds-nothing" });
  }
  return { bases: chosen.paths, rejected };
}

function* distinct(candidates: readonly BasisCandidate[]): Generator<BasisCandidate> {
  const seen = new Set<RepoPath>();
  for (const candidate of candidates) {
    if (!seen.has(candidate.path)) yield candidate;
    seen.add(candidate.path);
  }
}

function rate(target: BasisTarget, candidate: BasisCandidate): number | BasisRejection {
  if (!isSigned(target.lengthBytes)) return "unsigned";
  if (candidate.lengthBytes === 0) return "empty";
  if (candidate.lengthBytes > LONGEST_BASIS_BYTES + LONGEST_BASIS_LENGTHS * target.lengthBytes) return "too-long";
  const shared = sharedBytes(target, candidate);
  if (shared === 0) return "unlike";
  if (shared !== undefined) return shared;
  const isOtherVersion = candidate.kinship === "similar-name";
  if (isOtherVersion && COMPRESSED_NAME.test(baseNameOf(candidate.path))) return "compressed";
  return EXPECTED_SHARE[candidate.kinship] * Math.min(target.lengthBytes, candidate.lengthBytes);
}

function sharedBytes({ lengthBytes, sketch }: BasisTarget, candidate: BasisCandidate): number | undefined {
  if (sketch === undefined || candidate.sketch === undefined) return undefined;
  return estimateSharedBytes({ lengthBytes, sketch }, { lengthBytes: candidate.lengthBytes, sketch: candidate.sketch });
}

/** Files chosen so far, and which handprints of the target none of them has. */
class ChosenBases {
  readonly paths: RepoPath[] = [];
  readonly #missing: Set<number>;
  #bestBytes = 0;
  #furtherBytesLeft: number;

  constructor({ lengthBytes, sketch }: BasisTarget) {
    this.#missing = new Set(sketch ?? []);
    this.#furtherBytesLeft = FURTHER_BASES_LENGTHS * lengthBytes;
  }

  /** @returns false if it is not worth reading after the others */
  add(candidate: RatedCandidate): boolean {
    if (this.paths.length > 0 && !this.#isWorthReading(candidate)) return false;
    if (this.paths.length === 0) this.#bestBytes = candidate.expectedBytes;
    else this.#furtherBytesLeft -= candidate.lengthBytes;
    this.paths.push(candidate.path);
    for (const handprint of candidate.sketch ?? []) this.#missing.delete(handprint);
    return true;
  }

  #isWorthReading({ sketch, lengthBytes, expectedBytes }: RatedCandidate): boolean {
    if (this.paths.length >= MAX_BASES || lengthBytes > this.#furtherBytesLeft) return false;
    if (sketch?.some((handprint) => this.#missing.has(handprint)) === true) return true;
    return this.paths.length === 1 && expectedBytes >= ABOUT_AS_GOOD * this.#bestBytes;
  }
}
