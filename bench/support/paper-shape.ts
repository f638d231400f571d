import { hash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { LARGE_BYTES } from "./paper-repository.ts";

/** A tree's shape as its files show it; shares are 0 … 1. */
export interface MeasuredShape {
  readonly files: number;
  readonly bytes: number;
  readonly distributions: number;
  readonly smallFilesShare: number;
  readonly meanSmallBytes: number;
  readonly largeBytesShare: number;
  readonly meanLargeBytes: number;
  /** Large files whose bytes another file before it (in path order) has, of all large files. */
  readonly twinFilesShare: number;
  readonly twinBytesShare: number;
  /** Source packages among the twins. */
  readonly sourceFilesOfTwins: number;
  readonly sourceBytesOfTwins: number;
  /** Bytes that versions and variants (of 16 KiB and more) have in common with the first of their package, in place. */
  readonly leastLikeness: number;
  readonly meanLikeness: number;
  readonly mostLikeness: number;
  /** SHA-256 by path, to compare days. */
  readonly contents: ReadonlyMap<string, string>;
}

/** Below this nobody looks for likeness: such files have no block signature. */
const LEAST_COMPARED_BYTES = 16 * 1024;

interface SeenFile {
  readonly path: string;
  readonly bytes: number;
  readonly content: string;
}

/** Reads every file below `directory`. */
export function measureShape(directory: string): MeasuredShape {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path): SeenFile => {
      const bytes = readFileSync(path);
      return { path: path.slice(directory.length + 1), bytes: bytes.length, content: hash("sha256", bytes, "hex") };
    });
  const large = files.filter((file) => file.bytes > LARGE_BYTES);
  const small = files.filter((file) => file.bytes <= LARGE_BYTES);
  const seen = new Set<string>();
  const twins = large.filter((file) => seen.size === seen.add(file.content).size);
  const sources = twins.filter((file) => file.path.includes("/source/"));
  const likenesses = familyLikenesses(directory, files);
  return {
    files: files.length,
    bytes: sum(files),
    distributions: new Set(files.map((file) => file.path.split("/")[0])).size,
    smallFilesShare: small.length / files.length,
    meanSmallBytes: sum(small) / small.length,
    largeBytesShare: sum(large) / sum(files),
    meanLargeBytes: sum(large) / large.length,
    twinFilesShare: twins.length / large.length,
    twinBytesShare: sum(twins) / sum(files),
    sourceFilesOfTwins: sources.length / twins.length,
    sourceBytesOfTwins: sum(sources) / sum(twins),
    leastLikeness: Math.min(...likenesses),
    meanLikeness: likenesses.reduce((total, value) => total + value, 0) / likenesses.length,
    mostLikeness: Math.max(...likenesses),
    contents: new Map(files.map((file) => [file.path, file.content])),
  };
}

function sum(files: readonly SeenFile[]): number {
  return files.reduce((total, file) => total + file.bytes, 0);
}

/** For each family NUMBER-v0, NUMBER-v1 … how much of each later member is what the first has in the same place. */
function familyLikenesses(directory: string, files: readonly SeenFile[]): number[] {
  const compared = files.filter((file) => file.bytes >= LEAST_COMPARED_BYTES);
  const byFamily = Map.groupBy(compared, (file) => /\/(\d+)-v\d+\.(?:pkg|iso)$/.exec(file.path)?.[1]);
  byFamily.delete(undefined);
  return [...byFamily.values()].flatMap((members) => {
    const sorted = members.toSorted((a, b) => memberOf(a) - memberOf(b));
    const first = readFileSync(join(directory, sorted[0]!.path));
    return sorted.slice(1).map((member) => equalShare(first, readFileSync(join(directory, member.path))));
  });
}

function memberOf(file: SeenFile): number {
  return Number(/-v(\d+)\.(?:pkg|iso)$/.exec(file.path)![1]);
}

/** Two bytes are equal by chance once in 256: compared in cells of 32. */
function equalShare(first: Buffer, other: Buffer): number {
  const cell = 32;
  let equal = 0;
  for (let start = 0; start < other.length; start += cell) {
    const end = Math.min(start + cell, other.length);
    if (first.compare(other, start, end, start, end) === 0) equal += end - start;
  }
  return equal / other.length;
}
