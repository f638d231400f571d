import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import type { Mirror } from "../../../src/edge/mirror.ts";
import { runSync } from "../../../src/edge/sync-job.ts";
import { SILENT_PROGRESS } from "../../../src/edge/sync-progress.ts";
import { verifyAdopted } from "../../../src/edge/verify-held.ts";
import { verifyMirror } from "../../../src/edge/verify-mirror.ts";
import type { StoreError } from "../../../src/store/errors.ts";
import { CentralFixture } from "../../support/central-fixture.ts";
import { rsyncDifferences } from "../../support/rsync-referee.ts";
import { randomBytesOf } from "../../support/sample-tree.ts";
import { contentOf, pathOf } from "./mirror-disk.ts";
import { MirrorFixture, sync, SYNC_OPTIONS } from "./mirror-fixture.ts";

const SIGNAL = new AbortController().signal;
const MTIME_SECONDS = 784_111_777;

interface World {
  readonly central: CentralFixture;
  readonly fixture: MirrorFixture;
  readonly mirror: Mirror;
}

/** Central with a published tree and a mirror that has not synced yet. `before` sees DEST before the mirror is opened. */
async function world(
  files: Readonly<Record<string, string | Uint8Array>>,
  before: (fixture: MirrorFixture) => void = () => undefined,
): Promise<World> {
  const central = new CentralFixture();
  for (const [path, bytes] of Object.entries(files)) central.write(path, bytes);
  await central.publish();
  await central.serve();
  const fixture = new MirrorFixture(central);
  before(fixture);
  return { central, fixture, mirror: await fixture.open() };
}

/** Puts a file into DEST with the time that central's files have. */
function plant(fixture: MirrorFixture, path: string, bytes: string | Uint8Array): void {
  mkdirSync(dirname(fixture.at(path)), { recursive: true });
  writeFileSync(fixture.at(path), bytes);
  utimesSync(fixture.at(path), MTIME_SECONDS, MTIME_SECONDS);
}

function textAt(fixture: MirrorFixture, path: string): string {
  return readFileSync(fixture.at(path), "latin1");
}

async function publish({ central }: World): Promise<void> {
  await central.publish();
  await central.program.refreshNow();
}

test("an empty mirror ends exact, whole, and with figures that add up", async () => {
  const large = randomBytesOf(1, 300_000);
  const { fixture, mirror } = await world({ "dir/a": "a", b: "b", empty: "", large, twin: large });
  const { summary, failures } = await sync(mirror);
  expect(failures).toEqual([]);
  expect(readFileSync(fixture.at("large")).equals(large)).toBe(true);
  expect(readFileSync(fixture.at("twin")).equals(large)).toBe(true);
  const { total, kept, copied, delta, fetched } = summary.files;
  expect(kept + copied + delta + fetched).toBe(total);
  expect(summary).toMatchObject({ release: 1, previous: 0, files: { total: 5, kept: 0, fetched: 3, removed: 0 } });
  expect(summary.bytes.received).toBe(summary.bytes.fromPeers + summary.bytes.fromOrigin + summary.bytes.metadata);
  expect(summary.bytes.fromOrigin).toBeGreaterThan(300_000);
  expect(summary.bytes.fromOrigin).toBeLessThan(330_000);
  expect(mirror.holdings.isComplete).toBe(true);
});

test("a further name of a repository index comes with it", async () => {
  const state = await world({ Packages: "Package: a", pool: "a" });
  const { central, fixture, mirror } = state;
  mkdirSync(`${central.treePath}/by-hash`);
  linkSync(`${central.treePath}/Packages`, `${central.treePath}/by-hash/0`);
  await publish(state);
  expect((await sync(mirror)).failures).toEqual([]);
  expect(textAt(fixture, "by-hash/0")).toBe("Package: a");
  expect(statSync(fixture.at("by-hash/0")).ino).toBe(statSync(fixture.at("Packages")).ino);
});

test("what could not be placed is not fetched again", async () => {
  const image = randomBytesOf(3, 400_000);
  const { fixture, mirror } = await world({ image, other: "x" }, (before) => {
    mkdirSync(before.at("image"), { recursive: true });
    writeFileSync(join(before.at("image"), "somebody's own"), "mine");
  });
  const first = await sync(mirror);
  expect(first.failures.map(({ path }) => path)).toEqual(["image"]);
  const second = await sync(mirror);
  expect(second.failures).toHaveLength(1);
  expect(second.summary.bytes.fromOrigin).toBeLessThan(1_000);
  rmSync(fixture.at("image"), { recursive: true });
  const third = await sync(mirror);
  expect(third.failures).toEqual([]);
  expect(third.summary.bytes.fromOrigin).toBeLessThan(1_000);
  expect(readFileSync(fixture.at("image")).equals(image)).toBe(true);
  expect([[...mirror.staging.parts()], [...mirror.index.staged.all()]]).toEqual([[], []]);
});

