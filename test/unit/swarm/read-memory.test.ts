import { expect, test } from "vitest";
import { ReadMemory } from "../../../src/swarm/read-memory.ts";

const KIB = 1024;

test("what came back serves again, for reads of the same length", () => {
  const memory = new ReadMemory();
  const first = memory.take(64 * KIB)!;
  expect(memory.take(64 * KIB)).not.toBe(first);
  memory.giveBack(first);
  expect(memory.take(128 * KIB)).toHaveLength(128 * KIB);
  expect(memory.take(64 * KIB)).toBe(first);
  expect(memory.freeBytes).toBe(0);
});

test("short reads get none, and a peak does not stay", () => {
  const memory = new ReadMemory();
  expect(memory.take(32 * KIB - 1)).toBeUndefined();
  for (let count = 0; count < 200; count++) memory.giveBack(new Uint8Array(64 * KIB));
  expect(memory.freeBytes).toBe(4 * KIB * KIB);
  memory.clear();
  expect(memory.freeBytes).toBe(0);
});
