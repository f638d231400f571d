import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { StoreError } from "../../../src/store/errors.ts";
import { CentralFixture } from "../../support/central-fixture.ts";
import { nextVersion, npmGzip, sourceText } from "../../support/tar-like.ts";
import { contentOf } from "./mirror-disk.ts";
import { MirrorFixture, sync } from "./mirror-fixture.ts";

const SAVING = { savesTraffic: true } as const;

/** Gzip files of `innerBytes` each, and their next versions. */
function packages(count: number, innerBytes: number) {
  return Array.from({ length: count }, (_, i) => {
    const before = sourceText(innerBytes, i + 1);
    return { name: `package-${i}.tgz`, before: npmGzip(before), after: npmGzip(nextVersion(before, 3)) };
  });
}

/** Central with the packages' next versions, and a mirror that holds the ones before. */
async function heldBefore(
  all: ReturnType<typeof packages>,
  prepare: (fixture: MirrorFixture) => void = () => undefined,
) {
  const central = new CentralFixture();
  for (const { name, before } of all) central.write(name, before);
  await central.publish();
  await central.serve();
  const fixture = new MirrorFixture(central);
  prepare(fixture);
  const mirror = await fixture.open();
  await sync(mirror);
  for (const { name, after } of all) central.write(name, after, 784_111_778);
  await central.publish();
  await central.program.refreshNow();
  return { central, fixture, mirror };
}

function expectAfter(fixture: MirrorFixture, all: ReturnType<typeof packages>): void {
  for (const { name, after } of all) expect(readFileSync(fixture.at(name)).equals(after)).toBe(true);
}

function mountSmallDisk(path: string, bytes: number): boolean {
  mkdirSync(path, { recursive: true });
  if (spawnSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "none", path]).status !== 0) return false;
  onTestFinished(() => void spawnSync("umount", ["-l", path]));
  return true;
}

test.skipIf(process.getuid!() !== 0)("what is inside takes no more room than the plan leaves", async ({ skip }) => {
  const all = packages(8, 300_000);
  let isMounted = false;
  const { fixture, mirror } = await heldBefore(all, ({ destination }) => {
    isMounted = mountSmallDisk(destination, 4_000_000);
  });
  if (!isMounted) return skip("no mounts here");
  const { summary, failures } = await sync(mirror, SAVING);
  expect(failures).toEqual([]);
  expectAfter(fixture, all);
  // Some of them fit.
  const share = summary.bytes.received / all.reduce((sum, { after }) => sum + after.length, 0);
  expect([share > 0.3, share < 0.9, share]).toEqual([true, true, share]);
  expect(readdirSync(fixture.at(".prsync/inner"))).toEqual([]);
});

test.skipIf(process.getuid!() !== 0)(
  "a disk that inner contents of a killed run fill is freed by the next one",
  async ({ skip }) => {
    const all = packages(2, 400_000);
    let isMounted = false;
    const { fixture, mirror } = await heldBefore(all, ({ destination }) => {
      isMounted = mountSmallDisk(destination, 6_000_000);
    });
    if (!isMounted) return skip("no mounts here");
    await mirror[Symbol.asyncDispose]();
    const { bavail, bsize } = statfsSync(fixture.destination);
    writeFileSync(join(fixture.at(".prsync/inner"), `${"ab".repeat(32)}.part`), Buffer.alloc(bavail * bsize));
    const again = await fixture.open();
    expect((await sync(again)).failures).toEqual([]);
    expectAfter(fixture, all);
  },
);

test("a directory's names are read once, and signatures asked for together", async () => {
  const all = packages(3, 400_000);
  const { fixture, mirror } = await heldBefore(all);
  const { files } = mirror.index;
  const namesIn = files.namesIn.bind(files);
  let walks = 0;
  files.namesIn = (directory) => {
    walks++;
    return namesIn(directory);
  };
  const signatures = mirror.central.signatures.bind(mirror.central);
  const asked: number[] = [];
  mirror.central.signatures = (contents, options) => {
    asked.push(contents.length);
    return signatures(contents, options);
  };
  expect((await sync(mirror, SAVING)).failures).toEqual([]);
  expectAfter(fixture, all);
  expect([walks, asked]).toEqual([1, [3]]);
});

test("nothing is unpacked or tried as long as no rate was measured", async () => {
  const all = packages(1, 400_000);
  const { fixture, mirror } = await heldBefore(all);
  expect((await sync(mirror)).failures).toEqual([]);
  expectAfter(fixture, all);
  expect(mirror.index.facts.get("recompressionTrials")).toBeUndefined();
});

test("a slow line is relieved, with a trial of this host that is remembered", async () => {
  const all = packages(1, 400_000);
  const { fixture, mirror } = await heldBefore(all);
  mirror.index.facts.set("downloadBytesPerSecond", 1_000);
  const { summary } = await sync(mirror);
  expectAfter(fixture, all);
  expect(summary.files).toMatchObject({ delta: 1, fetched: 0 });
  expect(Object.keys(JSON.parse(mirror.index.facts.get("recompressionTrials")!) as object)).toEqual(["9/8"]);
});

test("with delta switched off nothing is looked into, unless traffic is to be saved", async () => {
  const all = packages(1, 400_000);
  const { central, fixture, mirror } = await heldBefore(all);
  mirror.index.facts.set("downloadBytesPerSecond", 1_000);
  const plan = { useDelta: false };
  expect((await sync(mirror, { plan })).summary.files).toMatchObject({ delta: 0, fetched: 1 });
  const next = npmGzip(nextVersion(nextVersion(sourceText(400_000, 1), 3), 2));
  central.write(all[0]!.name, next, 784_111_779);
  await central.publish();
  await central.program.refreshNow();
  expect((await sync(mirror, { ...SAVING, plan })).summary.files).toMatchObject({ delta: 1, fetched: 0 });
  expect(readFileSync(fixture.at(all[0]!.name)).equals(next)).toBe(true);
});

test("central that is busy unpacking is asked once more, then lacks that content alone", async () => {
  const { central, mirror } = await heldBefore(packages(1, 1_000));
  const bytes = Buffer.from("inside");
  let busyReads = 1;
  central.tree.openContent = async () => ({
    lengthBytes: bytes.length,
    read: async () => {
      if (busyReads-- > 0) throw new StoreError("unpack-busy", "busy");
      return bytes;
    },
    [Symbol.asyncDispose]: async () => undefined,
  });
  const { signal } = new AbortController();
  const ask = () => mirror.central.contentRange(contentOf(bytes), { start: 0, end: bytes.length }, signal);
  expect(Buffer.from(await ask()).equals(bytes)).toBe(true);
  busyReads = 2;
  await expect(ask()).rejects.toMatchObject({ code: "content-unavailable" });
  const answer = await central.get(`/.prsync/contents/${contentOf(bytes)}`);
  expect(answer.status).toBe(200);
  busyReads = 1;
  const busy = await central.get(`/.prsync/contents/${contentOf(bytes)}`);
  expect([busy.status, busy.headers.get("retry-after")]).toEqual([503, "1"]);
  expect(central.logged).not.toContain("a released content is gone");
});
