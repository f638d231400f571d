import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { randomBytesOf } from "../../test/support/sample-tree.ts";

/**
 * empty: one image to mirrors that have nothing. small: 10,000 files. daily: one of a hundred files is new. partial: two
 * images of half the size, and every other mirror wants the first alone.
 */
export const WORK_KINDS = ["empty", "daily", "partial", "small"] as const;
export type WorkKind = (typeof WORK_KINDS)[number];

/** A tree before and after the release that is measured. */
export interface SwarmWork {
  /** What no mirror has. */
  readonly newBytes: number;
  before(tree: string): void;
  after(tree: string): void;
  /** What this mirror leaves out, a pattern of rsync's; undefined: nothing. */
  excludedBy(mirror: number): string | undefined;
}

export function swarmWork(kind: WorkKind, totalBytes: number): SwarmWork {
  if (kind === "daily") return dailyWork(totalBytes);
  const files = { empty: 1, partial: 2, small: 10_000 }[kind];
  const lengthBytes = 4 * Math.floor(totalBytes / files / 4);
  return {
    excludedBy: (mirror) => (kind === "partial" && mirror % 2 === 1 ? "/pool/0/1.bin" : undefined),
    newBytes: files * lengthBytes,
    before: (tree) => writeFileSync(join(tree, "README"), "a repository\n"),
    after: (tree) => {
      for (let index = 0; index < files; index++) {
        const directory = join(tree, `pool/${Math.floor(index / 500)}`);
        mkdirSync(directory, { recursive: true });
        writeFileSync(join(directory, `${index}.bin`), randomBytesOf(index + 1, lengthBytes));
      }
    },
  };
}

function dailyWork(totalBytes: number): SwarmWork {
  const lengthBytes = 4 * Math.floor(totalBytes / 400);
  return {
    newBytes: lengthBytes,
    excludedBy: () => undefined,
    before: (tree) => {
      for (let index = 0; index < 100; index++) {
        writeFileSync(join(tree, `${index}.deb`), randomBytesOf(index + 1, lengthBytes));
      }
    },
    after: (tree) => {
      rmSync(join(tree, "17.deb"));
      writeFileSync(join(tree, "17+1.deb"), randomBytesOf(1_000, lengthBytes));
    },
  };
}