test("a staged part that somebody removed fails its path alone, says so, and is fetched again", async () => {
  const { fixture, mirror } = await world({ a: randomBytesOf(1, 10_000), b: "b", c: randomBytesOf(2, 200_000) });
  const removeParts = (stage: string): void => {
    if (stage !== "activate") return;
    for (const { content, lengthBytes } of [...mirror.staging.parts()])
      if (lengthBytes > 1) rmSync(fixture.at(`.prsync/staging/${content}.part`));
  };
  const first = await runSync(mirror, SYNC_OPTIONS, { ...SILENT_PROGRESS, onStage: removeParts });
  expect(first.failures.map(({ path, error }) => [path, (error as StoreError).code])).toEqual([
    ["a", "staged-missing"],
    ["c", "staged-missing"],
  ]);
  expect(textAt(fixture, "b")).toBe("b");
  const second = await sync(mirror);
  expect([second.failures, second.summary.files.fetched]).toEqual([[], 2]);
  expect(await rsyncDifferences(fixture.central.treePath, fixture.destination)).toBe("");
});

test("a second sync with nothing new keeps everything and receives metadata alone", async () => {
  const { mirror } = await world({ a: "a", b: "b" });
  await sync(mirror);
  const { summary } = await sync(mirror);
  expect(summary.files).toMatchObject({ total: 2, kept: 2, copied: 0, delta: 0, fetched: 0, removed: 0 });
  // A connection that is still open may say that it has lost its interest.
  expect(summary.bytes.fromOrigin + summary.bytes.fromPeers).toBeLessThan(50);
});

test("a reopened mirror knows that it is whole, one with a lost record that it is not", async () => {
  const { fixture, mirror } = await world({ a: "a", b: "b" });
  await sync(mirror);
  await mirror[Symbol.asyncDispose]();
  const again = await fixture.open();
  expect([again.holdings.isComplete, again.situation.announcedRelease]).toEqual([true, 1]);
  again.index.files.remove(pathOf("a"));
  await again[Symbol.asyncDispose]();
  expect((await fixture.open()).holdings.isComplete).toBe(false);
});

test("a file damaged without a trace in size and time is found by verify and mended by the next sync", async () => {
  const large = randomBytesOf(2, 200_000);
  const { fixture, mirror } = await world({ large, small: "small" });
  await sync(mirror);
  const damaged = Buffer.from(large);
  damaged.fill(0xee, 70_000, 70_100);
  plant(fixture, "large", damaged);
  plant(fixture, "small", "smell");
  const found = await verifyMirror(mirror, SIGNAL);
  expect(found).toMatchObject({ files: 2, bytes: 200_005 });
  expect(found.bad).toEqual([
    { path: "large", verdict: "changed" },
    { path: "small", verdict: "changed" },
  ]);
  expect(mirror.holdings.isComplete).toBe(false);
  const { summary, failures } = await sync(mirror, { rescanMs: Infinity });
  expect([failures, summary.files.delta]).toEqual([[], 1]);
  expect(readFileSync(fixture.at("large")).equals(large)).toBe(true);
  expect(textAt(fixture, "small")).toBe("small");
  expect((await verifyMirror(mirror, SIGNAL)).bad).toEqual([]);
  expect(summary.bytes.fromOrigin).toBeLessThan(20_000);
});

test("verify names what is missing, and calls a file intact whose time alone changed", async () => {
  const { fixture, mirror } = await world({ a: "a", b: "b" });
  await sync(mirror);
  rmSync(fixture.at("a"));
  utimesSync(fixture.at("b"), 1, 1);
  expect((await verifyMirror(mirror, SIGNAL)).bad).toEqual([{ path: "a", verdict: "missing" }]);
  await sync(mirror);
  expect([textAt(fixture, "a"), statSync(fixture.at("b")).mtimeMs]).toEqual(["a", MTIME_SECONDS * 1000]);
});

test("an adopted file is not given to anybody until it was hashed; a wrong one is mended", async () => {
  const { fixture, mirror } = await world({ right: "right", wrong: "wrong" }, (dest) => {
    plant(dest, "right", "right");
    plant(dest, "wrong", "gnorw");
  });
  const { summary } = await sync(mirror);
  expect(summary.files).toMatchObject({ total: 2, kept: 2 });
  expect(mirror.index.files.totals()).toMatchObject({ files: 2, verifiedFiles: 0 });
  expect([mirror.holdings.isComplete, textAt(fixture, "wrong")]).toEqual([false, "gnorw"]);
  expect(await verifyAdopted(mirror, SIGNAL)).toBe(1);
  expect((await sync(mirror)).failures).toEqual([]);
  expect(textAt(fixture, "wrong")).toBe("wrong");
  expect([await verifyAdopted(mirror, SIGNAL), mirror.holdings.isComplete]).toEqual([0, true]);
});

