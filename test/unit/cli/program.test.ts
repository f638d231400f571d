import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { loadCommands } from "../../../src/cli/commands.ts";
import { describeCommand, describeProgram } from "../../../src/cli/help.ts";

const COMMANDS = await loadCommands();

const MAIN = resolve(import.meta.dirname, "../../../src/cli/main.ts");

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The program from its sources, as people start it. */
async function prsync(...words: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, [MAIN, ...words], { stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

function temporary(): string {
  const path = mkdtempSync(join(tmpdir(), "prsync-cli-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

beforeAll(async () => {
  await prsync("version");
});

test("help names every command and every option of each", () => {
  const program = describeProgram(COMMANDS, "1");
  for (const command of COMMANDS) {
    expect(program).toContain(command.summary);
    const page = describeCommand(command);
    for (const option of command.options) expect(page).toContain(`--${option.name}`);
    for (const { name } of command.positionals) expect(page).toContain(name);
  }
});

test("options of a command have names and letters of their own, and words for their values", () => {
  for (const { options } of COMMANDS) {
    const names = options.flatMap(({ name, short }) => [name, ...(short === undefined ? [] : [short])]);
    expect(names).toEqual([...new Set(names)]);
    const speechless = options.filter(({ kind, placeholder }) => kind !== "flag" && placeholder === undefined);
    expect(speechless.map(({ name }) => name)).toEqual([]);
  }
});

test("help and version go to standard output and end well", async () => {
  for (const words of [[], ["help"], ["--help"], ["help", "sync"], ["sync", "--help"], ["sync", "-h"], ["--version"]]) {
    expect(await prsync(...words)).toMatchObject({ code: 0, stderr: "" });
  }
});

test("wrong use names every problem, then the code, and prints nothing on standard output", async () => {
  const { code, stdout, stderr } = await prsync("sync", "--unheard", "--peer-port=x");
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr.trimEnd().split("\n")).toEqual([
    "Usage: prsync sync [TICKET] DEST [options]",
    "prsync: unknown option --unheard",
    '--peer-port: expected a port 0…65535, got "x"'.replace(/^/, "prsync: "),
    "prsync: DEST is missing",
    "prsync error: usage (code 1)",
  ]);
  for (const proxy of ["foo", "10.0.0.0/99", "10.0.0.0/0"]) {
    expect(await prsync("serve", import.meta.dirname, "--trusted-proxy", proxy)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("--trusted-proxy: expected the proxy's ADDRESS or ADDRESS/BITS") as string,
    });
  }
  for (const interval of ["9s", "31m"]) {
    expect(await prsync("serve", import.meta.dirname, "--announce-interval", interval)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`expected a time from 10s to 30m, got "${interval}"`) as string,
    });
  }
  expect((await prsync("unheard")).stderr).toBe(
    'prsync: unknown command "unheard"; prsync help lists them\nprsync error: usage (code 1)\n',
  );
});

test("failures are told in two lines, what outside text says is escaped, and nothing is left behind", async () => {
  const directory = temporary();
  const dest = join(directory, "mistyped\u001b[2J");
  const { code, stdout, stderr } = await prsync("sync", dest, "--state", join(directory, "state"));
  expect([code, stdout, stderr.trimEnd().split("\n").length]).toEqual([5, "", 2]);
  expect(stderr).toMatch(/\nprsync error: not-enrolled \(code 5\)\n$/);
  expect(existsSync(dest)).toBe(false);
  const status = await prsync("status", dest, "--state", join(directory, "state"));
  expect([status.code, status.stderr.includes("\u001b"), status.stderr.includes("\\x1b")]).toEqual([1, false, true]);
});

test("a ticket that is cut off ends in 5 and is not repeated", async () => {
  const directory = temporary();
  const { code, stderr } = await prsync("sync", "prsync1.c2VjcmV0", join(directory, "dest"), "--state", directory);
  expect([code, stderr.includes("c2VjcmV0")]).toEqual([5, false]);
});

test("an empty directory name is not the current directory", async () => {
  expect(await prsync("sync", "--delete", "")).toMatchObject({ code: 1 });
});

test("an interval of nothing is refused", async () => {
  expect(await prsync("daemon", temporary(), "--interval", "0")).toMatchObject({ code: 1 });
});

test("publish takes the block length of signatures as sizes are written, and names one that can't be", async () => {
  const [tree, state, work] = [temporary(), temporary(), temporary()];
  const publish = (size: string): Promise<Ended> =>
    prsync("publish", tree, "--state", state, "--work", work, "--delta-size", size);
  expect(await publish("4K")).toMatchObject({ code: 0 });
  expect(await publish("1e3")).toMatchObject({ code: 1 });
  expect((await publish("100")).stderr).toContain('--delta-size: expected sqrt or a size from 256 to 1M, got "100"');
});

test("groups that are a directory are named", async () => {
  const [tree, state] = [temporary(), temporary()];
  const { code, stderr } = await prsync("publish", tree, "--state", state, "--groups", state);
  expect([code, stderr]).toEqual([3, expect.stringContaining(`, read "${state}"`)]);
});

test("a signal ends analyze while standard input is quiet, and nothing is reported", async () => {
  const child = spawn(process.execPath, [MAIN, "analyze", "-"]);
  let stdout = "";
  child.stdout.on("data", (bytes: Buffer) => (stdout += bytes.toString()));
  const line = '192.0.2.1 - - [10/May/2026:00:00:00 +0000] "GET /a HTTP/1.1" 200 10\n';
  // More than a pipe holds: it is being read.
  await new Promise((written) => child.stdin.write(line.repeat(4000), written));
  child.kill("SIGTERM");
  expect([await once(child, "close"), stdout]).toEqual([[20, null], ""]);
});
