import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { randomBytesOf } from "./sample-tree.ts";

const PIECE = 64 * 1024;

/**
 * One bundle of about 9 MB for other programs' reading of BEP 3 and 47: lengths around those of a block and a piece, some
 * pieces long, a hundred small ones, odd names.
 */
export function makeInteropTree(tree: string): void {
  mkdirSync(join(tree, "pool/a b"), { recursive: true });
  const lengths = [1, 16_383, 16_384, 16_385, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE, 700_001, 7_654_321];
  for (const [index, length] of lengths.entries()) {
    writeFileSync(join(tree, `pool/${length}.bin`), bytesOf(index, length));
  }
  for (let index = 0; index < 120; index++) {
    writeFileSync(join(tree, `pool/a b/small-${index}.deb`), bytesOf(100 + index, 100 + 13 * index));
  }
  writeFileSync(join(tree, "naïve-日本語"), "non-ASCII\n");
}

function bytesOf(seed: number, length: number): Uint8Array {
  return randomBytesOf(seed, length + 4).subarray(0, length);
}
