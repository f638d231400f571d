import type { ChildProcess } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LoopbackCentral } from "../support/loopback-central.ts";
import { collect, runPrsync, start, type RunResult } from "../support/program.ts";

const central = new LoopbackCentral("queue");
const mirror = central.mirror("mirror");
/** The hook of the run at work ends once this is there. */
const letOn = join(central.directory, "let-on");
const isSynced = join(central.directory, "synced");
const HOLD = `touch ${isSynced}; while [ ! -e ${letOn} ]; do sleep 0.1; done`;

beforeAll(async () => {
  await publish("first");
  await central.serve();
  await central.sync("mirror");
});

afterAll(async () => {
  await central[Symbol.asyncDispose]();
});

test("who comes while a run is at work syncs after it, who comes third is told so", async () => {
  await using first = await atWork();
  await using second = await waiting();
  const third = await sync([]);
  expect(third).toMatchObject({ code: 35, stdout: "" });
  expect(third.stderr.split("\n")[0]).toBe(
    `prsync: directory "${mirror}" is in use by prsync sync (process ${first.pid}), and prsync sync (process ${second.pid}) waits for it already`,
  );
  // Whatever is released before the second begins comes with it.
  await publish("second");
  writeFileSync(letOn, "");
  const [one, two] = [await first.ended(), await second.ended()];
  expect([one.code, released(one), two.code, released(two)]).toEqual([0, 1, 0, 2]);
  expect(readFileSync(join(mirror, "file"), "utf8")).toBe("second");
});

test("if the run at work is killed, the one that waits moves up", async () => {
  await using first = await atWork();
  await using second = await waiting();
  await publish("third");
  first.child.kill("SIGKILL");
  expect([(await second.ended()).code, readFileSync(join(mirror, "file"), "utf8")]).toEqual([0, "third"]);
});

test("if the one that waits is killed, the next one may wait", async () => {
  await using first = await atWork();
  await using second = await waiting();
  second.child.kill("SIGKILL");
  await second.ended();
  await using third = await waiting();
  writeFileSync(letOn, "");
  expect([(await first.ended()).code, (await third.ended()).code]).toEqual([0, 0]);
});

test("whoever waits can be told to end, or not to wait, or not for long", async () => {
  await using first = await atWork();
  await using second = await waiting();
  second.child.kill("SIGTERM");
  expect((await second.ended()).code).toBe(20);
  const busy = {
    code: 35,
    stderr: expect.stringContaining(`in use by prsync sync (process ${first.pid})\n`) as string,
  };
  expect(await sync(["--wait", "0"])).toMatchObject(busy);
  expect(await sync(["--wait", "100ms", "--quiet"])).toMatchObject(busy);
  expect(await sync(["--dry-run"])).toMatchObject(busy);
});

test("who only lingers gives way", async () => {
  await using first = begin(["--linger", "10m"]);
  // A run that was killed leaves its name there.
  while (holder() !== first.pid) await setTimeout(50);
  const second = await sync([]);
  expect([second.code, (await first.ended()).code]).toEqual([0, 0]);
});

/** A `prsync sync` that is under way. */
class Run implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly #result: Promise<RunResult>;

  constructor(child: ChildProcess) {
    this.child = child;
    this.#result = collect(child);
  }

  get pid(): number {
    return this.child.pid!;
  }

  ended(): Promise<RunResult> {
    return this.#result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // What its hook started ends by this, too.
    writeFileSync(letOn, "");
    this.child.kill("SIGKILL");
    await this.#result;
  }
}

function begin(options: readonly string[]): Run {
  return new Run(start(["sync", mirror, "--peer-port", "0", "--json", ...options], { env: central.env }));
}

/** One that has synced and holds DEST until `letOn` is there. */
async function atWork(): Promise<Run> {
  rmSync(letOn, { force: true });
  rmSync(isSynced, { force: true });
  const run = begin(["--post-sync", HOLD]);
  await existing(isSynced);
  return run;
}

async function waiting(): Promise<Run> {
  const run = begin([]);
  for await (const line of createInterface({ input: run.child.stderr! })) if (line.includes("waiting: ")) break;
  return run;
}

async function existing(path: string): Promise<void> {
  while (!existsSync(path)) await setTimeout(50);
}

function holder(): number | undefined {
  const path = join(mirror, ".prsync/lock.sqlite.holder");
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as { pid: number }).pid : undefined;
}

function sync(options: readonly string[]): Promise<RunResult> {
  return runPrsync(["sync", mirror, "--peer-port", "0", ...options], { env: central.env });
}

function released({ stdout }: RunResult): number {
  return (JSON.parse(stdout) as { release: number }).release;
}

async function publish(text: string): Promise<void> {
  writeFileSync(join(central.tree, "file"), text);
  await central.publish();
}
