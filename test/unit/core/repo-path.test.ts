import fc from "fast-check";
import { expect, test } from "vitest";
import {
  displayPath,
  isReserved,
  parseRepoPath,
  repoPathBytes,
  repoPathFromText,
} from "../../../src/core/repo-path.ts";

test.each([
  ["empty", ""],
  ["absolute", "/etc/passwd"],
  ["parent", "a/../b"],
  ["parent first", "../b"],
  ["dot", "a/./b"],
  ["empty part", "a//b"],
  ["trailing slash", "a/"],
  ["NUL", "a\0b"],
  ["part of 256 bytes", "x".repeat(256)],
])("a path that is %s is refused", (_name, text) => {
  expect(() => parseRepoPath(Buffer.from(text))).toThrow(expect.objectContaining({ code: "bad-path" }));
});

test("bytes that are not UTF-8 come back unchanged", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 80 }), (bytes) => {
      let path;
      try {
        path = parseRepoPath(bytes);
      } catch {
        return; // not a legal path
      }
      expect(repoPathBytes(path)).toEqual(Buffer.from(bytes));
    }),
  );
});

test("byte strings sort as their bytes do", () => {
  const sorted = ["a", "a-b", "a/b", "aé", "b"].map(repoPathFromText).sort();
  const byBytes = [...sorted].sort((a, b) => Buffer.compare(repoPathBytes(a), repoPathBytes(b)));
  expect(sorted).toEqual(byBytes);
});

test("a display shows UTF-8 as it is and escapes what a terminal would act on", () => {
  expect(displayPath(repoPathFromText("naïve name"))).toBe("naïve name");
  expect(displayPath(repoPathFromText("a\nb\u001b[31m"))).toBe("a\\x0ab\\x1b[31m");
  expect(displayPath(parseRepoPath(Buffer.from([0x66, 0xff, 0xfe])))).toBe("f\\xff\\xfe");
  expect(displayPath(repoPathFromText("a\u202eb"))).toBe("a\\u202eb");
});

test("only the top-level .prsync is reserved", () => {
  expect([".prsync", ".prsync/x", ".prsyncx", "a/.prsync"].map(isReserved)).toEqual([true, true, false, false]);
});
