import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LoopbackCentral } from "../support/loopback-central.ts";
import { runPrsync } from "../support/program.ts";

test("what --last names waits until all else is there", async () => {
  await using central = new LoopbackCentral("last");
  const [tree, mirror] = [central.tree, central.mirror("mirror")];
  const release = async (number: number): Promise<void> => {
    for (const name of ["catalogue", "other", "package"]) writeFileSync(join(tree, name), `${name} ${number}`);
    await central.publish();
  };
  const sync = async (): Promise<unknown> => {
    const words = ["sync", mirror, "--peer-port", "0", "--last=/catalogue"];
    return (await runPrsync(words, { env: central.env })).code;
  };
  const held = (name: string): string => readFileSync(join(mirror, name), "utf8");
  await release(1);
  await central.serve();
  await central.sync("mirror");
  rmSync(join(mirror, "package"));
  mkdirSync(join(mirror, "package"));
  writeFileSync(join(mirror, "package/in the way"), "");
  await release(2);
  expect(await sync()).toBe(23);
  expect([held("other"), held("catalogue")]).toEqual(["other 2", "catalogue 1"]);
  rmSync(join(mirror, "package"), { recursive: true });
  expect(await sync()).toBe(0);
  expect([held("package"), held("catalogue")]).toEqual(["package 2", "catalogue 2"]);
});
