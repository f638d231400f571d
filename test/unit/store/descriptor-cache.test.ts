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

test("forgetBelow finds what lies below a directory that was let go itself", () => {
  using cache = new DescriptorCache(2);
  for (const key of ["a", "a/b/c", "b"]) cache.add(key, openSync("/", "r"))[Symbol.dispose]();
  expect(cache.has("a")).toBe(false);
  cache.forgetBelow("a/b");
  expect(["a/b/c", "b"].filter((key) => cache.has(key))).toEqual(["b"]);
  cache.add("a/b/d", openSync("/", "r"))[Symbol.dispose]();
  cache.forgetBelow("a");
  expect(["a/b/d", "b"].filter((key) => cache.has(key))).toEqual(["b"]);
});
