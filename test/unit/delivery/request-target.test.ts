import fc from "fast-check";
import { expect, test } from "vitest";
import { percentDecodeBytes, percentEncodeBytes } from "../../../src/codec/percent-encoding.ts";
import { parseRequestTarget, queryParameter } from "../../../src/delivery/request-target.ts";

const byteString = fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString("latin1"));

test.each([
  ["/", undefined, true, ""],
  ["/a", "a", false, ""],
  ["/a/b/", "a/b", true, ""],
  ["/a%20b", "a b", false, ""],
  ["/a+b", "a+b", false, ""],
  ["/%C3%A9", "\xc3\xa9", false, ""],
  ["/\xe9", "\xe9", false, ""],
  ["/%0a", "\n", false, ""],
  ["/..%5cx", "..\\x", false, ""],
  ["/a?b?c", "a", false, "b?c"],
  ["/%252e", "%2e", false, ""],
  ["/a;b", "a;b", false, ""],
  ["/...", "...", false, ""],
  ["/./x", "x", false, ""],
  ["/a/%2e/./b", "a/b", false, ""],
  ["/a/.", "a", true, ""],
  ["/./?q", undefined, true, "q"],
  ["//host/x", "host/x", false, ""],
  ["//", undefined, true, ""],
  ["/a//b", "a/b", false, ""],
  ["/a//", "a", true, ""],
  ["/%c0%ae%c0%ae/x", "\xc0\xae\xc0\xae/x", false, ""],
])("target %s is the path %s", (target, path, endsWithSlash, query) => {
  expect(parseRequestTarget(target)).toEqual({ path, endsWithSlash, query });
});

test.each([
  ["", "not-origin-form"],
  ["http://host/a", "not-origin-form"],
  ["*", "not-origin-form"],
  ["../a", "not-origin-form"],
  ["/%", "bad-escape"],
  ["/%4", "bad-escape"],
  ["/%zz", "bad-escape"],
  ["/%+1", "bad-escape"],
  ["/\u0100", "bad-escape"],
  ["/../x", "bad-path"],
  ["/a/../x", "bad-path"],
  ["/%2e%2e/x", "bad-path"],
  ["/.%2E/x", "bad-path"],
  ["/..%2fx", "bad-path"],
  ["/a%2fb", "bad-path"],
  ["/a%00b", "bad-path"],
  [`/${"a".repeat(256)}`, "bad-path"],
])("target %s is refused as %s", (target, refusal) => {
  expect(parseRequestTarget(target)).toBe(refusal);
});

test("a percent-encoded byte string decodes to itself", () => {
  fc.assert(fc.property(byteString, (bytes) => percentDecodeBytes(percentEncodeBytes(bytes)) === bytes));
});

test("any target gives a safe path or a refusal", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom("/", ".", "%", "2", "e", "f", "0", "\\", "a", "?") }), (text) => {
      const parsed = parseRequestTarget(`/${text}`);
      const parts = typeof parsed === "string" || parsed.path === undefined ? ["a"] : parsed.path.split("/");
      return parts.every((part) => part !== "" && part !== "." && part !== ".." && !part.includes("\0"));
    }),
    { numRuns: 2000 },
  );
});

test("a query parameter is found by its exact name, the first one wins", () => {
  expect(queryParameter("sha256=ab&origin=1&sha256=cd", "sha256")).toBe("ab");
  expect(queryParameter("sha2567=ab", "sha256")).toBeUndefined();
  expect(queryParameter("origin", "origin")).toBe("");
  expect(queryParameter("origin=%3", "origin")).toBeUndefined();
});
