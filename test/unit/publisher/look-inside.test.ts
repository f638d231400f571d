import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { BundleRow } from "../../../src/manifest/bundle-list.ts";
import { parseRecompressions, type Recompression } from "../../../src/manifest/recompression.ts";
import { parseInfoDictionary } from "../../../src/manifest/torrent.ts";
import type { PublishOptions } from "../../../src/publisher/publish-options.ts";
import type { PublishedTreeReader } from "../../../src/store/published-tree.ts";
import { nextVersion, npmGzip, sourceText } from "../../support/tar-like.ts";
import { problemsOf, PublishFixture, readBundles, readContent, sha256 } from "./published-fixture.ts";

const V1 = sourceText(400_000, 1);
const V2 = nextVersion(V1, 5);
const V3 = nextVersion(V2, 6);
const SPENT = "the budget for looking into compressed files ended before 1 of them";
const GNU = readFileSync(new URL("../../../fixtures/gzip/gnu-gzip-9.gz", import.meta.url));

function write(fixture: PublishFixture, files: Readonly<Record<string, Buffer>>): void {
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(fixture.tree, name), bytes);
}

async function innerBundles(tree: PublishedTreeReader): Promise<BundleRow[]> {
  return (await readBundles(tree)).filter(({ kind }) => kind === "inner");
}

/** What the release's own metadata bundle says. */
function recompressions(fixture: PublishFixture, tree: PublishedTreeReader): Recompression[] {
  const work = fixture.options.workDirectory;
  const { infoHash } = tree.release!.metadata[0]!;
  const info = parseInfoDictionary(readFileSync(join(work, "torrents", infoHash.slice(0, 2), infoHash)));
  const file = info.files.find(({ path }) => path === "recompression");
  if (file === undefined) return [];
  return parseRecompressions(readFileSync(join(work, "metadata", file.content.slice(0, 2), file.content)));
}

test("the next version of a gzip file has what is inside as a content with hashes, signature and settings", async () => {
  using fixture = new PublishFixture();
  write(fixture, { "package-1.0.0.tgz": npmGzip(V1) });
  await fixture.publish();
  using first = await fixture.open();
  expect(await innerBundles(first)).toEqual([]);

  rmSync(join(fixture.tree, "package-1.0.0.tgz"));
  write(fixture, { "package-1.0.1.tgz": npmGzip(V2) });
  const { counts, warnings } = await fixture.publish();
  expect(warnings).toEqual([]);
  expect(counts).toMatchObject({ newContents: 1, newBytes: npmGzip(V2).length });
  using tree = await fixture.open();
  const [bundle, ...others] = await innerBundles(tree);
  expect(others).toEqual([]);
  const { contents } = (await tree.bundle(bundle!.infoHash))!;
  expect(Array.from(contents, ({ content }) => content)).toEqual([sha256(V2)]);
  expect(recompressions(fixture, tree)).toEqual([
    expect.objectContaining({ content: sha256(npmGzip(V2)), inner: sha256(V2), innerLengthBytes: V2.length }),
  ]);
  expect((await readContent(tree, sha256(V2)))!.equals(V2)).toBe(true);
  expect(await tree.signature(sha256(V2))).toBeDefined();
  expect(await problemsOf(tree)).toEqual([]);
});

test.each<[string, Record<string, Buffer>, Partial<PublishOptions>, string[]]>([
  ["without a relative in the release before", { "other-name.tgz": npmGzip(V2) }, {}, []],
  ["of another deflate", { "package-1.0.1.tgz": GNU }, {}, []],
  ["that is too short", { "package-1.0.1.tgz": npmGzip(V2.subarray(0, 50_000)) }, {}, []],
  ["when it is switched off", { "package-1.0.1.tgz": npmGzip(V2) }, { lookInsideBudgetCpuSeconds: 0 }, []],
  ["when the budget is spent", { "package-1.0.1.tgz": npmGzip(V2) }, { lookInsideBudgetCpuSeconds: 1e-9 }, [SPENT]],
])("no bundle is made of a file %s", async (_why, files, options, expectedWarnings) => {
  using fixture = new PublishFixture();
  write(fixture, { "package-1.0.0.tgz": npmGzip(V1) });
  await fixture.publish();
  write(fixture, files);
  const { release, warnings } = await fixture.publish(options);
  expect(release).toBe(2);
  expect(warnings).toEqual(expectedWarnings);
  using tree = await fixture.open();
  expect(await innerBundles(tree)).toEqual([]);
  expect(recompressions(fixture, tree)).toEqual([]);
});

test("what is inside and a file of the tree, too, lies in the file's bundle alone", async () => {
  using fixture = new PublishFixture();
  write(fixture, { "package-1.0.0.tgz": npmGzip(V1) });
  await fixture.publish();
  write(fixture, { "package-1.0.1.tgz": npmGzip(V2), "package-1.0.1.tar": V2 });
  await fixture.publish();
  using tree = await fixture.open();
  expect(await innerBundles(tree)).toEqual([]);
  expect(recompressions(fixture, tree)).toMatchObject([{ inner: sha256(V2) }]);
  expect(await problemsOf(tree)).toEqual([]);
});

test("what is inside lives as long as the file around it", async () => {
  using fixture = new PublishFixture();
  let nowMs = Date.parse("2026-01-01T00:00:00Z");
  const clock = { ...fixture.options.clock, wallMs: () => nowMs };
  const publish = async (): Promise<void> => {
    nowMs += 24 * 3_600_000;
    await fixture.publish({ clock });
  };
  write(fixture, { "package-1.tgz": npmGzip(V1) });
  await publish();
  write(fixture, { "package-2.tgz": npmGzip(V2) });
  await publish();
  renameSync(join(fixture.tree, "package-2.tgz"), join(fixture.tree, "renamed-2.tgz"));
  await publish();
  rmSync(join(fixture.tree, "renamed-2.tgz"));
  for (const round of ["a", "b"]) {
    write(fixture, { other: Buffer.from(round) });
    await publish();
    using tree = await fixture.open();
    expect(await innerBundles(tree)).toHaveLength(1);
    expect(await problemsOf(tree)).toEqual([]);
  }
  for (const round of ["c", "d"]) {
    write(fixture, { other: Buffer.from(round) });
    await publish();
  }
  using tree = await fixture.open();
  expect(await innerBundles(tree)).toEqual([]);
  expect(await readContent(tree, sha256(V2))).toBeUndefined();
  expect(await problemsOf(tree)).toEqual([]);
});

test("a publish that was killed after looking inside does not look again", async () => {
  using fixture = new PublishFixture();
  write(fixture, { "package-1.tgz": npmGzip(V1) });
  await fixture.publish();
  write(fixture, { "package-2.tgz": npmGzip(V2), "package-3.tgz": npmGzip(V3) });
  const clock = {
    ...fixture.options.clock,
    // The time of the release is asked for after everything was looked into.
    wallMs: () => {
      throw new Error("died");
    },
  };
  await expect(fixture.publish({ clock })).rejects.toThrow("died");
  // No budget: what is found now was found then.
  await fixture.publish({ lookInsideBudgetCpuSeconds: 0 });
  using tree = await fixture.open();
  expect(
    recompressions(fixture, tree)
      .map(({ inner }) => inner)
      .sort(),
  ).toEqual([sha256(V2), sha256(V3)].sort());
  expect((await innerBundles(tree))[0]).toMatchObject({ contentCount: 2 });
  expect(await problemsOf(tree)).toEqual([]);
});
