import { createHash, randomBytes } from "node:crypto";
import {
  cpSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { setImmediate } from "node:timers/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { AnalysisReport } from "../../../src/analyze/analysis-report.ts";
import type { TreeReport } from "../../../src/analyze/tree-report.ts";
import { UsageError } from "../../../src/cli/arguments.ts";
import { analyzeCommand } from "../../../src/cli/commands/analyze.ts";
import { EXIT, exitCodeOf } from "../../../src/cli/exit-codes.ts";
import { contentIdOf } from "../../../src/core/content-id.ts";
import { repoPathFromText } from "../../../src/core/repo-path.ts";
import { cutChunks } from "../../../src/manifest/chunk.ts";
import type { Entry } from "../../../src/manifest/entry.ts";
import { encodeIndex } from "../../../src/manifest/manifest-index.ts";
import { MirrorIndex } from "../../../src/store/mirror-index.ts";
import { nextVersion, npmGzip, sourceText } from "../../support/tar-like.ts";
import { PublishFixture } from "../publisher/published-fixture.ts";
import { runCommand } from "../../support/run-command.ts";

const run = (...words: string[]): ReturnType<typeof runCommand> => runCommand(analyzeCommand, words);

const V1 = sourceText(400_000, 1);
const V2 = nextVersion(V1, 5);
const V3 = nextVersion(V2, 6);
const IMAGE = randomBytes(1_200_000);
const VARIANT = Buffer.concat([IMAGE.subarray(0, 700_000), randomBytes(300_000)]);

function fillTree(tree: string): void {
  mkdirSync(join(tree, "b"));
  writeFileSync(join(tree, "a.iso"), IMAGE);
  writeFileSync(join(tree, "b", "same.src.rpm"), IMAGE);
  linkSync(join(tree, "a.iso"), join(tree, "b", "linked.iso"));
  symlinkSync("a.iso", join(tree, "b", "symlink.iso"));
  writeFileSync(join(tree, "b", "variant.iso"), VARIANT);
  for (const name of ["empty", "empty too"]) writeFileSync(join(tree, name), "");
  for (const name of ["small", "small\u00e9", "b.deb"]) writeFileSync(join(tree, name), "small");
  writeFileSync(join(tree, "package-1.tgz"), npmGzip(V1));
}

/** One release of that tree. */
const published = new PublishFixture();

beforeAll(async () => {
  fillTree(published.tree);
  await published.publish();
});

afterAll(() => {
  published[Symbol.dispose]();
});

/** To be changed at will. */
function copyOfPublished(): { readonly tree: string; readonly work: string } {
  const base = mkdtempSync(join(tmpdir(), "prsync-analyze-"));
  onTestFinished(() => {
    rmSync(base, { recursive: true });
  });
  cpSync(published.base, base, { recursive: true });
  return { tree: join(base, "tree"), work: join(base, "tree.prsync") };
}

/** What files and index must agree on. */
function comparable({ source: _source, repackable: _repackable, savings, ...rest }: TreeReport): object {
  const { lookInsideBytes: _inside, ...others } = savings;
  return { ...rest, savings: others };
}

function traces(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" }).map((name) => {
    const { ino, size, mtimeNs, ctimeNs } = statSync(join(directory, name), { bigint: true });
    return [name, ino, size, mtimeNs, ctimeNs].join(" ");
  });
}

test("a published tree's index tells what its files tell, release after release", async () => {
  using fixture = new PublishFixture();
  fillTree(fixture.tree);
  for (const [release, version] of [V1, V2, V3].entries()) {
    writeFileSync(join(fixture.tree, `package-${release + 1}.tgz`), npmGzip(version));
    await fixture.publish();
    const before = traces(fixture.options.workDirectory);
    const known = await treeReport(fixture.tree);
    expect(traces(fixture.options.workDirectory)).toEqual(before);
    const read = await treeReport(fixture.tree, "--read-files");
    expect(known.source).toEqual({ from: "published", release: release + 1 });
    expect(read).toMatchObject({ source: { from: "files", release: null }, repackable: null });
    expect(comparable(known)).toEqual(comparable(read));
    expect(known.repackable?.contents).toBe(release);
    expect(known.savings.lookInsideBytes).toBeLessThanOrEqual(read.savings.lookInsideBytes!);
  }
  const { identical, similar, repackable, savings } = await treeReport(fixture.tree);
  expect(identical).toMatchObject({ files: 2, bytes: 2_400_000, sourceShareOfFiles: 0.5 });
  expect(similar).toMatchObject({ contents: 2, withoutSketch: 0, alike: 1 });
  expect(repackable).toEqual({
    contents: 2,
    bytes: npmGzip(V2).length + npmGzip(V3).length,
    unpackedBytes: V2.length + V3.length,
  });
  expect(savings.lookInsideBytes).toBeGreaterThan(0.5 * npmGzip(V3).length);
});

test("no file is read, and the text says from where and of which release the figures are", async () => {
  const { tree, work } = copyOfPublished();
  const known = await treeReport(tree);
  rmSync(tree, { recursive: true });
  rmSync(join(work, "contents"), { recursive: true });
  mkdirSync(tree);
  expect(known).toMatchObject({ source: { from: "published", release: 1 }, files: 10 });
  expect(await treeReport(tree)).toEqual(known);
  expect((await run("--tree", tree)).printed).toMatch(/known from +index of publish, release 1; no file was read\n/);
});

