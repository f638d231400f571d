import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LoopbackCentral } from "../support/loopback-central.ts";
import { RunningProgram, runPrsync, type RunResult } from "../support/program.ts";

const central = new LoopbackCentral("config");
const config = join(central.directory, "config");
const env = { ...central.env, XDG_CONFIG_HOME: config };
const told = join(central.directory, "told");

beforeAll(async () => {
  writeFileSync(join(central.tree, "package"), "one");
  writeFileSync(join(central.tree, "image.iso"), "large");
  await central.publish();
  await central.serve();
  for (const name of ["first", "second"]) writeFileSync(ticketOf(name), await central.invite(name));
  write(`
    quiet = true
    peer-port = 0
    [mirror.first]
    dest = "${central.mirror("first")}"
    ticket = "@${ticketOf("first")}"
    filter = ["- *.iso"]
    delete = true
    linger = "10m"
    post-sync = "echo $PRSYNC_DEST >> ${told}"
    [mirror.second]
    dest = "${central.mirror("second")}"
    ticket = "@${ticketOf("second")}"
    listen = "127.0.0.1:0"
    interval = "1h"
  `);
});

afterAll(async () => {
  await central[Symbol.asyncDispose]();
});

test("two mirrors of one machine are synced by name, each by its own options", async () => {
  const silent = { code: 0, stdout: "", stderr: "" };
  expect(await prsync("sync", "first", "--no-linger")).toEqual(silent);
  expect(await prsync("sync", "second")).toEqual(silent);
  const has = (name: string): boolean => existsSync(join(central.mirror(name), "image.iso"));
  expect([has("first"), has("second")]).toEqual([false, true]);
  expect(readFileSync(told, "utf8")).toBe(`${central.mirror("first")}\n`);
});

test("the line comes first, and what takes time has none in a dry run", async () => {
  writeFileSync(join(central.mirror("first"), "mine"), "");
  const removing = await prsync("sync", "first", "--dry-run", "--itemize-changes");
  expect(removing).toEqual({ code: 0, stdout: ".d..t...... ./\n*deleting   mine\n", stderr: "" });
  expect((await prsync("sync", "first", "-n", "-i", "--no-delete")).stdout).toBe(".d..t...... ./\n");
});

test("daemon, status and verify know the name, and a daemon is not told of options that are its own", async () => {
  await using _daemon = await RunningProgram.start(["daemon", "second"], { env });
  expect(JSON.parse((await prsync("status", "second", "--json")).stdout)).toMatchObject({
    running: true,
    name: "second",
  });
  expect(await prsync("sync", "second")).toEqual({ code: 0, stdout: "", stderr: "" });
  expect(await prsync("verify", "second")).toMatchObject({ code: 0, stderr: "" });
});

test("a bad file ends a run in 1 and names every problem, before anything is done", async () => {
  const path = write(
    `[mirror.third]\ndest = "${central.mirror("third")}"\ndelte = true\nbwlimit = "fast"\n`,
    "third.toml",
  );
  expect(await prsync("sync", "third")).toEqual({
    code: 1,
    stdout: "",
    stderr:
      `prsync: ${path}:3: mirror.third.delte: unknown key; did you mean delete?\n` +
      `prsync: ${path}:4: mirror.third.bwlimit: expected a size like 64K or 2G, got "fast"\n` +
      "prsync error: bad-config (code 1)\n",
  });
  expect(existsSync(central.mirror("third"))).toBe(false);
});

test("what a file and the line contradict in is told with the file", async () => {
  const path = write(`[mirror.fourth]\ndest = "${central.mirror("fourth")}"\nchecksum = true\n`, "fourth.toml");
  const { code, stderr } = await prsync("sync", "fourth", "--size-only");
  expect([code, stderr.split("\n").slice(1, 3)]).toEqual([
    1,
    [
      `prsync: note: options of [mirror.fourth] of ${path} are in force, too`,
      "prsync: --checksum and --size-only contradict each other",
    ],
  ]);
});

test("central is published by name", async () => {
  const words = `listen = "127.0.0.1:0"\npeer-port = 0\nwatch = true\nwatch-quiet = "200ms"\nswarm-size = "32K"\n`;
  const tree = join(central.directory, "other");
  mkdirSync(tree);
  write(`[tree.other]\ntree = "${tree}"\n${words}`, "other.toml");
  expect(await prsync("publish", "other", "--json")).toMatchObject({ code: 0 });
  await using serve = await RunningProgram.start(["serve", "other"], { env });
  writeFileSync(join(tree, "file"), "text");
  const newest = async (): Promise<number> =>
    ((await (await fetch(`${serve.ready.http}/.prsync/api/v1/status`)).json()) as { release: { number: number } })
      .release.number;
  while ((await newest()) < 2) await new Promise((wake) => setTimeout(wake, 100));
  expect(serve.log).not.toContain("warn");
});

function ticketOf(name: string): string {
  return join(central.directory, `${name}.ticket`);
}

function write(text: string, name = "mirrors.toml"): string {
  mkdirSync(join(config, "prsync"), { recursive: true, mode: 0o755 });
  const path = join(config, "prsync", name);
  writeFileSync(path, text, { mode: 0o644 });
  return path;
}

/** Where no directory has the name of a mirror: that would be refused. */
function prsync(...words: readonly string[]): Promise<RunResult> {
  return runPrsync(words, { env });
}
