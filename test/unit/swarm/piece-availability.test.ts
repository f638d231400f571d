import fc from "fast-check";
import { expect, test } from "vitest";
import { seededRandom } from "../../../src/core/clock.ts";
import { PieceAvailability } from "../../../src/swarm/piece-availability.ts";

const ANY = { from: 0, to: Infinity };

test("the rarest acceptable piece is picked", () => {
  const availability = new PieceAvailability(4);
  for (const piece of [0, 1, 2, 3]) availability.open(piece);
  for (const piece of [0, 0, 0, 1, 2, 2]) availability.change(piece, 1);
  const random = seededRandom(1);
  expect(availability.pickRarest(() => true, random, ANY)).toBe(3);
  expect(availability.pickRarest(() => true, random, { from: 1, to: Infinity })).toBe(1);
  expect(availability.pickRarest((piece) => piece !== 1, random, { from: 1, to: Infinity })).toBe(2);
  expect(availability.pickRarest(() => true, random, { from: 4, to: Infinity })).toBeUndefined();
});

test("the first acceptable piece is picked, also one that became open again", () => {
  const availability = new PieceAvailability(5);
  for (const piece of [1, 2, 4]) availability.open(piece);
  expect(availability.pickFirst(() => true)).toBe(1);
  expect(availability.pickFirst((piece) => piece !== 1)).toBe(2);
  for (const piece of [1, 2]) availability.close(piece);
  expect(availability.pickFirst(() => true)).toBe(4);
  availability.open(0);
  expect(availability.pickFirst(() => true)).toBe(0);
  for (const piece of [0, 4]) availability.close(piece);
  expect(availability.pickFirst(() => true)).toBeUndefined();
});

test("among equally rare pieces each has about the same chance", () => {
  const availability = new PieceAvailability(8);
  for (let piece = 0; piece < 8; piece++) availability.open(piece);
  const random = seededRandom(2);
  const picks = Array.from({ length: 8_000 }, () => availability.pickRarest(() => true, random, ANY));
  const counts = Array.from({ length: 8 }, (_, piece) => picks.filter((pick) => pick === piece).length);
  expect(Math.min(...counts)).toBeGreaterThan(850);
  expect(Math.max(...counts)).toBeLessThan(1_150);
});

test("counts and open pieces agree with a plain model after any sequence of changes", () => {
  const step = fc.record({ act: fc.constantFrom("open", "close", "more", "less"), piece: fc.nat(9) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const availability = new PieceAvailability(10);
      const counts = new Array<number>(10).fill(0);
      const open = new Set<number>();
      for (const { act, piece } of steps) {
        if (act === "open") open.add(piece);
        if (act === "open") availability.open(piece);
        if (act === "close") open.delete(piece);
        if (act === "close") availability.close(piece);
        const by = act === "more" ? 1 : act === "less" && counts[piece]! > 0 ? -1 : undefined;
        if (by !== undefined) availability.change(piece, by);
        counts[piece]! += by ?? 0;
      }
      expect(availability.openCount).toBe(open.size);
      const rarest = Math.min(...[...open].map((piece) => counts[piece]!));
      const pick = availability.pickRarest(() => true, seededRandom(3), ANY);
      expect(pick === undefined ? Infinity : counts[pick]).toBe(rarest);
      expect(counts.map((_, piece) => availability.countOf(piece))).toEqual(counts);
    }),
  );
});
