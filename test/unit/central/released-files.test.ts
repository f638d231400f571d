import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ReleasedFiles } from "../../../src/central/released-files.ts";
import type { PublishedTree } from "../../../src/central/published-tree.ts";
import { realClock } from "../../../src/net/real-clock.ts";
import { PublishFixture, sha256 } from "../publisher/published-fixture.ts";

const SILENT = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const FIRST = Buffer.alloc(20_000, "first");
const SECOND = Buffer.alloc(20_000, "second");

/** Counts look-ups in the index, and readings of all of it. */
class CountedTree {
  lookups = 0;
  readings = 0;
  readonly port: PublishedTree;

  constructor(tree: PublishedTree) {
    this.port = new Proxy(tree, {
      get: (_, name: keyof PublishedTree) => {
        if (name === "entry") this.lookups++;
        if (name === "readFileTable") this.readings++;
        const value: unknown = Reflect.get(tree, name);
        return typeof value === "function" ? (value.bind(tree) as unknown) : value;
      },
    });
  }
}

test("files of a release that is asked for often come from memory, and those of the next one at once", async () => {
  using fixture = new PublishFixture();
  mkdirSync(join(fixture.tree, "pool"));
  writeFileSync(join(fixture.tree, "pool/lib+x_1.deb"), FIRST);
  symlinkSync("pool", join(fixture.tree, "old"));
  await fixture.publish();
  using tree = await fixture.open();
  const counted = new CountedTree(tree);
  // By this clock each look takes a millisecond.
  let nowMs = 0;
  const clock = { ...realClock, monotonicMs: () => ++nowMs };
  const infos: Readonly<Record<string, unknown>>[] = [];
  const log = { ...SILENT, info: (fields: Readonly<Record<string, unknown>>) => void infos.push(fields) };
  const files = new ReleasedFiles({ tree: counted.port, clock, log });
  const find = (target: string): ReturnType<ReleasedFiles["find"]> => files.find(target, realClock.monotonicMs());

  const targets = ["/pool/lib+x_1.deb", "/pool/lib%2Bx_1.deb", `/pool/lib%2bx_1.deb?sha256=${sha256(FIRST)}`];
  const fromIndex = targets.map(find);
  expect(fromIndex.map((file) => file?.served.content)).toEqual(targets.map(() => sha256(FIRST)));
  for (let missing = 0; missing < 1_000 - 2 * targets.length; missing++) find(`/missing-${missing}`);
  expect(counted.readings).toBe(0);
  for (let missing = 0; missing < 10; missing++) find(`/missing-${missing}`);
  await expect.poll(isFromMemory, { timeout: 20_000 }).toBe(true);
  expect(infos).toMatchObject([{ release: 1 }]);
  expect(targets.map(find)).toEqual(fromIndex);

  // What only the index knows is the same as before.
  expect(find("/old/lib+x_1.deb")?.served.content).toBe(sha256(FIRST));
  const others = [
    "/pool",
    "/pool/lib%2Bx_1.deb/",
    "/pool/lib+x_1.deb?sha256=" + sha256(SECOND),
    "/pool%2Flib+x_1.deb",
    "*pool/lib+x_1.deb",
  ];
  expect(others.map(find)).toEqual(others.map(() => undefined));

  writeFileSync(join(fixture.tree, "pool/lib+x_1.deb"), SECOND);
  await fixture.publish();
  files.noteLook();
  expect(targets.map((target) => find(target)?.served.content)).toEqual([sha256(SECOND), sha256(SECOND), undefined]);

  function isFromMemory(): boolean {
    const before = counted.lookups;
    // With a query that is kept nowhere.
    find(`/pool/lib+x_1.deb?${before}`);
    return counted.lookups === before;
  }
});
