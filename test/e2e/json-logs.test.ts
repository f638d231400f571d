import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LoopbackCentral } from "../support/loopback-central.ts";
import { runPrsync } from "../support/program.ts";

const central = new LoopbackCentral("json-logs");
const JSON_LOG = ["--log-format", "json"];

beforeAll(async () => {
  writeFileSync(join(central.tree, "file"), "first");
  await central.publish();
  await central.serve();
});

afterAll(async () => {
  await central[Symbol.asyncDispose]();
});

test("sync: each line of the log file is an object, and so is each complaint", async () => {
  const mirror = central.mirror("mirror");
  const log = join(central.directory, "sync.log");
  putInTheWay(mirror);
  const words = ["sync", await central.invite("mirror"), mirror, "--log-file", log, ...JSON_LOG];
  const { code, stderr } = await runPrsync(words, { env: central.env });
  expect(code).toBe(23);
  const complaints = recordsIn(stderr);
  expect(complaints.map(({ level }) => level)).toEqual(["warn", "error"]);
  expect(complaints[1]!.message).toBe("prsync error: some files could not be updated (code 23)");
  const logged = recordsIn(readFileSync(log, "utf8")).map(({ message }) => message);
  expect(logged).toEqual(expect.arrayContaining(complaints.map(({ message }) => message)));
  expect(logged.some((message) => message.startsWith("release 0 → 1 in "))).toBe(true);
});

test("daemon: what it logs on standard error and in the file are objects with the same messages", async () => {
  const log = join(central.directory, "daemon.log");
  putInTheWay(central.mirror("daemon"));
  await using daemon = await central.daemon("daemon", ["--log-file", log, ...JSON_LOG]);
  await daemon.waitFor(({ event }) => event === "synced");
  await daemon.stop();
  const told = recordsIn(daemon.log).map(({ level, message }) => [level, message]);
  expect(told).toContainEqual(["warn", "path not updated"]);
  const filed = recordsIn(readFileSync(log, "utf8")).map(({ level, message }) => [level, message]);
  expect(filed).toEqual(expect.arrayContaining(told));
});

/** A directory with a file of its own where the release has a file. */
function putInTheWay(mirror: string): void {
  mkdirSync(join(mirror, "file"), { recursive: true });
  writeFileSync(join(mirror, "file/own"), "in the way");
}

interface LogRecord {
  readonly time: string;
  readonly level: string;
  readonly message: string;
}

function recordsIn(text: string): LogRecord[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as LogRecord);
}
