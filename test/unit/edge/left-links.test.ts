import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { dropLeftLinks } from "../../../src/edge/left-links.ts";
import { fileStatOf } from "../../../src/store/file-stat.ts";
import { contentOf, MirrorDisk, pathOf } from "./mirror-disk.ts";

test("a dropped link keeps the record of its file, whichever of many equal files it is", () => {
  const disk = new MirrorDisk();
  const names = Array.from({ length: 40 }, (_, i) => `file-${i + 10}`);
  for (const name of names) disk.hold(name, "equal");
  const path = pathOf(names.at(-1)!);
  const { stat: expectedStat } = disk.index.files.get(path)!;
  const source = { directory: disk.destination, path, expectedStat };
  disk.index.files.restat(path, expectedStat, disk.staging.stageLink(contentOf("equal"), source)!);
  dropLeftLinks(disk);
  expect([disk.staging.leftLinks(), readdirSync(disk.at(".prsync/staging"))]).toEqual([[], []]);
  expect(disk.index.files.get(path)!.stat).toEqual(fileStatOf(disk.destination.lstat(path)!));
});

test("a file that was written to while it had a link is not known any more", () => {
  const disk = new MirrorDisk();
  disk.hold("file", "right");
  const path = pathOf("file");
  const { stat: expectedStat } = disk.index.files.get(path)!;
  const linked = disk.staging.stageLink(contentOf("right"), { directory: disk.destination, path, expectedStat })!;
  disk.index.files.restat(path, expectedStat, linked);
  disk.write("file", "wrong");
  dropLeftLinks(disk);
  expect(disk.index.files.lookUp(path, fileStatOf(disk.destination.lstat(path)!))).toBeUndefined();
});
