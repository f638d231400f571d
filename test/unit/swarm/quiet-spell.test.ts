import fc from "fast-check";
import { expect, test } from "vitest";
import { QuietSpell } from "../../../src/swarm/quiet-spell.ts";

function isOver(spell: QuietSpell, nowMs: number): boolean {
  spell.tick(nowMs);
  return spell.isOver;
}

test("hope lasts as long as there are signs of life", () => {
  const spell = new QuietSpell(5_000, 0);
  for (let nowMs = 0; nowMs < 60_000; nowMs += 5_000) {
    spell.heard(nowMs);
    expect(isOver(spell, nowMs + 5_000)).toBe(false);
  }
  expect(isOver(spell, 60_001)).toBe(true);
});

test("it is over for a while, whatever is heard meanwhile, and then gets another chance", () => {
  const spell = new QuietSpell(5_000, 0);
  expect(isOver(spell, 5_001)).toBe(true);
  spell.heard(6_000);
  expect(isOver(spell, 15_000)).toBe(true);
  expect(isOver(spell, 15_001)).toBe(false);
  expect(isOver(spell, 20_001)).toBe(false);
  expect(isOver(spell, 20_002)).toBe(true);
  expect(isOver(spell, 40_001)).toBe(true);
  expect(isOver(spell, 40_002)).toBe(false);
});

test("of n seconds without a sign of life only a few are waited for in vain", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 60, max: 5_000 }), (patienceSeconds, seconds) => {
      const spell = new QuietSpell(patienceSeconds * 1000, 0);
      const waited = Array.from({ length: seconds }, (_, second) => !isOver(spell, second * 1000)).filter(
        Boolean,
      ).length;
      expect(waited).toBeLessThanOrEqual((patienceSeconds + 1) * (1 + Math.log2(1 + seconds / patienceSeconds)));
    }),
  );
});
