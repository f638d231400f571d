import { expect, test } from "vitest";
import { NetError } from "../../../src/net/errors.ts";
import { HttpTransfer } from "../../../src/net/http-transfer.ts";

function systemError(code: string, syscall = "connect"): Error {
  return Object.assign(new Error(code), { code, syscall });
}

test.each<readonly [string, boolean, unknown]>([
  ["no neighbour answered", true, systemError("EHOSTUNREACH")],
  ["a router says so of an open connection", false, systemError("EHOSTUNREACH", "read")],
  ["the other side refuses", false, systemError("ECONNREFUSED")],
  [
    "none of several addresses could be reached",
    true,
    Object.assign(new AggregateError([systemError("ETIMEDOUT"), systemError("EHOSTUNREACH")]), { code: "ETIMEDOUT" }),
  ],
  ["several addresses refuse", false, new AggregateError([systemError("ECONNREFUSED"), systemError("ENETUNREACH")])],
  ["something else", false, "broken"],
])("%s: nothing left this host: %s", (_what, isSo, cause) => {
  expect(HttpTransfer.neverLeftThisHost(new NetError("unreachable", "connection failed", { cause }))).toBe(isSo);
  expect(HttpTransfer.neverLeftThisHost(cause)).toBe(false);
});
