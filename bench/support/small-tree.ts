import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const FILES_PER_DIRECTORY = 1000;

/** What such a tree takes on a disk: ext4 has an inode for every 16 KiB. */
export const DISK_BYTES_PER_FILE = 20_000;

/** A tree of small files of 20 to 300 bytes, all different, 1,000 in a directory. */
export function writeSmallTree(tree: string, files: number): void {
  for (let index = 0; index < files; index++) {
    const path = smallFilePath(tree, index);
    if (index % FILES_PER_DIRECTORY === 0) mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, `file ${index} ${"x".repeat(index % 280)}\n`);
  }
}

/** Where {@link writeSmallTree} puts a file. */
export function smallFilePath(tree: string, index: number): string {
  return join(tree, `group-${Math.floor(index / FILES_PER_DIRECTORY)}`, `file-${index}`);
}
