import * as fs from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { path, PublishFixture, readManifest } from "./published-fixture.ts";

const NOBODY = 65_534;

// Root reads everything: this file's own process steps down.
beforeAll(() => {
  if (process.geteuid!() === 0) process.seteuid!(NOBODY);
});
afterAll(() => {
  if (process.getuid!() === 0) process.seteuid!(0);
});

test("what can't be read keeps its previous entries and is told by name", async () => {
  using fixture = new PublishFixture();
  fs.mkdirSync(join(fixture.tree, "closed"));
  fs.mkdirSync(join(fixture.tree, "closed-not"));
  for (const name of ["closed/inside", "closed-not/inside", "file", "open"])
    fs.writeFileSync(join(fixture.tree, name), name);
  await fixture.publish();
  using tree = await fixture.open();
  const before = await readManifest(tree);
  fs.writeFileSync(join(fixture.tree, "file.new"), "new version", { mode: 0o000 });
  fs.renameSync(join(fixture.tree, "file.new"), join(fixture.tree, "file"));
  fs.writeFileSync(join(fixture.tree, "never seen"), "x", { mode: 0o000 });
  fs.rmSync(join(fixture.tree, "open"));
  fs.chmodSync(join(fixture.tree, "closed"), 0o000);
  const outcome = await fixture.publish();
  fs.chmodSync(join(fixture.tree, "closed"), 0o755);
  expect(outcome.changedWhileRead).toEqual(["closed/inside", "file", "never seen"]);
  expect(outcome.warnings.length).toBe(4);
  await tree.refresh();
  const after = await readManifest(tree);
  const names = before.map((entry) => entry.path).filter((name) => name !== "open");
  expect(after.map((entry) => entry.path)).toEqual(names);
  for (const name of ["closed/inside", "file"]) {
    expect(tree.entry(path(name))).toEqual(before.find((entry) => entry.path === name));
  }
});
