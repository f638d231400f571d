import { expect, test } from "vitest";
import { SyncingRhythm } from "../../../src/edge/syncing-rhythm.ts";

const PAIR: ReadonlySet<string> = new Set("ab");

function settled(): SyncingRhythm {
  const rhythm = new SyncingRhythm();
  for (let announce = 0; announce < 5; announce++) {
    rhythm.answered(PAIR, PAIR, false);
    rhythm.nextMs();
  }
  return rhythm;
}

test("a sync begins with quick announces, whatever is heard", () => {
  const rhythm = new SyncingRhythm();
  const delays: number[] = [];
  for (let announce = 0; announce < 6; announce++) {
    rhythm.answered(PAIR, PAIR, false);
    expect(rhythm.mayWait(PAIR, 0)).toBe(announce > 3);
    delays.push(rhythm.nextMs());
  }
  expect(delays).toEqual([500, 1_000, 2_000, 3_000, 3_000, 3_000]);
  rhythm.reset();
  expect(rhythm.nextMs()).toBe(500);
});

test.each([
  ["nothing changed", "ab", 3_000, true],
  ["more are connected", "abc", 6_000, true],
  ["ten seconds would be over", "ab", 7_001, false],
  ["somebody left", "b", 3_000, false],
  ["somebody left and another came", "bc", 3_000, false],
])("%s", (_, connected, sinceMs, mayWait) => {
  expect(settled().mayWait(new Set(connected), sinceMs)).toBe(mayWait);
});

test("who is connected to thirty needs no new names", () => {
  const rhythm = settled();
  const thirty = new Set(Array.from({ length: 30 }, (_, index) => String(index)));
  rhythm.answered(new Set("x"), thirty, false);
  expect(rhythm.mayWait(thirty, 3_000)).toBe(true);
});

test("who is connected to nobody does not wait", () => {
  const rhythm = settled();
  rhythm.answered(PAIR, new Set(), false);
  expect(rhythm.mayWait(new Set(), 3_000)).toBe(false);
});

test("a new name is news once, and names that went and came again are none", () => {
  const rhythm = settled();
  const waits = ["abc", "ac", "b"].map((named) => {
    rhythm.answered(new Set(named), PAIR, false);
    return rhythm.mayWait(PAIR, 3_000);
  });
  expect(waits).toEqual([false, true, true]);
});

test("an answer that another will contradict is not waited on", () => {
  const rhythm = settled();
  rhythm.answered(PAIR, PAIR, true);
  expect(rhythm.mayWait(PAIR, 3_000)).toBe(false);
});

test("a tracker that names few of those it named is asked again soon", () => {
  const rhythm = settled();
  rhythm.answered(new Set(), PAIR, false);
  expect(rhythm.mayWait(PAIR, 3_000)).toBe(false);
  rhythm.answered(PAIR, PAIR, false);
  expect(rhythm.mayWait(PAIR, 3_000)).toBe(true);
});
