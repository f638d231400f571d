import { expect, test } from "vitest";
import { isWalkDue } from "../../../src/plan/walk-due.ts";

const LARGE = 100_000;
const NOW = { nowMs: 1_000_000, rescanMs: 1_000 };
const LATELY = NOW.nowMs - 999;
const LONG_AGO = NOW.nowMs - 1_000;
const REST = { entries: LARGE, lastWholeMs: LATELY, lastCleanMs: LATELY };
const DELETING = { removal: "all", checksum: false } as const;
const KEEPING = { removal: "none", checksum: false } as const;

test("a large mirror that was walked lately is left at rest", () => {
  expect([isWalkDue(REST, NOW, DELETING), isWalkDue(REST, NOW, KEEPING)]).toEqual([false, false]);
});

test("a small one, --checksum, and a walk that was long ago or is asked for are reasons to walk", () => {
  expect(isWalkDue({ ...REST, entries: LARGE - 1 }, NOW, KEEPING)).toBe(true);
  expect(isWalkDue(REST, NOW, { ...KEEPING, checksum: true })).toBe(true);
  expect(isWalkDue({ ...REST, lastWholeMs: LONG_AGO }, NOW, KEEPING)).toBe(true);
  expect(isWalkDue(REST, { ...NOW, rescanMs: 0 }, KEEPING)).toBe(true);
});

test("a walk in the future was by a wrong clock and counts as none", () => {
  const future = { ...REST, lastWholeMs: NOW.nowMs + 1, lastCleanMs: NOW.nowMs + 1 };
  expect([isWalkDue(future, NOW, DELETING), isWalkDue(future, NOW, KEEPING)]).toEqual([true, true]);
  const always = { nowMs: 0, rescanMs: 0 };
  expect(isWalkDue({ ...REST, lastWholeMs: Infinity }, always, KEEPING)).toBe(true);
});

test("--delete needs a walk that also looked for what no release brought, and left none", () => {
  expect(isWalkDue({ ...REST, lastCleanMs: 0 }, NOW, KEEPING)).toBe(false);
  expect(isWalkDue({ ...REST, lastCleanMs: LONG_AGO }, NOW, DELETING)).toBe(true);
  // Other options than before: what was found then does not count.
  expect(isWalkDue({ ...REST, lastWholeMs: 0 }, NOW, DELETING)).toBe(true);
});
