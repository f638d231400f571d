import {
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LoopbackCentral } from "../support/loopback-central.ts";
import { canTrace, filesRead, traced } from "../support/read-trace.ts";
import { hasRsync, rsyncDifferences } from "../support/rsync-referee.ts";
import { randomBytesOf } from "../support/sample-tree.ts";

const RENAMED_FILES = 10_000;

describe.skipIf(!hasRsync() || !canTrace())("a renamed directory of 10,000 files", () => {
  let central: LoopbackCentral;

  beforeAll(async () => {
    central = new LoopbackCentral("renamed");
    for (let index = 0; index < RENAMED_FILES; index++) {
      const directory = join(central.tree, `pool-1/part-${index % 20}`);
      if (index < 20) mkdirSync(directory, { recursive: true });
      writeFileSync(join(directory, `package_${index}_all.deb`), randomBytesOf(index, 500 + (index % 1000)));
    }
    await central.publish();
    await central.serve();
    await central.sync("mirror");
    renameSync(join(central.tree, "pool-1"), join(central.tree, "pool-2"));
  }, 180_000);

  afterAll(async () => central[Symbol.asyncDispose]());

  test("is published without reading a file", async () => {
    const log = join(central.directory, "publish.strace");
    expect(await central.publish(traced(log))).toBe(2);
    expect(filesRead(log, realpathSync(central.tree))).toEqual([]);
  });

  test("costs a mirror no content, less than 2 MB of metadata, and no read of a file", async () => {
    const log = join(central.directory, "sync.strace");
    const inodes = inodesBelow(join(central.mirror("mirror"), "pool-1"));
    const { bytes, files } = await central.sync("mirror", ["--delete"], traced(log));
    const read = filesRead(log, realpathSync(central.mirror("mirror")));
    const content = bytes.fromPeers + bytes.fromOrigin;
    console.log(
      `${files.copied} files renamed: ${content} bytes of content, ${bytes.metadata} of metadata, ${read.length} read`,
    );
    expect(files).toMatchObject({ copied: RENAMED_FILES, delta: 0, fetched: 0 });
    expect(content).toBe(0);
    expect(bytes.metadata).toBeLessThan(2_000_000);
    expect(read).toEqual([]);
    expect(readFileSync(log, "latin1")).toContain("/mirror/.prsync/index.sqlite>");
    expect(inodesBelow(join(central.mirror("mirror"), "pool-2"))).toEqual(inodes);
    expect(await rsyncDifferences(central.tree, central.mirror("mirror"), true)).toBe("");
  }, 120_000);
});

describe.skipIf(!hasRsync())("files that somebody moved within DEST", () => {
  test.each([["with its index"], ["without its index"]])("are found again by a mirror %s", async (which) => {
    await using central = new LoopbackCentral("moved-by-hand");
    mkdirSync(join(central.tree, "pool"));
    for (let index = 0; index < 6; index++) {
      writeFileSync(join(central.tree, `pool/f${index}`), randomBytesOf(index, 100_000));
    }
    await central.publish();
    await central.serve();
    await central.sync("mirror");
    const mirror = central.mirror("mirror");
    renameSync(join(mirror, "pool"), join(mirror, "kept-elsewhere"));
    if (which === "without its index") {
      for (const name of readdirSync(join(mirror, ".prsync")).filter((file) => file.startsWith("index"))) {
        rmSync(join(mirror, ".prsync", name));
      }
    }
    // One of them only looks the same.
    const changed = join(mirror, "kept-elsewhere/f0");
    const { atime, mtime } = statSync(changed);
    writeFileSync(changed, randomBytesOf(99, 100_000));
    utimesSync(changed, atime, mtime);
    const { bytes, files } = await central.sync("mirror", ["--delete"]);
    expect(files).toMatchObject({ copied: 5, fetched: 1 });
    expect(bytes.fromPeers + bytes.fromOrigin).toBeLessThan(110_000);
    expect(await rsyncDifferences(central.tree, mirror, true)).toBe("");
  });
});

/** Inode numbers of all files below a directory. */
function inodesBelow(directory: string): number[] {
  const names = readdirSync(directory, { recursive: true, encoding: "utf8" });
  const stats = names.map((name) => statSync(join(directory, name)));
  return stats
    .filter((stat) => stat.isFile())
    .map(({ ino }) => ino)
    .sort((a, b) => a - b);
}
