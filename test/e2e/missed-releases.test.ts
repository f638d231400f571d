import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LoopbackCentral, type Synced } from "../support/loopback-central.ts";
import { hasRsync, rsyncDifferences } from "../support/rsync-referee.ts";
import { randomBytesOf } from "../support/sample-tree.ts";

const RELEASES_MISSED = 30;
const NEW_FILE_BYTES = 20_000;
const PATCH_BYTES = 1_000;
const IMAGE_BYTES = 2 * 2 ** 20;
/** √2 MiB rounded up to 8: a patch of 1,000 bytes touches two blocks at most. */
const IMAGE_BLOCK_BYTES = 1_456;

/** Releases 1 to 31, each with a new file, a patch of a large file, a renamed large file and a changed index. */
describe.skipIf(!hasRsync())("a mirror that missed releases", () => {
  let central: LoopbackCentral;

  beforeAll(async () => {
    central = new LoopbackCentral("missed");
    makeTree(central.tree);
    await central.publish();
    await central.serve();
    await central.sync("missed-thirty");
    for (let release = 2; release <= RELEASES_MISSED - 2; release++) {
      changeTree(central.tree, release);
      await central.publish();
    }
    await central.sync("missed-three");
    for (let release = RELEASES_MISSED - 1; release <= RELEASES_MISSED + 1; release++) {
      changeTree(central.tree, release);
      expect(await central.publish()).toBe(release);
    }
  }, 180_000);

  afterAll(async () => central[Symbol.asyncDispose]());

  test("three of them cost what differs", async () => {
    expectCostOf(await central.sync("missed-three"), 3);
    expect(await rsyncDifferences(central.tree, central.mirror("missed-three"), true)).toBe("");
  });

  test("thirty of them cost what differs, not what every release brought", async () => {
    expectCostOf(await central.sync("missed-thirty"), 30);
    expect(await rsyncDifferences(central.tree, central.mirror("missed-thirty"), true)).toBe("");
  });

  test("a sync with nothing new costs less than 10 kB", async () => {
    const { bytes } = await central.sync("missed-three");
    console.log(`nothing new: ${bytes.received} bytes`);
    expect(bytes.received).toBeLessThan(10_000);
  });
});

function expectCostOf(synced: Synced, missed: number): void {
  const { release, previous, bytes } = synced;
  expect([previous, release]).toEqual([RELEASES_MISSED + 1 - missed, RELEASES_MISSED + 1]);
  const content = bytes.fromPeers + bytes.fromOrigin;
  const differing = missed * (NEW_FILE_BYTES + PATCH_BYTES) + 100;
  console.log(
    `missed ${missed}: ${content} bytes of content for ${differing} that differ, ${bytes.metadata} of metadata`,
  );
  const inWholeBlocks = missed * (NEW_FILE_BYTES + 2 * IMAGE_BLOCK_BYTES + 100);
  expect(content).toBeLessThan(1.05 * inWholeBlocks + 4_000);
  expect(content).toBeGreaterThan(differing);
  // Change lists, tables of the new bundles, the image's signature (1,448 blocks), TUF's four files, the announce.
  expect(bytes.metadata).toBeLessThan(25_000 + 1_500 * missed);
}

function makeTree(tree: string): void {
  mkdirSync(join(tree, "pool"));
  writeFileSync(join(tree, "Release"), "release 1\n");
  writeFileSync(join(tree, "pool/image.iso"), randomBytesOf(1, IMAGE_BYTES));
  writeFileSync(join(tree, "pool/moves-1.tar"), randomBytesOf(2, 2 ** 20));
  writeFileSync(join(tree, "pool/goes-away.deb"), randomBytesOf(3, 50_000));
  for (let index = 0; index < 50; index++) {
    writeFileSync(join(tree, `pool/stays-${index}.deb`), randomBytesOf(100 + index, 5_000 + 100 * index));
  }
}

function changeTree(tree: string, release: number): void {
  writeFileSync(join(tree, "Release"), `release ${release}\n`);
  writeFileSync(join(tree, `pool/new-${release}.deb`), randomBytesOf(1_000 + release, NEW_FILE_BYTES));
  renameSync(join(tree, `pool/moves-${release - 1}.tar`), join(tree, `pool/moves-${release}.tar`));
  rmSync(join(tree, "pool/goes-away.deb"), { force: true });
  const image = readFileSync(join(tree, "pool/image.iso"));
  randomBytesOf(2_000 + release, PATCH_BYTES).copy(image, release * 60_000);
  writeFileSync(join(tree, "pool/image.iso"), image);
}
