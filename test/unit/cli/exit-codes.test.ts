import { expect, test } from "vitest";
import { UsageError } from "../../../src/cli/arguments.ts";
import { EXIT, exitCodeOf } from "../../../src/cli/exit-codes.ts";
import { RunningProgramError } from "../../../src/cli/running-program-error.ts";
import { CoreError, PrsyncError } from "../../../src/core/errors.ts";
import { DeltaError } from "../../../src/delta/errors.ts";
import { SyncError } from "../../../src/edge/errors.ts";
import { StoreError } from "../../../src/store/errors.ts";
import { TrustError } from "../../../src/trust/errors.ts";

test("exit codes are those of the design", () => {
  expect(Object.values(EXIT)).toEqual([0, 1, 2, 3, 5, 10, 11, 12, 20, 21, 23, 24, 25, 30, 35]);
});

test("the same code of two classes keeps its class's exit code", () => {
  expect(exitCodeOf(new TrustError("bad-signature", ""))).toBe(EXIT.notTrusted);
  expect(exitCodeOf(new DeltaError("bad-signature", ""))).toBe(EXIT.malformed);
  expect(exitCodeOf(new StoreError("already-enrolled", ""))).toBe(EXIT.notTrusted);
});

test("a failure of a running program ends as it would have ended here", () => {
  const told = [
    "state-busy",
    "disk-full",
    "expired",
    "unreachable",
    "timeout",
    "not-enrolled",
    "unknown-requirement",
    "internal",
  ];
  expect(told.map((code) => exitCodeOf(new RunningProgramError(code, "")))).toEqual([35, 11, 5, 10, 30, 5, 2, 12]);
});

test("errors of the operating system end by their kind, everything else is a bug: 12", () => {
  const withCode = (code: string): Error => Object.assign(new Error(code), { code });
  const codes = ["ENOSPC", "EROFS", "EACCES", "ENOTDIR", "ECONNREFUSED", "EADDRINUSE", "EXOTIC"];
  expect(codes.map((code) => exitCodeOf(withCode(code)))).toEqual([11, 11, 3, 3, 10, 10, 12]);
  const overQuota = Object.assign(new Error("UNKNOWN: unknown error, write"), { code: "UNKNOWN", errno: -122 });
  expect(exitCodeOf(overQuota)).toBe(EXIT.disk);
  expect([new Error("bug"), "text", undefined].map(exitCodeOf)).toEqual([12, 12, 12]);
});

test("an error of a class that no table knows is no success", () => {
  class OtherError extends PrsyncError {}
  expect(exitCodeOf(new OtherError("unheard", ""))).toBe(EXIT.malformed);
  expect(exitCodeOf(new UsageError(["wrong"]))).toBe(EXIT.usage);
  expect(exitCodeOf(new CoreError("bad-size", ""))).toBe(EXIT.usage);
  expect(exitCodeOf(new SyncError("stopping", ""))).toBe(EXIT.signal);
});
