import * as fs from "node:fs";
import { expect, test } from "vitest";
import { ConfinedDirectory } from "../../../src/store/confined-directory.ts";
import { plainPathOf } from "../../../src/store/plain-path.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

test("a directory's plain path leads to where it is, by no symlink, and follows it when it is moved", () => {
  const above = fs.realpathSync(temporaryDirectory());
  fs.mkdirSync(`${above}/tree`);
  fs.symlinkSync("tree", `${above}/link`);
  using root = ConfinedDirectory.open(`${above}/link`);
  expect(plainPathOf(root)).toBe(`${above}/tree/`);
  fs.renameSync(`${above}/tree`, Buffer.from(`${above}/m\xff`, "latin1"));
  expect(plainPathOf(root)).toBe(`${above}/m\xff/`);
});

test("the root of the file system has a plain path", () => {
  using root = ConfinedDirectory.open("/");
  expect(plainPathOf(root)).toBe("/");
});

test("a directory that is gone has none, even where another has the name that the system then tells", () => {
  const above = temporaryDirectory();
  fs.mkdirSync(`${above}/tree`);
  using root = ConfinedDirectory.open(`${above}/tree`);
  fs.rmdirSync(`${above}/tree`);
  expect(plainPathOf(root)).toBeUndefined();
  fs.mkdirSync(`${above}/tree (deleted)`);
  expect(plainPathOf(root)).toBeUndefined();
});
