import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { canPlayFaults, LoopDisk } from "../fault/harness/loop-disk.ts";
import { installPackage } from "../support/installed-package.ts";
import { canMakeNetworks, TestNetwork } from "../support/network.ts";
import { RunningProgram, runPrsync, runPrsyncJson, type RunResult } from "../support/program.ts";
import { randomBytesOf } from "../support/sample-tree.ts";
import { digestTree } from "../support/tree-digest.ts";

const README = readFileSync(resolve(import.meta.dirname, "../../README.md"), "utf8");
const ADMIN_GUIDE = readFileSync(resolve(import.meta.dirname, "../../docs/admin-guide.md"), "utf8");
/** Minute, hour, day, month and weekday; then what cron hands to a shell. */
const CRON_LINE = /^ {4}(?:[\d*/,-]+ +){5}(?<command>prsync sync .*)$/m;
/** Who owns the mirror: root's cron keeps its state elsewhere. */
const NOBODY = 65_534;
const AS_NOBODY = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
const MEGABYTE = 2 ** 20;

const needs =
  canPlayFaults() && canMakeNetworks() ? "" : " (skipped: needs root, iproute2, loop devices, rsync and strace)";

/** The README's cron line, with nothing but the places and the time to linger changed. */
describe.skipIf(needs !== "")(`a cron user's day${needs}`, () => {
  const directory = mkdtempSync(join(tmpdir(), "prsync-cron-"));
  const tree = join(directory, "tree");
  const prefix = join(directory, "prefix");
  const home = join(directory, "home");
  const centralEnv = { PRSYNC_STATE_HOME: join(directory, "central") };
  let network: TestNetwork;
  let disk: LoopDisk;
  let mirror: string;
  let enter: readonly string[];
  let central: RunningProgram;

  beforeAll(async () => {
    for (const path of [tree, home]) mkdirSync(path);
    writeFileSync(join(tree, "first"), randomBytesOf(1, MEGABYTE));
    installPackage(prefix);
    network = new TestNetwork();
    ({ enter } = network.addHost("cron"));
    disk = LoopDisk.format(join(directory, "disk"), { bytes: 64 * MEGABYTE }).mount();
    mirror = join(disk.path, "mirror");
    chmodSync(directory, 0o755);
    for (const path of [home, disk.path]) chownSync(path, NOBODY, NOBODY);
    await publish();
    central = await serve();
  });

  afterAll(async () => {
    await central.stop();
    await disk[Symbol.asyncDispose]();
    network[Symbol.dispose]();
    rmSync(directory, { recursive: true });
  });

  test("the ticket is used once, by hand", async () => {
    const words = ["invite", tree, "cron", "--url", central.ready.http];
    const ticket = (await runPrsync(words, { env: centralEnv })).stdout.trim();
    const told = await underCron(cronCommand().replace(" sync ", ` sync ${ticket} `));
    expect(told).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(digestTree(mirror)).toEqual(digestTree(tree));
  });

  test("nothing is told when there is nothing new", async () => {
    expect(await underCron()).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  test("nothing is told of a release that brings, changes and removes files", async () => {
    writeFileSync(join(tree, "second"), randomBytesOf(2, MEGABYTE));
    await publish();
    expect(await underCron()).toEqual({ code: 0, stdout: "", stderr: "" });
    rmSync(join(tree, "second"));
    writeFileSync(join(tree, "first"), randomBytesOf(3, MEGABYTE));
    await publish();
    expect(await underCron()).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(digestTree(mirror)).toEqual(digestTree(tree));
  });

  test("central down: what could not be reached, exit code 10", async () => {
    await central.stop();
    const told = await underCron();
    central = await serve();
    expectTold(told, 10, /^prsync: .*(ECONNREFUSED|can't be reached)/);
  });

  test("a run while another is at work waits, and who lingers makes room", async () => {
    await using first = beginCron(cronCommand().replace("--linger 1s", "--linger 10m"));
    await first.hasLock(mirror);
    expect(await underCron()).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  test("a run that may not wait: who holds the mirror, exit code 35", async () => {
    await using first = beginCron(cronCommand().replace("--linger 1s", "--linger 60s"));
    await first.hasLock(mirror);
    const told = await underCron(cronCommand().replace("--quiet", "--quiet --wait 0"));
    expectTold(told, 35, /^prsync: directory ".*\/mirror" is in use by prsync sync \(process \d+\)$/m);
  });

  test("a full disk: exit code 11, and the next run has it all", async () => {
    writeFileSync(join(tree, "large"), randomBytesOf(4, 8 * MEGABYTE));
    await publish();
    const filler = disk.fill(2 * MEGABYTE);
    const told = await underCron();
    rmSync(filler);
    expectTold(told, 11, /^prsync: ".*\/mirror" needs [\d.]+ MB more for this release/);
    expect(await underCron()).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(digestTree(mirror)).toEqual(digestTree(tree));
  });

  test("a disk that is mounted read-only: exit code 11", async () => {
    execFileSync("mount", ["-o", "remount,ro", disk.path]);
    const told = await underCron();
    execFileSync("mount", ["-o", "remount,rw", disk.path]);
    expectTold(told, 11, /^prsync: .*read-only/);
  });

  test("a disk that is not mounted: exit code 3, and nothing is written where it should be", async () => {
    await disk.unmount();
    const told = await underCron();
    const written = readdirSync(disk.path);
    await disk.comeBack();
    expectTold(told, 3, /^prsync: directory ".*\/mirror" can't be made: .*permission/);
    expect(written).toEqual([]);
    expect(await underCron()).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  test("an option that does not exist: exit code 1", async () => {
    const told = await underCron(`${cronCommand()} --no-such-option`);
    expect(told).toMatchObject({ code: 1, stdout: "" });
    expect(told.stderr).toMatch(/^prsync: unknown option --no-such-option$/m);
  });

  test("the admin guide has the same line", () => {
    expect(ADMIN_GUIDE).toContain(CRON_LINE.exec(README)!.groups!["command"]);
  });

  /** The line as it stands, in these places; a test does not linger for a quarter of an hour. */
  function cronCommand(): string {
    const { command } = CRON_LINE.exec(README)!.groups!;
    return command!.replace("/srv/mirror", mirror).replace("--linger 15m", "--linger 1s");
  }

  /** `NAME=value` lines stand before the line in the crontab. */
  function cronVariables(): string[] {
    const before = README.slice(0, CRON_LINE.exec(README)!.index).split("\n");
    const given = before.slice(before.findLastIndex((line) => !/^( {4}\w+=.*)?$/.test(line)) + 1);
    return given.filter((line) => line !== "").map((line) => line.trim().replaceAll("/usr/local", prefix));
  }

  function beginCron(command = cronCommand()): CronRun {
    const environment = ["env", "-i", `HOME=${home}`, "LOGNAME=nobody", "PATH=/usr/bin:/bin", ...cronVariables()];
    return new CronRun([...enter, ...AS_NOBODY, ...environment], command);
  }

  async function underCron(command?: string): Promise<RunResult> {
    return await beginCron(command).end();
  }

  async function publish(): Promise<void> {
    await runPrsyncJson(["publish", tree], { env: centralEnv });
  }

  async function serve(): Promise<RunningProgram> {
    // The second start takes the port of the first, which the ticket names.
    return await RunningProgram.start(["serve", tree, "--listen", "127.0.0.1:7380"], { env: centralEnv, enter });
  }
});

/** Two lines: what is wrong, and the code. */
function expectTold(told: RunResult, code: number, what: RegExp): void {
  expect(told).toMatchObject({ code, stdout: "" });
  expect(told.stderr).toMatch(what);
  expect(told.stderr).toMatch(new RegExp(`^[^\n]*\nprsync error: .* \\(code ${code}\\)\n$`));
}

/** What cron does with a line: a shell in a session of its own, hardly any environment, pipes in place of a terminal. */
class CronRun implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown[]>;
  #stdout = "";
  #stderr = "";

  constructor(environment: readonly string[], command: string) {
    const [program, ...words] = [...environment, "/bin/sh", "-c", command];
    this.#child = spawn(program, words, { stdio: ["ignore", "pipe", "pipe"], cwd: "/", detached: true });
    this.#child.stdout!.setEncoding("utf8").on("data", (text: string) => (this.#stdout += text));
    this.#child.stderr!.setEncoding("utf8").on("data", (text: string) => (this.#stderr += text));
    this.#closed = once(this.#child, "close");
  }

  async end(): Promise<RunResult> {
    const [code, signal] = (await this.#closed) as [number | null, NodeJS.Signals | null];
    return { code: code ?? signal ?? "unknown", stdout: this.#stdout, stderr: this.#stderr };
  }

  /** @throws Error after 30 s */
  async hasLock(mirror: string): Promise<void> {
    for (let attempt = 0; attempt < 300; attempt++) {
      try {
        readFileSync(join(mirror, ".prsync/lock.sqlite.holder"));
        return;
      } catch {
        await sleep(100);
      }
    }
    throw new Error(`nobody holds ${mirror}: ${this.#stderr}`);
  }

  /** Shell and program: they are a process group. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) process.kill(-this.#child.pid!, "SIGTERM");
    await this.#closed;
  }
}
