import { expect, test } from "vitest";
import { TreeCounts } from "../../../src/analyze/tree-report.ts";
import { treeSections } from "../../../src/analyze/tree-sections.ts";
import { sectionLines } from "../../../src/analyze/section.ts";

const MB = 1_000_000;
const FILES = { from: "files", release: null } as const;
const sketch = (from: number): number[] => Array.from({ length: 16 }, (_, i) => from + i);

test("identical large files, likeness and savings of a small tree", () => {
  const counts = new TreeCounts(FILES);
  const none = { sketch: undefined, inner: undefined };
  counts.add({ path: "a/readme", sizeBytes: 100, content: "1", ...none });
  counts.add({ path: "b/readme", sizeBytes: 100, content: "1", ...none });
  counts.add({ path: "a/one.src.rpm", sizeBytes: 4 * MB, content: "2", sketch: sketch(0), inner: undefined });
  counts.add({ path: "b/one.src.rpm", sizeBytes: 4 * MB, content: "2", sketch: sketch(0), inner: undefined });
  // Half of it is in the one before; a third one shares nothing.
  counts.add({ path: "b/two.deb", sizeBytes: 4 * MB, content: "3", sketch: sketch(8), inner: undefined });
  counts.add({ path: "c/two.deb", sizeBytes: 4 * MB, content: "3", sketch: sketch(8), inner: undefined });
  counts.add({ path: "c/other.deb", sizeBytes: 2 * MB, content: "4", sketch: sketch(100), inner: undefined });
  // Packed versions: nothing in common as they are, all unpacked.
  const inner = { lengthBytes: 6 * MB, sketch: sketch(200) };
  counts.add({ path: "d/v1.tar.gz", sizeBytes: 3 * MB, content: "5", sketch: sketch(300), inner });
  counts.add({ path: "d/v2.tar.gz", sizeBytes: 3 * MB, content: "6", sketch: sketch(400), inner });
  counts.addUnreadable();
  const report = counts.report();
  expect(report).toMatchObject({ files: 9, bytes: 24 * MB + 200, unreadable: 1, smallShareOfFiles: 2 / 9 });
  expect(report.identical).toMatchObject({ largeFiles: 7, files: 2, bytes: 8 * MB, shareOfLargeFiles: 2 / 7 });
  expect(report.identical).toMatchObject({ sourceShareOfFiles: 0.5, sourceShareOfBytes: 0.5 });
  expect(report.similar).toMatchObject({ contents: 5, alike: 1, meanLikeness: 0.5 });
  expect(report.similar.byTenths).toEqual([4, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
  expect(report.savings).toEqual({ dedupeBytes: 8 * MB + 100, deltaBytes: 2 * MB, lookInsideBytes: 3 * MB });
  expect(treeSections(report).flatMap(sectionLines).join("\n")).toMatch(/identical ones +2, 28\.6 %/);
});

test("an empty tree has no figures", () => {
  const text = treeSections(new TreeCounts(FILES).report()).flatMap(sectionLines).join("\n");
  expect(text).not.toMatch(/NaN|Infinity|undefined|null/);
});
