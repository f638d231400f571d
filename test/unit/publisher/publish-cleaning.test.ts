import * as fs from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Clock } from "../../../src/core/clock.ts";
import { realClock } from "../../../src/net/real-clock.ts";
import { publishTree } from "../../../src/publisher/publish-tree.ts";
import { problemsOf, PublishFixture, SILENT } from "./published-fixture.ts";

test("a content that comes back after a publish that died before cleaning is in a bundle again", async () => {
  using fixture = new PublishFixture();
  let aheadMs = 0;
  const clock: Clock = { ...realClock, wallMs: () => Date.now() + aheadMs };
  const write = (name: string, text: string): void => {
    fs.writeFileSync(join(fixture.base, name), text);
    fs.renameSync(join(fixture.base, name), join(fixture.tree, name));
  };
  write("file", "comes back");
  await fixture.publish({ clock });
  fs.rmSync(join(fixture.tree, "file"));
  for (const text of ["release 2", "release 3", "release 4"]) {
    write("other", text);
    await fixture.publish({ clock });
  }
  aheadMs = 49 * 3_600_000;
  write("other", "release 5, which retires the first bundle");
  const onPhase = (phase: string): void => {
    if (phase === "clean") throw new Error("died before cleaning");
  };
  await expect(publishTree({ ...fixture.options, clock }, { ...SILENT, onPhase })).rejects.toThrow("died");
  write("file", "comes back");
  expect(await fixture.publish({ clock })).toMatchObject({ release: 6 });
  using tree = await fixture.open();
  expect(await problemsOf(tree)).toEqual([]);
});

test("a state directory that is behind the index gives no bundle number twice", async () => {
  using fixture = new PublishFixture();
  fs.writeFileSync(join(fixture.tree, "one"), "one");
  await fixture.publish();
  fs.rmSync(join(fixture.options.stateDirectory, "last-bundle"));
  fs.writeFileSync(join(fixture.tree, "two"), "two");
  expect(await fixture.publish()).toMatchObject({ release: 2 });
  using tree = await fixture.open();
  // 2 and 4 are metadata bundles.
  expect([...tree.bundleNumbers().keys()]).toEqual([1, 3]);
  expect(await problemsOf(tree)).toEqual([]);
});
