import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { parseInfoDictionary } from "../../../src/manifest/torrent.ts";
import { path, problemsOf, PublishFixture, readBundles } from "./published-fixture.ts";

test("contents of a group lie together in the bundle, those of one under another name, too", async () => {
  using fixture = new PublishFixture();
  for (const name of ["a/1", "b/2", "c/3", "d/4", "e/5"]) write(fixture, name, name);
  write(fixture, "z/same-as-b", "b/2");
  const groups = [
    [path("e/5"), path("a/1")],
    [path("z/same-as-b"), path("d/4"), path("not/there"), path("e/5")],
  ];
  expect(await fixture.publish({ groups })).toMatchObject({ release: 1, warnings: [] });
  expect(await bundledPaths(fixture)).toEqual([["a/1", "e/5", "b/2", "d/4", "c/3"]]);
  write(fixture, "e/6", "6");
  write(fixture, "a/2", "2");
  write(fixture, "b/9", "9");
  await fixture.publish({ groups: [[path("e/6"), path("a/2"), path("a/1")]] });
  expect((await bundledPaths(fixture)).at(-1)).toEqual(["a/2", "e/6", "b/9"]);
  using tree = await fixture.open();
  expect(await problemsOf(tree)).toEqual([]);
});

test("groups of another tree are warned about, and change nothing", async () => {
  using fixture = new PublishFixture();
  for (const name of ["a/1", "b/2"]) write(fixture, name, name);
  const { warnings } = await fixture.publish({ groups: [[path("debian/a/1"), path("debian/b/2")]] });
  expect(warnings).toEqual(["no path of the groups is in TREE: paths in them begin at TREE"]);
  expect(await bundledPaths(fixture)).toEqual([["a/1", "b/2"]]);
});

test("files that a release removes are not in TREE, those it leaves alone are", async () => {
  using fixture = new PublishFixture();
  for (const name of ["a/1", "b/2"]) write(fixture, name, name);
  await fixture.publish({});
  rmSync(join(fixture.tree, "a/1"));
  expect((await fixture.publish({ groups: [[path("a/1")]] })).warnings).toHaveLength(1);
  write(fixture, "c/3", "c/3");
  expect((await fixture.publish({ groups: [[path("a/1"), path("b/2")]] })).warnings).toEqual([]);
});

function write(fixture: PublishFixture, name: string, text: string): void {
  mkdirSync(dirname(join(fixture.tree, name)), { recursive: true });
  writeFileSync(join(fixture.tree, name), text);
}

/** Of each content bundle, in order. */
async function bundledPaths(fixture: PublishFixture): Promise<string[][]> {
  using tree = await fixture.open();
  const paths: string[][] = [];
  for (const { infoHash } of await readBundles(tree)) {
    const info = await tree.infoDictionary(infoHash);
    paths.push(parseInfoDictionary(info!).files.map((file) => file.path));
  }
  return paths;
}
