import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CentralFixture } from "../../support/central-fixture.ts";
import { rsyncDifferences } from "../../support/rsync-referee.ts";
import { randomBytesOf } from "../../support/sample-tree.ts";
import { pathOf } from "./mirror-disk.ts";
import { MirrorFixture, sync } from "./mirror-fixture.ts";

const FILES = 60;
/** √size is rsync's least block length here: the most signature per byte, 300 kB for all files. */
const FILE_BYTES = 490_000;

const CONTENTS: readonly Buffer[] = Array.from({ length: FILES }, (_, file) => randomBytesOf(file + 1, FILE_BYTES));

function writeFiles(central: CentralFixture, release: number, count: number = FILES): void {
  for (let file = 0; file < count; file++) {
    const bytes = Buffer.from(CONTENTS[file]!);
    bytes.writeUInt32LE(release, FILE_BYTES >> 1);
    central.write(`file-${file}`, bytes, 784_111_777 + release);
  }
}

/** A mirror at release 1, central at release 2, of which more signatures are wanted than are asked for over HTTP. */
async function behind(): Promise<{ central: CentralFixture; mirror: MirrorFixture }> {
  const central = new CentralFixture();
  writeFiles(central, 1);
  await central.publish();
  await central.serve();
  const mirror = new MirrorFixture(central);
  {
    await using opened = await mirror.open();
    await sync(opened);
  }
  writeFiles(central, 2);
  await central.publish();
  await central.tree.refresh();
  return { central, mirror };
}

/** Files of metadata bundles that central keeps besides the objects. */
function metadataFiles(central: CentralFixture): string[] {
  const directory = join(central.directory, "work/metadata");
  const names = readdirSync(directory, { recursive: true, withFileTypes: true });
  return names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

test("many signatures come from the swarm piece by piece and are kept for others", async () => {
  const { central, mirror } = await behind();
  await using opened = await mirror.open();
  const { summary } = await sync(opened);
  expect(summary.files).toMatchObject({ delta: FILES, fetched: 0 });
  expect(summary.bytes.fromOrigin).toBeLessThan(FILES * 2_000);
  expect(summary.bytes.metadata).toBeGreaterThan(256 * 1024);
  expect(await rsyncDifferences(central.treePath, mirror.destination, true)).toBe("");
  const [bundle] = await opened.metadata.known();
  const { ordinal, lengthBytes } = bundle!.find(pathOf("signatures"))!;
  expect(await bundle!.read({ ordinal, start: 0, end: lengthBytes })).toBeDefined();
  expect(bundle!.held.isFull).toBe(false);
  expect(existsSync(mirror.at(`.prsync/metadata/${bundle!.infoHash}.held`))).toBe(true);
});

test("a metadata bundle that was damaged at central costs bytes and nothing else", async () => {
  const { central, mirror } = await behind();
  for (const file of metadataFiles(central)) {
    const bytes = readFileSync(file);
    for (let at = 0; at < bytes.length; at += 1_000) bytes[at]! ^= 1;
    writeFileSync(file, bytes);
  }
  await using opened = await mirror.open();
  const { summary } = await sync(opened);
  expect(summary.files).toMatchObject({ delta: FILES, fetched: 0 });
  expect(mirror.log.lines).toContain("warn no signatures from the metadata bundle, asking central");
  expect(await rsyncDifferences(central.treePath, mirror.destination, true)).toBe("");
});

test("a mirror that missed more releases than have bundles asks central, several signatures at a time", async () => {
  const central = new CentralFixture();
  writeFiles(central, 1, 3);
  await central.publish();
  await central.serve();
  const mirror = new MirrorFixture(central);
  {
    await using opened = await mirror.open();
    await sync(opened);
  }
  for (let release = 2; release <= 6; release++) {
    writeFiles(central, release, release === 2 ? 3 : 1);
    await central.publish();
  }
  await central.tree.refresh();
  expect(central.tree.release!.metadata.map(({ release }) => release)).toEqual([6, 5, 4]);
  await using opened = await mirror.open();
  const before = await metadataRequests(central);
  const { summary } = await sync(opened);
  expect(summary.files).toMatchObject({ delta: 3 });
  // root, timestamp, snapshot, targets, release; five change lists; five tables; an info dictionary or two; signatures once
  expect((await metadataRequests(central)) - before).toBeLessThan(20);
  expect(await rsyncDifferences(central.treePath, mirror.destination, true)).toBe("");
});

async function metadataRequests(central: CentralFixture): Promise<number> {
  const text = await (await central.get("/.prsync/metrics")).text();
  return Number(/metadata_requests\S* (\d+)/.exec(text)![1]);
}
