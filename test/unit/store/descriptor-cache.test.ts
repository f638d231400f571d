import { fstatSync, openSync } from "node:fs";
import { expect, test } from "vitest";
import { DescriptorCache } from "../../../src/store/descriptor-cache.ts";

function isOpen(descriptor: number): boolean {
  try {
    fstatSync(descriptor);
    return true;
  } catch {
    return false;
  }
}

test("a pinned descriptor outlives its eviction and is closed at the unpin", () => {
  using cache = new DescriptorCache(1);
  const first = cache.add("a", openSync("/", "r"));
  cache.add("b", openSync("/", "r"))[Symbol.dispose]();
  expect(cache.has("a")).toBe(false);
  expect(isOpen(first.descriptor)).toBe(true);
  first[Symbol.dispose]();
  expect(isOpen(first.descriptor)).toBe(false);
});

test("the least recently used descriptor goes first", () => {
  using cache = new DescriptorCache(2);
  cache.add("a", openSync("/", "r"))[Symbol.dispose]();
  cache.add("b", openSync("/", "r"))[Symbol.dispose]();
  cache.pin("a")![Symbol.dispose]();
  cache.add("c", openSync("/", "r"))[Symbol.dispose]();
  expect(["a", "b", "c"].map((key) => cache.has(key))).toEqual([true, false, true]);
});

test("forgetBelow closes a directory and what lies below it, not its namesakes", () => {
  using cache = new DescriptorCache(9);
  for (const key of ["a", "a/b", "a/b/c", "ab", "b"]) cache.add(key, openSync("/", "r"))[Symbol.dispose]();
  cache.forgetBelow("a");
  expect(["a", "a/b", "a/b/c", "ab", "b"].filter((key) => cache.has(key))).toEqual(["ab", "b"]);
});
