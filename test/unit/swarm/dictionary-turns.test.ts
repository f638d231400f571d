import { expect, test } from "vitest";
import { BundleLayout } from "../../../src/core/bundle-layout.ts";
import { DictionaryTurns, dictionaryWaitMs, maxDictionaryBytes } from "../../../src/swarm/dictionary-turns.ts";

test("four are served at once, then one every half of the longest wait, and who has waited in any case", () => {
  const turns = new DictionaryTurns(600);
  const at = (nowMs: number, hasWaited = false): boolean => turns.mayServe(hasWaited, nowMs);
  expect([at(1_000), at(1_000), at(1_000), at(1_000), at(1_000)]).toEqual([true, true, true, true, false]);
  expect([at(1_299), at(1_300), at(1_300)]).toEqual([false, true, false]);
  expect([at(1_599), at(1_599, true), at(1_599, true)]).toEqual([false, true, true]);
  expect([at(60_000), at(60_000), at(60_000), at(60_000), at(60_000)]).toEqual([true, true, true, true, false]);
});

test("the wait grows with the dictionary, up to half a minute", () => {
  const waitMs = (pieces: number): number => Math.round(dictionaryWaitMs(new BundleLayout([pieces * 65_536], 65_536)));
  expect([1, 1024, 16_384, 65_536, 1_000_000].map(waitMs)).toEqual([204, 524, 5_324, 20_684, 30_000]);
});

test("a dictionary is no longer than its pieces and names can make it", () => {
  const KIB = 1024;
  expect(maxDictionaryBytes(new BundleLayout([1024 * 65_536], 65_536))).toBe(64 * KIB + 1024 * 20 + 16 * KIB);
  expect(maxDictionaryBytes(new BundleLayout(new Array<number>(5_000).fill(10), 65_536))).toBe(16 * KIB * KIB);
});