test("--checksum believes no file by size and time, adopted before or now", async () => {
  const { fixture, mirror } = await world({ wrong: "wrong" }, (dest) => plant(dest, "wrong", "gnorw"));
  await sync(mirror);
  expect(textAt(fixture, "wrong")).toBe("gnorw");
  await sync(mirror, { plan: { checksum: true } });
  expect(textAt(fixture, "wrong")).toBe("wrong");
});

test("what an earlier release brought is removed, what nobody brought stays; with --delete it goes, our own directory not", async () => {
  const state = await world({ a: "a", b: "b" });
  const { central, fixture, mirror } = state;
  await sync(mirror);
  plant(fixture, "foreign", "foreign");
  rmSync(`${central.treePath}/b`);
  await publish(state);
  expect((await sync(mirror)).summary.files.removed).toBe(1);
  expect([existsSync(fixture.at("b")), existsSync(fixture.at("foreign"))]).toEqual([false, true]);
  expect((await sync(mirror, { plan: { removal: "all" } })).summary.files.removed).toBe(1);
  expect([existsSync(fixture.at("foreign")), existsSync(fixture.at(".prsync/index.sqlite"))]).toEqual([false, true]);
});

test("beyond --max-delete nothing is removed and all else is done; a later run may still remove it", async () => {
  const state = await world({ a: "a", b: "b", c: "c" });
  const { central, fixture, mirror } = state;
  await sync(mirror);
  for (const name of ["b", "c"]) rmSync(`${central.treePath}/${name}`);
  central.write("new", "new");
  await publish(state);
  const held = await sync(mirror, { maxDelete: 1 });
  expect([held.hasTooManyRemovals, held.summary.files.removed, textAt(fixture, "new")]).toEqual([true, 0, "new"]);
  const next = await sync(mirror, { maxDelete: 2 });
  expect([next.hasTooManyRemovals, next.summary.files.removed]).toEqual([false, 2]);
  expect([existsSync(fixture.at("b")), existsSync(fixture.at("c"))]).toEqual([false, false]);
});

test("a content that central lost fails its paths alone, further names too; they keep their old bytes and are told", async () => {
  const state = await world({ lost: "old bytes", other: "other" });
  const { central, fixture, mirror } = state;
  linkSync(`${central.treePath}/lost`, `${central.treePath}/name`);
  await publish(state);
  await sync(mirror);
  expect(statSync(fixture.at("lost")).ino).toBe(statSync(fixture.at("name")).ino);
  writeFileSync(`${central.treePath}/lost`, "new bytes");
  central.write("other", "other, newer");
  central.write("fresh", "fresh");
  await publish(state);
  // Edited in place: where contents are kept by hard link, the published bytes are gone with it.
  writeFileSync(`${central.treePath}/lost`, "in-place!");
  const lost = contentOf("new bytes");
  rmSync(`${central.directory}/work/contents/${lost.slice(0, 2)}/${lost}`);
  const { failures } = await sync(mirror);
  expect(failures.map(({ path }) => path).toSorted()).toEqual(["lost", "name"]);
  expect([textAt(fixture, "lost"), textAt(fixture, "name"), textAt(fixture, "other")]).toEqual([
    "old bytes",
    "old bytes",
    "other, newer",
  ]);
  expect(mirror.holdings.isComplete).toBe(false);
  expect(mirror.index.files.pending()).toEqual(["lost", "name"]);
  await publish(state);
  expect((await sync(mirror)).failures).toEqual([]);
  expect([textAt(fixture, "lost"), textAt(fixture, "name")]).toEqual(["in-place!", "in-place!"]);
});

test("a file that changes on disk while a sync runs is looked at by the next one", async () => {
  const { fixture, mirror } = await world({ a: "a", b: "b" });
  await sync(mirror);
  const onStage = (stage: string): void => {
    if (stage !== "activate") return;
    writeFileSync(fixture.at("a"), "A");
    mirror.index.files.noteChanged(pathOf("a"));
  };
  await runSync(mirror, SYNC_OPTIONS, { ...SILENT_PROGRESS, onStage });
  expect([mirror.index.files.pending(), mirror.holdings.isComplete]).toEqual([["a"], false]);
  await sync(mirror, { rescanMs: Infinity });
  expect([textAt(fixture, "a"), mirror.index.files.pending()]).toEqual(["a", []]);
});