test("while publish runs each report is of one release or the other", async () => {
  using fixture = new PublishFixture();
  fillTree(fixture.tree);
  await fixture.publish();
  const reports = [await treeReport(fixture.tree)];
  writeFileSync(join(fixture.tree, "b", "new.iso"), VARIANT);
  writeFileSync(join(fixture.tree, "package-2.tgz"), npmGzip(V2));
  let isDone = false;
  const publishing = fixture.publish().finally(() => (isDone = true));
  while (!isDone) {
    reports.push(await treeReport(fixture.tree));
    await setImmediate(); // a report waits for nothing that would let publish go on
  }
  await publishing;
  const after = await treeReport(fixture.tree);
  expect(after.source.release).toBe(2);
  expect(comparable(after)).toEqual(comparable(await treeReport(fixture.tree, "--read-files")));
  expect(reports.length).toBeGreaterThan(2);
  const expected = new Map([reports[0]!, after].map((report) => [report.source.release, report]));
  for (const report of reports) expect(report).toEqual(expected.get(report.source.release));
});

test("without an index, or with one that is of no use, the files are read", async () => {
  const { tree, work } = copyOfPublished();
  const read = await treeReport(tree, "--read-files");
  setVersion(work, 1);
  const { complaints, printed } = await run("--tree", tree, "--json");
  expect((JSON.parse(printed) as AnalysisReport).tree).toEqual(read);
  expect(complaints).toEqual([`prsync: index "${work}/index.sqlite" was made by an older version and is not used`]);
  rmSync(work, { recursive: true });
  expect(await treeReport(tree)).toEqual(read);
  await expect(run("--tree", tree, "--work", `${work}.mistyped`)).rejects.toThrow(UsageError);
});

test("an index elsewhere is found by --work; one that is too new or damaged ends it with its exit code", async () => {
  const { tree, work } = copyOfPublished();
  renameSync(work, `${work}.elsewhere`);
  expect((await treeReport(tree, "--work", `${work}.elsewhere`)).source.from).toBe("published");
  renameSync(`${work}.elsewhere`, work);
  setVersion(work, 1_000);
  expect(exitCodeOf(await failure(tree))).toBe(EXIT.protocol);
  writeFileSync(join(work, "index.sqlite"), "damaged".repeat(1_000));
  const damaged = await failure(tree);
  expect([exitCodeOf(damaged), damaged.message]).toEqual([EXIT.disk, expect.stringMatching(/^index ".*" is damaged/)]);
  expect((await treeReport(tree, "--read-files")).files).toBe(10);
});

test("a mirror's index tells of the release it holds, and of what it has no sketch", async () => {
  using tree = await published.open();
  const mirror = join(published.base, "mirror");
  mkdirSync(join(mirror, ".prsync"), { recursive: true });
  const entries = ["a.iso", "b/linked.iso", "b/same.src.rpm", "b/variant.iso", "empty", "small"].map((name) =>
    tree.entry(repoPathFromText(name))!,
  );
  {
    using index = MirrorIndex.open(join(mirror, ".prsync", "index.sqlite"));
    await hold(index, entries);
    index.sketches.put(contentIdOf(createHash("sha256").update(IMAGE).digest()), [1, 2, 3]);
  }
  const before = traces(mirror);
  const report = await treeReport(mirror);
  expect(traces(mirror)).toEqual(before);
  expect(report).toMatchObject({
    source: { from: "mirror", release: 7 },
    files: entries.length,
    identical: { largeFiles: 3, files: 2, bytes: 2 * IMAGE.length },
    similar: { contents: 1, withoutSketch: 1 },
    savings: { dedupeBytes: 2 * IMAGE.length, lookInsideBytes: null },
    repackable: { contents: 0 },
  });
  expect((await run("--tree", mirror)).printed).toMatch(/no sketch is known +1\n/);
  writeFileSync(join(mirror, ".prsync", "index.sqlite.is-damaged"), "");
  expect(exitCodeOf(await failure(mirror))).toBe(EXIT.disk);
});

async function hold(index: MirrorIndex, entries: readonly Entry[]): Promise<void> {
  const chunks = [...cutChunks(entries)];
  for (const { ref, bytes } of chunks) index.manifest.putChunk(ref.sha256, zstdCompressSync(bytes));
  const refs = chunks.map(({ ref }) => ref);
  index.setNextRelease({ release: 7, index: createHash("sha256").update(encodeIndex(refs)).digest("hex"), refs });
  await index.commitRelease();
}

function setVersion(workDirectory: string, version: number): void {
  using database = new DatabaseSync(join(workDirectory, "index.sqlite"));
  database.exec(`PRAGMA user_version = ${version}`);
}

async function treeReport(tree: string, ...words: string[]): Promise<TreeReport> {
  const { printed } = await run("--tree", tree, "--json", ...words);
  return (JSON.parse(printed) as AnalysisReport).tree!;
}

async function failure(tree: string): Promise<Error> {
  return (await run("--tree", tree).catch((error: unknown) => error)) as Error;
}
