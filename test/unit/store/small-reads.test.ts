import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SmallReads } from "../../../src/store/small-reads.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

/** Reads that take so long each, `gapMs` apart; @returns how many of them were done on the spot */
function onTheSpot(tookMs: number, { count, gapMs }: { count: number; gapMs: number }): number {
  let nowMs = 0;
  let done = 0;
  const reads = new SmallReads(
    () => nowMs,
    () => done,
  );
  for (let index = 0; index < count; index++, nowMs += gapMs) {
    if (!reads.isQuick) continue;
    reads.run(() => (nowMs += tookMs));
    done++;
  }
  return done;
}

test("reads from memory are all done on the spot", () => {
  expect(onTheSpot(0.05, { count: 1_000, gapMs: 0 })).toBe(1_000);
});

test("a disk that lets one wait holds the event loop a tenth of the time at most", () => {
  const tookMs = 12;
  const done = onTheSpot(tookMs, { count: 10_000, gapMs: 1 });
  expect(done).toBeGreaterThan(10);
  expect(done * tookMs).toBeLessThanOrEqual(0.11 * (10_000 + done * tookMs));
});

test("a disk that the kernel does not count is known by reads that are slow one after the other", () => {
  let nowMs = 0;
  const reads = new SmallReads(
    () => nowMs,
    () => 0,
  );
  reads.run(() => (nowMs += 5));
  expect(reads.isQuick).toBe(true);
  reads.run(() => (nowMs += 5));
  expect(reads.isQuick).toBe(false);
});

/** Reads of which each second one takes `longMs`, `gapMs` after the one before, on a disk that the kernel does not count. */
function heldShare(longMs: number, { rounds, gapMs }: { rounds: number; gapMs: number }): number {
  let nowMs = 0;
  let heldMs = 0;
  const reads = new SmallReads(
    () => nowMs,
    () => 0,
  );
  for (let index = 0; index < rounds; index++) {
    for (const tookMs of [longMs, 0.02]) {
      if (reads.isQuick) {
        reads.run(() => (nowMs += tookMs));
        heldMs += tookMs;
      }
      nowMs += gapMs;
    }
  }
  return heldMs / nowMs;
}

test("reads that wait for the processor now and then are no sign of a slow disk", () => {
  // All of them are done on the spot: a long one each 40 ms.
  expect(heldShare(8, { rounds: 1_000, gapMs: 16 })).toBeCloseTo(8.02 / 40.02, 6);
});

test("what was read from a disk some time before a slow read does not explain it", () => {
  let nowMs = 0;
  let diskReads = 0;
  const reads = new SmallReads(
    () => nowMs,
    () => diskReads,
  );
  reads.run(() => (nowMs += 0.05));
  diskReads++;
  nowMs += 2;
  reads.run(() => (nowMs += 5));
  expect(reads.isQuick).toBe(true);
  reads.run(() => (nowMs += 0.05));
  reads.run(() => {
    diskReads++;
    nowMs += 5;
  });
  expect(reads.isQuick).toBe(false);
});

test("slow reads between quick ones take a quarter of the time at most, though the kernel counts none of them", () => {
  expect(heldShare(40, { rounds: 10_000, gapMs: 1 })).toBeLessThan(0.26);
  expect(heldShare(300, { rounds: 10_000, gapMs: 1 })).toBeLessThan(0.26);
  expect(heldShare(3, { rounds: 100_000, gapMs: 0.1 })).toBeLessThan(0.26);
});

test("a read that fails counts as well", () => {
  let nowMs = 0;
  let diskReads = 0;
  const reads = new SmallReads(
    () => nowMs,
    () => diskReads++,
  );
  const fail = (): never => {
    nowMs += 5;
    throw new Error("no such file");
  };
  expect(() => reads.run(fail)).toThrow("no such file");
  expect(reads.isQuick).toBe(false);
  nowMs += 45;
  expect(reads.isQuick).toBe(true);
});

test("a small read gives what the file has at that place, a large one is left to the thread pool", () => {
  const path = join(temporaryDirectory(), "file");
  writeFileSync(path, "0123456789");
  const descriptor = openSync(path, "r");
  const reads = new SmallReads();
  const bytes = Buffer.alloc(4);
  expect(reads.fill(descriptor, bytes, 5)).toBe(4);
  expect(bytes.toString()).toBe("5678");
  expect(reads.fill(descriptor, bytes, 8)).toBe(2);
  expect(reads.fill(descriptor, new Uint8Array(SmallReads.MAX_BYTES + 1), 0)).toBe(0);
  closeSync(descriptor);
});
