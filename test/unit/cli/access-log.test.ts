import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { AccessLog } from "../../../src/cli/access-log.ts";
import { realClock } from "../../../src/net/real-clock.ts";

interface Opened {
  readonly log: AccessLog;
  readonly path: string;
  readonly warnings: string[];
}

function opened(): Opened {
  const directory = mkdtempSync(join(tmpdir(), "prsync-access-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, "access.log");
  const warnings: string[] = [];
  const warn = (_fields: object, message?: string): void => void warnings.push(message ?? "");
  return { log: new AccessLog(path, { clock: realClock, log: { warn } }), path, warnings };
}

function note(log: AccessLog, target: string): void {
  const request = { address: "::1", method: "GET", httpVersion: "1.1", referer: undefined, userAgent: undefined };
  log.note({ ...request, target, status: 200, bodyBytes: 1 });
}

function targetsIn(path: string): string[] {
  return [...readFileSync(path, "latin1").matchAll(/"GET (\S+) /g)].map(([, target]) => target!);
}

test("a rotated file is followed, and nothing is lost at the end", async () => {
  const { log, path } = opened();
  note(log, "/first");
  await expect.poll(() => targetsIn(path)).toEqual(["/first"]);
  renameSync(path, `${path}.1`);
  note(log, "/second");
  await expect.poll(() => (targetsIn(`${path}.1`), targetsIn(path))).toEqual(["/second"]);
  note(log, "/last");
  await log[Symbol.asyncDispose]();
  expect([targetsIn(`${path}.1`), targetsIn(path)]).toEqual([["/first"], ["/second", "/last"]]);
});

test("a file that can't be written any more is told once, with what was lost when it can be again", async () => {
  const { log, path, warnings } = opened();
  rmSync(path);
  mkdirSync(path);
  note(log, "/lost");
  await expect.poll(() => warnings).toEqual(["the access log can't be written"]);
  note(log, "/lost-too");
  rmSync(path, { recursive: true });
  note(log, "/written");
  await log[Symbol.asyncDispose]();
  expect(targetsIn(path)).toEqual(["/lost-too", "/written"]);
  expect(warnings).toEqual(["the access log can't be written", "lines of the access log were lost"]);
});

test("a place that can't be written is an error of the command line", () => {
  expect(() => new AccessLog("/nowhere/access.log", { clock: realClock, log: { warn: () => undefined } })).toThrow(
    "--access-log",
  );
});
