import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LoopbackCentral } from "../support/loopback-central.ts";
import { runPrsync, RunningProgram } from "../support/program.ts";

const FILE_BYTES = 100_000;
const QUOTA_BYTES = 4 * FILE_BYTES;
const QUOTA = ["--newest", "--quota", String(QUOTA_BYTES)];

/** A mirror of 12 files that is to hold 4 of them from now on. */
describe("a selection changed between runs", () => {
  const central = new LoopbackCentral("changed-selection");

  beforeAll(async () => {
    for (let index = 0; index < 12; index++) put(index);
    await central.publish();
    await central.serve();
    await central.sync("mirror");
  }, 120_000);

  afterAll(() => central[Symbol.asyncDispose]());

  test.each([["sync", "--delete"], ["daemon"]])("%s refuses a quota of nothing, and forgets it", async (...words) => {
    const refused = await run([...words, "--role", "volatile", "--quota", "0"]);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("--quota") as string });
    expect((await central.sync("mirror")).files).toMatchObject({ total: 12, kept: 12 });
  });

  test("a daemon applies it at its start, and verify judges by it", async () => {
    const place = [central.mirror("mirror"), "--listen", "127.0.0.1:0", "--peer-port", "0"];
    await using daemon = await RunningProgram.start(["daemon", ...place, ...QUOTA], { env: central.env });
    await daemon.waitFor(({ event }) => event === "synced");
    expect(heldBytes()).toBe(QUOTA_BYTES);
    expect(await run(["verify"])).toMatchObject({ code: 0, stdout: "4 files read, 0 bad\n" });
  });

  test("a repair that comes to a newer release removes neither what is held back nor what moves out, the next sync does", async () => {
    for (let index = 12; index < 14; index++) put(index);
    await central.publish();
    await central.sync("mirror", ["--delete-after-age", "2d"]);
    expect(held()).toEqual(named(8, 9, 10, 11, 12, 13));
    rmSync(join(central.mirror("mirror"), "file-13"));
    put(14);
    await central.publish();
    const repaired = await run(["verify", "--repair"]);
    expect(repaired).toMatchObject({ code: 0, stdout: "4 files read, 1 bad, 0 not mended\n" });
    expect(repaired.stderr).toContain('"file-13" is missing, mended');
    expect(held()).toEqual(named(8, 9, 10, 11, 12, 13, 14));
    await central.sync("mirror");
    expect(held()).toEqual(named(11, 12, 13, 14));
  });

  test("a daemon's repair that comes to a release of which too much is gone removes nothing and tells", async () => {
    const place = [central.mirror("mirror"), "--listen", "127.0.0.1:0", "--peer-port", "0"];
    const options = ["--everything", "--max-delete", "1", "--interval", "1d"];
    await using daemon = await RunningProgram.start(["daemon", ...place, ...options], { env: central.env });
    await daemon.waitFor(({ event }) => event === "synced");
    const before = held();
    for (const index of [0, 1, 2]) rmSync(join(central.tree, `file-${index}`));
    await central.publish();
    await daemon.waitFor(({ event, release }) => event === "synced" && release === 4);
    rmSync(join(central.mirror("mirror"), "file-14"));
    const repaired = await run(["verify", "--repair"]);
    expect(repaired).toMatchObject({ code: 25, stdout: expect.stringContaining("0 not mended") as string });
    expect(repaired.stderr).toContain("nothing was removed: more paths would have gone than --max-delete allows");
    expect(held()).toEqual(before);
    const blocked = join(central.mirror("mirror"), "file-14");
    rmSync(blocked);
    mkdirSync(join(blocked, "of others"), { recursive: true });
    const partly = await run(["verify", "--repair"]);
    expect(partly).toMatchObject({ code: 23, stdout: expect.stringContaining("1 not mended") as string });
    expect(partly.stderr).toMatch(/nothing was removed: .* --max-delete allows\nprsync error: 1 files are not/);
  });

  function put(index: number): void {
    const path = join(central.tree, `file-${index}`);
    writeFileSync(path, randomBytes(FILE_BYTES));
    utimesSync(path, 1_700_000_000 + index, 1_700_000_000 + index);
  }

  function held(): Set<string> {
    return new Set(readdirSync(central.mirror("mirror")).filter((name) => name.startsWith("file-")));
  }

  function named(...indices: readonly number[]): Set<string> {
    return new Set(indices.map((index) => `file-${index}`));
  }

  function heldBytes(): number {
    return [...held()].reduce((sum, name) => sum + statSync(join(central.mirror("mirror"), name)).size, 0);
  }

  async function run([command, ...options]: readonly string[]): ReturnType<typeof runPrsync> {
    return await runPrsync([command!, central.mirror("mirror"), ...options], { env: central.env });
  }
});
