import { mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { callControl } from "../../../src/net/control-client.ts";
import { type ControlHandler, listenControl } from "../../../src/net/control-server.ts";
import { NetError } from "../../../src/net/errors.ts";

async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "prsync-control-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

async function start(directory: string, handlers: Record<string, ControlHandler>): Promise<string> {
  const path = join(directory, "control.sock");
  const server = await listenControl(path, new Map(Object.entries(handlers)));
  onTestFinished(() => server[Symbol.asyncDispose]());
  return path;
}

test("a command gets its argument and gives progress, then its result", async () => {
  const path = await start(await temporaryDirectory(), {
    sync: async (argument, call) => {
      call.progress(1);
      call.progress({ two: "\n" });
      return { got: argument };
    },
  });
  const progress: unknown[] = [];
  const onProgress = (value: unknown): number => progress.push(value);
  const answer = await callControl(path, { command: "sync", argument: { now: true }, onProgress });
  expect(answer).toEqual({ kind: "result", result: { got: { now: true } } });
  expect(progress).toEqual([1, { two: "\n" }]);
});

test("failures keep their code", async () => {
  const path = await start(await temporaryDirectory(), {
    broken: async () => {
      throw new NetError("bad-message", "no such thing");
    },
  });
  const failed = await callControl(path, { command: "broken" });
  expect(failed).toEqual({ kind: "failed", code: "bad-message", message: "no such thing" });
  expect(await callControl(path, { command: "other" })).toMatchObject({ kind: "failed", code: "unknown-command" });
});

test("no socket, a dead socket and no directory mean not running", async () => {
  const directory = await temporaryDirectory();
  const path = join(directory, "control.sock");
  expect(await callControl(path, { command: "status" })).toEqual({ kind: "not-running" });
  await writeFile(path, "");
  expect(await callControl(path, { command: "status" })).toEqual({ kind: "not-running" });
  const nowhere = join(directory, "x".repeat(200), "control.sock");
  expect(await callControl(nowhere, { command: "status" })).toEqual({ kind: "not-running" });
});

test("a socket that a killed program left is taken over, and only its user may open it", async () => {
  const directory = await temporaryDirectory();
  await writeFile(join(directory, "control.sock"), "");
  const path = await start(directory, { status: async () => "fine" });
  expect(await callControl(path, { command: "status" })).toEqual({ kind: "result", result: "fine" });
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test("a path too long for a socket address works", async () => {
  const directory = join(await temporaryDirectory(), "x".repeat(120));
  await mkdir(directory);
  const path = await start(directory, { status: async () => "fine" });
  expect(await callControl(path, { command: "status" })).toEqual({ kind: "result", result: "fine" });
});

test("a caller that leaves aborts its command", async () => {
  const aborted = Promise.withResolvers<string>();
  const path = await start(await temporaryDirectory(), {
    wait: async (_argument, call) => {
      call.signal.addEventListener("abort", () => aborted.resolve("aborted"));
      call.progress("started");
      return aborted.promise;
    },
  });
  const aborter = new AbortController();
  const call = callControl(path, { command: "wait", signal: aborter.signal, onProgress: () => aborter.abort() });
  await expect(call).rejects.toThrow();
  expect(await aborted.promise).toBe("aborted");
});
