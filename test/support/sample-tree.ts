import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { seededRandom } from "../../src/core/clock.ts";

/** Size of the file that changes in its middle, in bytes. */
export const LARGE_FILE_BYTES: number = 20 * 2 ** 20;
/** Bytes that the second release brings that no mirror has under any name. */
export const NEW_BYTES: number = 6 * 2 ** 20;

const NOT_UTF8 = Buffer.from([0x6e, 0x6f, 0x74, 0xff, 0xfe, 0x75]);

/** Reproducible bytes that do not compress and resemble nothing else. */
export function randomBytesOf(seed: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const random = seededRandom(seed);
  for (let offset = 0; offset + 4 <= length; offset += 4) bytes.writeUInt32LE(Math.floor(random() * 2 ** 32), offset);
  return bytes;
}

/** A small tree with everything that a tree can have: odd names, links, empty things, many small files, one large. */
export function makeFirstRelease(tree: string): void {
  mkdirSync(join(tree, "pool/main"), { recursive: true });
  mkdirSync(join(tree, "empty directory/inside"), { recursive: true });
  mkdirSync(join(tree, "dists/stable"), { recursive: true });
  writeFileSync(join(tree, "pool/large.iso"), randomBytesOf(1, LARGE_FILE_BYTES));
  writeFileSync(join(tree, "pool/main/moves.tar"), randomBytesOf(2, 3 * 2 ** 20));
  writeFileSync(join(tree, "pool/main/doubled.tar"), randomBytesOf(3, 2 ** 20));
  writeFileSync(join(tree, "pool/main/goes away.deb"), randomBytesOf(4, 300_000));
  writeFileSync(join(tree, "empty"), "");
  writeFileSync(join(tree, "name with spaces"), "spaces\n");
  writeFileSync(join(tree, "naïve-日本語"), "non-ASCII\n");
  writeFileSync(join(tree, "line\nbreak"), "newline\n");
  writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), NOT_UTF8]), "not UTF-8\n");
  writeFileSync(join(tree, "dists/stable/Release"), "release 1\n");
  writeFileSync(join(tree, "script.sh"), "#!/bin/sh\n", { mode: 0o755 });
  symlinkSync("pool/large.iso", join(tree, "latest"));
  symlinkSync("/nowhere/at all", join(tree, "dangling"));
  linkSync(join(tree, "name with spaces"), join(tree, "hard link"));
  for (let index = 0; index < 200; index++) {
    writeFileSync(join(tree, `pool/main/small-${index}.deb`), randomBytesOf(100 + index, 2_000 + 37 * index));
  }
}

/**
 * Release 2: content changed in the middle, renamed, doubled, deleted, link and mode changed, and something new. Made again
 * with another `attempt` it brings as many new bytes as the first time.
 */
export function makeSecondRelease(tree: string, attempt = 1): void {
  changeInMiddle(join(tree, "pool/large.iso"));
  if (attempt === 1) renameSync(join(tree, "pool/main/moves.tar"), join(tree, "pool/moved.tar"));
  cpSync(join(tree, "pool/main/doubled.tar"), join(tree, "pool/main/twin.tar"));
  rmSync(join(tree, "pool/main/goes away.deb"), { force: true });
  unlinkSync(join(tree, "latest"));
  symlinkSync("pool/moved.tar", join(tree, "latest"));
  chmodSync(join(tree, "script.sh"), 0o700);
  mkdirSync(join(tree, "another empty directory"), { recursive: true });
  writeFileSync(join(tree, "pool/new.iso"), randomBytesOf(4 + attempt, NEW_BYTES));
  writeFileSync(join(tree, "dists/stable/Release"), `release 2, attempt ${attempt}\n`);
}

/** Overwrites 1,000 bytes and inserts 700 in the middle of a file. */
export function changeInMiddle(path: string, seed = 77): void {
  const bytes = readFileSync(path);
  const middle = bytes.length >> 1;
  writeFileSync(
    path,
    Buffer.concat([bytes.subarray(0, middle), randomBytesOf(seed, 1_700 & ~3), bytes.subarray(middle + 1_000)]),
  );
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
