import { execFileSync } from "node:child_process";
import { closeSync, ftruncateSync, mkdirSync, openSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PAST, time } from "../support/parity-trees.ts";
import { ParityBench } from "../support/rsync-parity.ts";
import { randomBytesOf } from "../support/sample-tree.ts";
import { hasRsync } from "../support/rsync-referee.ts";

/** Prints where data lies in each file: lseek(2) with SEEK_DATA and SEEK_HOLE, which Node does not have. */
const MAP_OF_DATA = `
import errno, os, sys
for path in sys.argv[1:]:
    file, at, runs = os.open(path, os.O_RDONLY), 0, []
    while True:
        try: start = os.lseek(file, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO: break
            raise
        at = os.lseek(file, start, os.SEEK_HOLE)
        runs.append((start, at))
    print(runs)
`;
const MEGABYTE = 2 ** 20;
const FILES = ["image", "tail", "hollow", "small", "twin", "odd"];

describe.skipIf(!hasRsync())("sparse files", () => {
  let bench: ParityBench;

  beforeAll(async () => {
    bench = new ParityBench("sparse");
    await bench.release(sparseTree);
  });
  afterAll(async () => bench[Symbol.asyncDispose]());

  test("holes are rsync's, of what comes over the swarm, in copies, and in what a delta rebuilds", async () => {
    await bench.run("mirror", { words: ["--sparse"] });
    expect(await bench.differences("mirror")).toBe("");
    expect(dataIn("mirror")).toEqual(dataIn("mirror-rsync"));
    expect(roomOf("mirror")).toBeLessThan(MEGABYTE);
    await bench.release((tree) => {
      punch(join(tree, "image"), { 1_000_000: randomBytesOf(9, 5_000), 13_000_000: Buffer.alloc(80_000) });
      time("image", PAST + 500)(tree);
    }, "keeps");
    const { told } = await bench.run("mirror", { words: ["-S", "--stats"] });
    expect(await bench.differences("mirror")).toBe("");
    expect(dataIn("mirror")).toEqual(dataIn("mirror-rsync"));
    // What was sent is the changed part alone: the rest came from the old file.
    expect(Number(/Literal data: ([\d,]+)/.exec(told.ours)![1]!.replaceAll(",", ""))).toBeLessThan(300_000);
  });

  test("without the option zeros are written, as rsync does", async () => {
    await bench.run("dense", {});
    expect(dataIn("dense")).toEqual(dataIn("dense-rsync"));
    expect(roomOf("dense")).toBeGreaterThan(20 * MEGABYTE);
  });

  test("a DEST that is dense stays so where nothing is written", async () => {
    await bench.run("kept", { before: sparseTree, words: ["--sparse"] });
    renameSync(join(bench.central.mirror("kept"), "twin"), join(bench.central.mirror("kept"), "moved"));
    await bench.sync("kept", ["--sparse", "--delete"]);
    expect(await bench.differences("kept")).toBe("");
  });

  function dataIn(name: string): string {
    const paths = FILES.map((file) => join(bench.central.mirror(name), file));
    return execFileSync("python3", ["-c", MAP_OF_DATA, ...paths], { encoding: "utf8" });
  }

  /** Bytes on disk. */
  function roomOf(name: string): number {
    const paths = FILES.map((file) => join(bench.central.mirror(name), file));
    const blocks = execFileSync("stat", ["-c", "%b", ...paths], { encoding: "utf8" })
      .trim()
      .split("\n");
    return blocks.reduce((sum, text) => sum + Number(text) * 512, 0);
  }
});

function sparseTree(tree: string): void {
  mkdirSync(tree, { recursive: true });
  const image = {
    0: randomBytesOf(1, 20_000),
    5_000_123: randomBytesOf(2, 70_000),
    12_999_000: randomBytesOf(3, 90_000),
  };
  punch(join(tree, "image"), image, 16 * MEGABYTE);
  punch(join(tree, "tail"), { [3 * MEGABYTE - 1]: Buffer.from("x") }, 3 * MEGABYTE);
  punch(join(tree, "hollow"), {}, 2 * MEGABYTE);
  punch(join(tree, "small"), { 20_000: Buffer.from("small") }, 50_000);
  punch(join(tree, "odd"), { 4_095: Buffer.from("xy"), 12_287: Buffer.from("z") }, 30_001);
  // The same content again: a copy on the mirror.
  punch(join(tree, "twin"), image, 16 * MEGABYTE);
  writeFileSync(join(tree, "dense"), randomBytesOf(4, 10_000));
  for (const file of [...FILES, "dense"]) time(file, PAST)(tree);
}

/** Writes bytes at offsets; the rest is holes, or stays as it is. */
function punch(path: string, data: Readonly<Record<number, Uint8Array>>, lengthBytes?: number): void {
  const descriptor = openSync(path, lengthBytes === undefined ? "r+" : "w+");
  if (lengthBytes !== undefined) ftruncateSync(descriptor, lengthBytes);
  for (const [offset, bytes] of Object.entries(data)) writeSync(descriptor, bytes, 0, bytes.length, Number(offset));
  closeSync(descriptor);
}
