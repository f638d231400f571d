import { expect, test } from "vitest";
import { isSystemError, messageOf, systemErrorCode } from "../../../src/core/errors.ts";

/** As Node 24 makes them where libuv has no name for the number. */
const WRITTEN = system("UNKNOWN: unknown error, write", "UNKNOWN", -122);
const RENAMED = system(
  "Unknown system error -117: Unknown system error -117, rename 'a' -> 'b'",
  "Unknown system error -117",
  -117,
);

function system(message: string, code: string, errno: number): Error {
  return Object.assign(new Error(message), { code, errno });
}

test("system errors that Node can't name are known by their number", () => {
  expect([WRITTEN, RENAMED].map(systemErrorCode)).toEqual(["EDQUOT", "EUCLEAN"]);
  expect(isSystemError(WRITTEN, "ENOSPC", "EDQUOT")).toBe(true);
  expect(isSystemError(WRITTEN, "UNKNOWN", "EUCLEAN")).toBe(false);
  expect([WRITTEN, RENAMED].map(messageOf)).toEqual([
    "EDQUOT: disk quota exceeded, write",
    "EUCLEAN: structure needs cleaning, rename 'a' -> 'b'",
  ]);
});

test("all others keep Node's code and words", () => {
  const missing = system("ENOENT: no such file or directory, open 'a'", "ENOENT", -2);
  const strange = system("Unknown system error -95000: Unknown system error -95000, open", "UNKNOWN", -95_000);
  expect([missing, strange, new Error("plain"), "text"].map(systemErrorCode)).toEqual([
    "ENOENT",
    "UNKNOWN",
    undefined,
    undefined,
  ]);
  expect([missing, strange, "text"].map(messageOf)).toEqual([missing.message, strange.message, "text"]);
});
