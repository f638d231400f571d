import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SmallReads } from "../../../src/store/small-reads.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

/** Reads that take so long each, `gapMs` apart; @returns how many of them were done on the spot */
function onTheSpot(tookMs: number, { count, gapMs }: { count: number; gapMs: number }): number {
  let nowMs = 0;
  let done = 0;
  const reads = new SmallReads(() => nowMs);
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

test("a read that fails counts as well", () => {
  let nowMs = 0;
  const reads = new SmallReads(() => nowMs);
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
