import { hash } from "node:crypto";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { parseContentId, type ContentId } from "../../../src/core/content-id.ts";
import { repoPathFromText } from "../../../src/core/repo-path.ts";
import { MirrorIndex } from "../../../src/store/mirror-index.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

function open(path = join(temporaryDirectory(), "index.sqlite")): MirrorIndex {
  const index = MirrorIndex.open(path);
  onTestFinished(() => index[Symbol.dispose]());
  return index;
}

function content(name: string): ContentId {
  return parseContentId(hash("sha256", name, "hex"));
}

/** Handprints from `start` on. */
function sketch(start: number): number[] {
  return Array.from({ length: 16 }, (_, i) => start + i);
}

function hold(index: MirrorIndex, name: string): void {
  const stat = { size: 1, mtimeNs: 1n, ctimeNs: 1n, ino: 1n };
  index.files.put(repoPathFromText(name), { stat, content: content(name), isVerified: true });
}

test("alike contents come back with their sketches, those that share most first", () => {
  const index = open();
  index.sketches.put(content("a"), sketch(0));
  index.sketches.put(content("b"), sketch(6));
  index.sketches.put(content("c"), sketch(1_000));
  for (const name of ["a", "b", "c"]) hold(index, name);
  expect(index.sketches.get(content("b"))).toEqual(sketch(6));
  expect(index.sketches.alike(sketch(5), 8)).toEqual([
    { content: content("b"), sketch: sketch(6) },
    { content: content("a"), sketch: sketch(0) },
  ]);
  expect(index.sketches.alike(sketch(5), 1)).toHaveLength(1);
  expect(index.sketches.alike([], 8)).toEqual([]);
});

test("a handprint that thousands share is not followed to all of them", () => {
  const index = open();
  index.transaction(() => {
    for (let i = 0; i < 3_000; i++) {
      index.sketches.put(content(`${i}`), [7, 1_000 + i]);
      hold(index, `${i}`);
    }
  });
  expect(index.sketches.alike([7], 10_000)).toHaveLength(64);
  expect(index.sketches.alike([7, 3_999], 1)).toEqual([{ content: content("2999"), sketch: [7, 3_999] }]);
});

test("contents that no file has do not crowd out one that is held", () => {
  const index = open();
  index.transaction(() => {
    for (let i = 0; i < 200; i++) index.sketches.put(content(`wanted ${i}`), sketch(0));
    index.sketches.put(content("held"), sketch(10));
    hold(index, "held");
  });
  expect(index.sketches.alike(sketch(0), 8).map((found) => found.content)).toEqual([content("held")]);
});

test("sketches of contents that are gone are swept once enough is new", () => {
  const index = open();
  for (const name of ["a", "b", "c", "d"]) index.sketches.put(content(name), sketch(0));
  hold(index, "a");
  expect(index.sketches.sweep(4)).toBe(4);
  expect(index.sketches.sweep(2)).toBe(1);
  expect(index.sketches.alike(sketch(0), 8).map((found) => found.content)).toEqual([content("a")]);
});

test("an index of an older version is made anew", () => {
  const path = join(temporaryDirectory(), "index.sqlite");
  const old = new DatabaseSync(path);
  old.exec("CREATE TABLE files(path BLOB PRIMARY KEY); INSERT INTO files VALUES (x'61'); PRAGMA user_version = 1");
  old.close();
  const index = open(path);
  expect([index.files.isEmpty(), index.sketches.count(), index.damagedPredecessor]).toEqual([true, 0, undefined]);
});
