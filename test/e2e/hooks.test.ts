import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LoopbackCentral } from "../support/loopback-central.ts";
import { RunningProgram, runPrsync, start } from "../support/program.ts";
import { once } from "node:events";

const central = new LoopbackCentral("hooks");
const told = join(central.directory, "told");
const mirror = central.mirror("mirror");
/** A hook that writes down what it was told. */
const NOTE = `env | grep ^PRSYNC_ | grep -v STATE_HOME > ${told}`;

beforeAll(async () => {
  writeFileSync(join(central.tree, "file"), "first");
  await central.publish();
  await central.serve();
});

afterAll(async () => {
  await central[Symbol.asyncDispose]();
});

test("a pre-sync hook that fails ends the sync before anything is fetched", async () => {
  const ticket = await central.invite("mirror");
  const post = `touch ${told}`;
  const result = await sync([ticket, "--pre-sync", "echo not mounted; exit 3", "--post-sync", post]);
  expect(result).toEqual({
    code: 21,
    stdout: "",
    stderr:
      "not mounted\n" +
      'prsync: pre-sync hook "echo not mounted; exit 3" ended with 3\nprsync error: hook-failed (code 21)\n',
  });
  expect([existsSync(join(mirror, "file")), existsSync(told)]).toEqual([false, false]);
});

test("hooks are told what they run for", async () => {
  const before = join(central.directory, "before");
  const result = await sync(["--pre-sync", NOTE.replace(told, before), "--post-sync", NOTE], { PRSYNC_TICKET: "" });
  expect(result).toMatchObject({ code: 0, stderr: "" });
  const common = { PRSYNC_DEST: mirror, PRSYNC_PREVIOUS: "0" };
  expect(factsIn(before)).toEqual({ ...common, PRSYNC_HOOK: "pre-sync" });
  const facts = factsIn(told);
  expect(facts).toMatchObject({
    ...common,
    PRSYNC_HOOK: "post-sync",
    PRSYNC_EXIT_CODE: "0",
    PRSYNC_RELEASE: "1",
    PRSYNC_FILES: "1",
    PRSYNC_FILES_CHANGED: "1",
    PRSYNC_FILES_REMOVED: "0",
    PRSYNC_BYTES: "5",
  });
  expect(Number(facts["PRSYNC_BYTES_FROM_ORIGIN"])).toBeGreaterThan(5);
});

test("a post-sync hook that fails is told, the sync is done", async () => {
  writeFileSync(join(central.tree, "file"), "second");
  await central.publish();
  const result = await sync(["--post-sync", "kill -9 $$"]);
  expect(result).toEqual({
    code: 21,
    stdout: "",
    stderr: 'prsync: post-sync hook "kill -9 $$" ended with SIGKILL\nprsync error: hook-failed (code 21)\n',
  });
  expect(readFileSync(join(mirror, "file"), "utf8")).toBe("second");
});

test("a post-sync hook follows a sync that failed, whose exit code stays", async () => {
  mkdirSync(join(mirror, "in the way"));
  writeFileSync(join(mirror, "in the way/mine"), "");
  writeFileSync(join(central.tree, "in the way"), "");
  await central.publish();
  const result = await sync(["--post-sync", `${NOTE}; exit 1`]);
  expect(result.code).toBe(23);
  expect(factsIn(told)["PRSYNC_EXIT_CODE"]).toBe("23");
  rmSync(join(mirror, "in the way"), { recursive: true });
});

test("a dry run runs no hooks", async () => {
  rmSync(told);
  expect(await sync(["--dry-run", "--pre-sync", "exit 1", "--post-sync", NOTE])).toMatchObject({ code: 0 });
  expect(existsSync(told)).toBe(false);
});

test("a signal ends a pre-sync hook with all that it started", async () => {
  const pids = join(central.directory, "pids");
  const words = ["sync", mirror, "--peer-port", "0", "--pre-sync", `sleep 600 & echo $! > ${pids}; wait`];
  const child = start(words, { env: central.env });
  await expect
    .poll(() => existsSync(pids) && readFileSync(pids, "utf8").endsWith("\n"), { timeout: 60_000 })
    .toBe(true);
  child.kill("SIGTERM");
  const [code] = (await once(child, "exit")) as [number];
  const sleeper = Number(readFileSync(pids, "utf8"));
  expect(code).toBe(20);
  await expect.poll(() => isRunning(sleeper)).toBe(false);
});

test("a daemon runs its hooks at each sync", async () => {
  const words = ["daemon", mirror, "--peer-port", "0", "--listen", "127.0.0.1:0", "--now"];
  const hooks = ["--pre-sync", "echo before >&2", "--post-sync", `${NOTE}; exit 1`];
  await using daemon = await RunningProgram.start([...words, ...hooks], { env: central.env });
  const failed = await daemon.waitFor(({ event }) => event === "hook-failed");
  expect(failed["reason"]).toMatch(/^post-sync hook ".*" ended with 1$/);
  await daemon.waitFor(({ event }) => event === "synced");
  expect(daemon.log).toContain("before");
  expect(factsIn(told)["PRSYNC_EXIT_CODE"]).toBe("0");
  const asked = await sync(["--post-sync", "exit 1"]);
  expect(asked.code).toBe(0);
  expect(asked.stderr).toContain("synced by its own options, not by --post-sync");
});

async function sync(words: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const [ticket, options] = words[0]!.startsWith("--") ? [[], words] : [[words[0]!], words.slice(1)];
  const command = ["sync", "--quiet", ...ticket, mirror, "--peer-port", "0", ...options];
  return await runPrsync(command, { env: { ...central.env, ...env } });
}

function factsIn(path: string): Record<string, string> {
  return Object.fromEntries(
    readFileSync(path, "utf8")
      .trim()
      .split("\n")
      .map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string]),
  );
}

/** A process that ended but that nobody waited for yet is a zombie. */
function isRunning(pid: number): boolean {
  const path = `/proc/${pid}/stat`;
  return existsSync(path) && !/\) Z /.test(readFileSync(path, "utf8"));
}
