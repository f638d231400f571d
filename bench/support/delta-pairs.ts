import { execFileSync } from "node:child_process";
import { createCipheriv } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { seededRandom, type Random } from "../../src/core/clock.ts";

/** Two versions of a file, both on disk. */
export interface DeltaPair {
  readonly name: string;
  readonly basis: string;
  readonly target: string;
}

export const cacheDirectory: string = join(tmpdir(), "prsync-bench");
const MB = 1_000_000;

/** The tar inside an npm package of this version; fetched once. */
export function npmTar(name: string, version: string): string {
  const tar = join(cacheDirectory, `${name}-${version}.tar`);
  if (!existsSync(tar)) writeAtOnce(tar, gunzipSync(readFileSync(npmTarball(name, version))));
  return tar;
}

/** The npm package itself, as the registry has it; fetched once. */
export function npmTarball(name: string, version: string): string {
  const tarball = join(cacheDirectory, `${name}-${version}.tgz`);
  if (existsSync(tarball)) return tarball;
  mkdirSync(cacheDirectory, { recursive: true });
  execFileSync("npm", ["pack", "--silent", `${name}@${version}`, "--pack-destination", cacheDirectory]);
  return tarball;
}

/** Bytes that do not compress and are the same for the same seed. */
export function seededBytes(length: number, seed: number): Buffer {
  const cipher = createCipheriv("aes-128-ctr", Buffer.alloc(16, `seed ${seed} `), Buffer.alloc(16));
  return cipher.update(Buffer.alloc(length));
}

/**
 * 20 MB of noise and what insert, delete, move, swap and zeros make of it; unrelated noise;
 * 256 MiB with 64 places overwritten.
 */
export function syntheticPairs(directory: string, seed: number): DeltaPair[] {
  const base = seededBytes(20 * MB, seed);
  const random = seededRandom(seed);
  const edits: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
    "insert 20 × ≤ 200 B": (bytes) =>
      repeatedly(20, bytes, (b) => insert(b, random, seededBytes(upTo(random, 200), upTo(random, 1e6)))),
    "delete 20 × ≤ 5 kB": (bytes) => repeatedly(20, bytes, (b) => cut(b, random, upTo(random, 5000)).rest),
    "move 10 × 100 kB": (bytes) => repeatedly(10, bytes, (b) => move(b, random, 100_000)),
    "swap halves": (bytes) => Buffer.concat([bytes.subarray(10 * MB), bytes.subarray(0, 10 * MB)]),
    "zeros 5 × 200 kB": (bytes) =>
      repeatedly(5, bytes, (b) => insert(cut(b, random, 200_000).rest, random, Buffer.alloc(200_000))),
  };
  const pairs = Object.entries(edits).map(([name, edit]) => writePair(directory, name, [base, edit(base)]));
  const image = seededBytes(256 * 1024 * 1024, seed + 1);
  const edited = repeatedly(64, Buffer.from(image), (b) => overwrite(b, random, 1000));
  return [
    ...pairs,
    writePair(directory, "nothing alike, 20 MB", [base, seededBytes(20 * MB, seed + 2)]),
    writePair(directory, "image 256 MiB, 64 × 1 kB changed", [image, edited]),
  ];
}

function writePair(directory: string, name: string, [before, after]: readonly [Buffer, Buffer]): DeltaPair {
  const stem = name.replace(/[^a-z0-9]+/gi, "-");
  const basis = join(directory, `${stem}.basis`);
  const target = join(directory, `${stem}.target`);
  writeFileSync(basis, before);
  writeFileSync(target, after);
  return { name, basis, target };
}

function repeatedly(times: number, bytes: Buffer, edit: (bytes: Buffer) => Buffer): Buffer {
  let edited = bytes;
  for (let i = 0; i < times; i++) edited = edit(edited);
  return edited;
}

function upTo(random: Random, most: number): number {
  return 1 + Math.floor(random() * most);
}

function insert(bytes: Buffer, random: Random, inserted: Buffer): Buffer {
  const at = Math.floor(random() * bytes.length);
  return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at)]);
}

function cut(bytes: Buffer, random: Random, length: number): { readonly rest: Buffer; readonly taken: Buffer } {
  const at = Math.floor(random() * (bytes.length - length));
  const taken = bytes.subarray(at, at + length);
  return { rest: Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]), taken };
}

function move(bytes: Buffer, random: Random, length: number): Buffer {
  const { rest, taken } = cut(bytes, random, length);
  return insert(rest, random, taken);
}

function overwrite(bytes: Buffer, random: Random, length: number): Buffer {
  seededBytes(length, upTo(random, 1e6)).copy(bytes, Math.floor(random() * (bytes.length - length)));
  return bytes;
}

function writeAtOnce(path: string, bytes: Buffer): void {
  writeFileSync(`${path}.new`, bytes);
  renameSync(`${path}.new`, path);
}
