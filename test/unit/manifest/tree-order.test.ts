import fc from "fast-check";
import { expect, test } from "vitest";
import type { Entry } from "../../../src/manifest/entry.ts";
import { checkTreeOrder } from "../../../src/manifest/tree-order.ts";
import { codeOf, file, path, sortedByPath } from "./arbitrary-entry.ts";

function check(entries: readonly Entry[]): string {
  return codeOf(() => [...checkTreeOrder(entries)]);
}

function directory(name: string): Entry {
  return { kind: "directory", path: path(name), mode: 0o755, mtimeNs: 0n };
}

test("names that sort between a directory and its children are no trouble", () => {
  expect(check([directory("a"), file("a!"), file("a-b"), file("a.txt"), file("a/b"), file("a0")])).toBe("none");
});

test("a file above a path is found behind the names between them", () => {
  const between = ["a!", "a-", "a-b", "a-b!", "a.", "a.txt"].map((name) => file(name));
  expect(check([file("a"), ...between, file("a/b")])).toBe("path-conflict");
  expect(check([file("a"), directory("a-"), file("a-/x"), file("a-/y"), file("a/b/c/d")])).toBe("path-conflict");
});

test("a symlink is no parent either", () => {
  const link: Entry = { kind: "symlink", path: path("a"), target: "b", mtimeNs: 0n };
  expect(check([link, file("a/x")])).toBe("path-conflict");
});

test("paths out of order and twice are refused", () => {
  expect(check([file("b"), file("a")])).toBe("bad-order");
  expect(check([file("a"), file("a")])).toBe("bad-order");
});

test("agrees with looking every parent up", () => {
  const name = fc
    .array(fc.string({ unit: fc.constantFrom("a", "-", ".", "0"), minLength: 1, maxLength: 2 }), {
      minLength: 1,
      maxLength: 3,
    })
    .map((parts) => parts.join("/"))
    .filter((text) => !/(^|\/)\.{1,2}(\/|$)/.test(text));
  const entry = fc
    .tuple(name, fc.integer({ min: 0, max: 3 }))
    .map(([text, n]) => (n === 0 ? file(text) : directory(text)));
  let conflicts = 0;
  fc.assert(
    fc.property(fc.uniqueArray(entry, { maxLength: 40, selector: (e) => e.path }), (entries) => {
      const files = new Set(entries.filter((e) => e.kind === "file").map((e): string => e.path));
      const isConflict = entries.some((e) => {
        const parts = e.path.split("/");
        return parts.some((_, i) => i > 0 && files.has(parts.slice(0, i).join("/")));
      });
      conflicts += Number(isConflict);
      expect(check(sortedByPath(entries))).toBe(isConflict ? "path-conflict" : "none");
    }),
    { numRuns: 3000 },
  );
  // Both answers must have been asked for.
  expect(conflicts).toBeGreaterThan(100);
  expect(conflicts).toBeLessThan(2900);
});