test("a second run finds the lock taken and leaves alone what the first one is at", async () => {
  const { fixture, mirror } = await world({ file: "content" });
  await using _first = mirror;
  const unfinished = fixture.at(".prsync/staging/unfinished.0.copy");
  writeFileSync(unfinished, "being copied");
  await expect(fixture.open()).rejects.toMatchObject({ code: "state-busy" });
  expect(existsSync(unfinished)).toBe(true);
});

test("with shared inodes nothing becomes a further name of a file that nobody hashed", async () => {
  const state = await world({ a: "right" }, (dest) => plant(dest, "a", "wrong"));
  const { central, fixture, mirror } = state;
  await sync(mirror);
  expect(textAt(fixture, "a")).toBe("wrong");
  central.write("b", "right");
  await publish(state);
  expect((await sync(mirror, { plan: { sharesInodes: true } })).failures).toEqual([]);
  expect(textAt(fixture, "b")).toBe("right");
});

test("a new name of a hard link is not given to a file of wrong bytes; the next sync mends both", async () => {
  const state = await world({ a: "right" }, (dest) => plant(dest, "a", "wrong"));
  const { central, fixture, mirror } = state;
  await sync(mirror);
  linkSync(`${central.treePath}/a`, `${central.treePath}/b`);
  await publish(state);
  expect((await sync(mirror)).failures.map(({ path }) => path)).toEqual(["b"]);
  expect(existsSync(fixture.at("b"))).toBe(false);
  expect((await sync(mirror)).failures).toEqual([]);
  expect([textAt(fixture, "a"), textAt(fixture, "b")]).toEqual(["right", "right"]);
  expect(statSync(fixture.at("a")).ino).toBe(statSync(fixture.at("b")).ino);
});

test("a new name of a hard link makes an adopted file of right bytes a verified one", async () => {
  const state = await world({ a: "right" }, (dest) => plant(dest, "a", "right"));
  const { central, fixture, mirror } = state;
  await sync(mirror);
  expect(mirror.index.files.totals()).toMatchObject({ files: 1, verifiedFiles: 0 });
  linkSync(`${central.treePath}/a`, `${central.treePath}/b`);
  await publish(state);
  expect((await sync(mirror)).failures).toEqual([]);
  expect(statSync(fixture.at("a")).ino).toBe(statSync(fixture.at("b")).ino);
  expect(mirror.index.files.totals()).toMatchObject({ files: 2, verifiedFiles: 2 });
});

test.each(["reuse", "download", "activate"])(
  "a sync cut off after it began to %s leaves its moves to the next one of the same process",
  async (cutOffAt) => {
    const text = randomBytesOf(3, 1_000_000);
    const state = await world({ old: text, "also moved": "small" });
    const { central, fixture, mirror } = state;
    await sync(mirror);
    renameSync(`${central.treePath}/old`, `${central.treePath}/new`);
    renameSync(`${central.treePath}/also moved`, `${central.treePath}/moved`);
    central.write("added", "added");
    await publish(state);
    const onStage = (stage: string): void => {
      if (stage === cutOffAt) throw new Error("cut off");
    };
    await expect(runSync(mirror, SYNC_OPTIONS, { ...SILENT_PROGRESS, onStage })).rejects.toThrow("cut off");
    const { summary, failures } = await sync(mirror);
    expect(failures).toEqual([]);
    expect(summary.files).toMatchObject({ copied: 2, fetched: 1 });
    expect(summary.bytes.fromOrigin + summary.bytes.fromPeers).toBeLessThan(1_000);
    expect([existsSync(fixture.at("old")), readFileSync(fixture.at("new")).equals(text)]).toEqual([false, true]);
    expect(mirror.index.files.totals()).toMatchObject({ files: 3, verifiedFiles: 3 });
  },
);

test("a move that the next release takes back costs nothing after a sync that was cut off", async () => {
  const state = await world({ old: randomBytesOf(4, 200_000) });
  const { central, fixture, mirror } = state;
  await sync(mirror);
  renameSync(`${central.treePath}/old`, `${central.treePath}/new`);
  await publish(state);
  const onStage = (stage: string): void => {
    if (stage === "download") throw new Error("cut off");
  };
  await expect(runSync(mirror, SYNC_OPTIONS, { ...SILENT_PROGRESS, onStage })).rejects.toThrow("cut off");
  renameSync(`${central.treePath}/new`, `${central.treePath}/old`);
  await publish(state);
  const { summary } = await sync(mirror);
  expect(summary.files).toMatchObject({ total: 1, kept: 1 });
  expect(statSync(fixture.at("old")).nlink).toBe(1);
});
