import { cpSync, linkSync, mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { changeInMiddle, randomBytesOf } from "../../support/sample-tree.ts";

const SMALL_FILES = 40;
const LARGE_BYTES = 1_500_000;

/** A tree small enough to be played with a hundred times. */
export function makeOldTree(tree: string): void {
  for (const path of ["pool/main", "dists/stable", "goes/away", "empty"])
    mkdirSync(join(tree, path), { recursive: true });
  writeFileSync(join(tree, "pool/large.iso"), randomBytesOf(1, LARGE_BYTES));
  writeFileSync(join(tree, "pool/moves.tar"), randomBytesOf(2, 200_000));
  writeFileSync(join(tree, "pool/stays.tar"), randomBytesOf(3, 200_000));
  writeFileSync(join(tree, "dists/stable/Release"), "release 1\n");
  writeFileSync(join(tree, "script.sh"), "#!/bin/sh\n", { mode: 0o755 });
  for (let index = 0; index < 5; index++)
    writeFileSync(join(tree, `goes/away/${index}`), randomBytesOf(50 + index, 900));
  symlinkSync("pool/large.iso", join(tree, "latest"));
  writeSmallFiles(tree, 1);
  for (const name of ["first", "second", "third"]) linkSync(join(tree, "pool/stays.tar"), join(tree, `linked ${name}`));
}

/**
 * Changed in the middle, moved, doubled, deleted, linked, new. Files are replaced, as rsync and upload tools do it: written in
 * place they would take the old release's bytes from central, too.
 */
export function makeNextTree(tree: string): void {
  const large = join(tree, "pool/large.iso");
  cpSync(large, `${large}.new`, { preserveTimestamps: true });
  changeInMiddle(`${large}.new`);
  renameSync(`${large}.new`, large);
  renameSync(join(tree, "pool/moves.tar"), join(tree, "pool/moved.tar"));
  writeFileSync(join(tree, "pool/new.iso"), randomBytesOf(5, 300_000));
  for (const name of ["twin 1", "twin 2"]) writeFileSync(join(tree, name), randomBytesOf(6, 70_000));
  rmSync(join(tree, "goes"), { recursive: true });
  unlinkSync(join(tree, "latest"));
  symlinkSync("pool/new.iso", join(tree, "latest"));
  mkdirSync(join(tree, "new directory/inside"), { recursive: true });
  linkSync(join(tree, "pool/new.iso"), join(tree, "new directory/new link"));
  for (let index = 0; index < 5; index++) writeFileSync(join(tree, `new directory/inside/${index}`), `new ${index}\n`);
  replace(join(tree, "dists/stable/Release"), "release 2\n");
  writeSmallFiles(tree, 2);
}

/** Half of them change with the release. */
function writeSmallFiles(tree: string, release: number): void {
  for (let index = 0; index < SMALL_FILES; index += release) {
    replace(join(tree, `pool/main/${index}.deb`), randomBytesOf(release * 1_000 + index, 500 + 37 * index));
  }
}

function replace(path: string, bytes: Uint8Array | string): void {
  rmSync(path, { force: true });
  writeFileSync(path, bytes);
}
