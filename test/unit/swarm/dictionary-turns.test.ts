import { expect, test } from "vitest";
import { DictionaryTurns } from "../../../src/swarm/dictionary-turns.ts";

test("two are served at once, then one every 300 ms, and who has waited in any case", () => {
  const turns = new DictionaryTurns();
  const at = (nowMs: number, hasWaited = false): boolean => turns.mayServe(hasWaited, nowMs);
  expect([at(1_000), at(1_000), at(1_000)]).toEqual([true, true, false]);
  expect([at(1_299), at(1_300), at(1_300)]).toEqual([false, true, false]);
  expect([at(1_599), at(1_599, true), at(1_599, true)]).toEqual([false, true, true]);
  expect([at(60_000), at(60_000), at(60_000)]).toEqual([true, true, false]);
});
