import { expect, test } from "vitest";
import { seededRandom } from "../../../src/core/clock.ts";
import { chooseUnchoked, type ChokerPeer, UNCHOKE_SLOTS } from "../../../src/swarm/choker.ts";

function peers(count: number, change: (key: number) => Partial<ChokerPeer> = () => ({})): ChokerPeer[] {
  return Array.from({ length: count }, (_, key) => ({
    key,
    isInterested: true,
    givesBytesPerSecond: 0,
    takesBytesPerSecond: 0,
    ...change(key),
  }));
}

test("all interested peers are unchoked while there are slots, nobody else", () => {
  const unchoked = chooseUnchoked(
    peers(16, (key) => ({ isInterested: key % 2 === 0 })),
    seededRandom(1),
  );
  expect([...unchoked]).toEqual([0, 2, 4, 6, 8, 10, 12, 14]);
  expect(chooseUnchoked(peers(UNCHOKE_SLOTS), seededRandom(1)).size).toBe(UNCHOKE_SLOTS);
});

test("the best givers have three quarters of the slots", () => {
  const unchoked = chooseUnchoked(
    peers(100, (key) => ({ givesBytesPerSecond: key })),
    seededRandom(2),
  );
  expect(unchoked.size).toBe(UNCHOKE_SLOTS);
  expect(
    peers(100)
      .slice(88)
      .every(({ key }) => unchoked.has(key)),
  ).toBe(true);
});

test("a seed prefers who takes fastest", () => {
  const unchoked = chooseUnchoked(
    peers(50, (key) => ({ takesBytesPerSecond: 50 - key })),
    seededRandom(3),
  );
  expect([...Array(12).keys()].every((key) => unchoked.has(key))).toBe(true);
});

test("the optimistic slots reach everybody in time", () => {
  const random = seededRandom(4);
  const ranked = peers(60, (key) => ({ givesBytesPerSecond: key }));
  const seen = new Set<number>();
  for (let round = 0; round < 200; round++) for (const key of chooseUnchoked(ranked, random)) seen.add(key);
  expect(seen.size).toBe(60);
});
