import { expect, test } from "vitest";
import { seededRandom } from "../../../src/core/clock.ts";
import { chooseUnchoked, type ChokerPeer, slotsFor, UNCHOKE_SLOTS } from "../../../src/swarm/choker.ts";

function peers(count: number, change: (key: number) => Partial<ChokerPeer> = () => ({})): ChokerPeer[] {
  return Array.from({ length: count }, (_, key) => ({
    key,
    isInterested: true,
    givesBytesPerSecond: 0,
    takesBytesPerSecond: 0,
    heldCount: 0,
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

test("the best givers have three eighths of the slots, who has least as many", () => {
  const unchoked = chooseUnchoked(
    peers(100, (key) => ({ givesBytesPerSecond: key, heldCount: Math.abs(key - 50) })),
    seededRandom(2),
  );
  expect(unchoked.size).toBe(UNCHOKE_SLOTS);
  expect([94, 95, 96, 97, 98, 99].filter((key) => !unchoked.has(key))).toEqual([]);
  expect([48, 49, 50, 51, 52].filter((key) => !unchoked.has(key))).toEqual([]);
});

test("a seed prefers who takes fastest", () => {
  const unchoked = chooseUnchoked(
    peers(50, (key) => ({ takesBytesPerSecond: 50 - key })),
    seededRandom(3),
  );
  expect([...Array(6).keys()].filter((key) => !unchoked.has(key))).toEqual([]);
});

test("slots follow the line: each brings a piece in two seconds, four at the least, as many as there are peers at the most", () => {
  expect(slotsFor(1_000_000, 65_536)).toBe(30);
  expect(slotsFor(625_000, 65_536)).toBe(19);
  expect(slotsFor(2_500_000, 1_048_576)).toBe(4);
  expect(slotsFor(10_000, 65_536)).toBe(4);
});

test("the optimistic slots reach everybody in time", () => {
  const random = seededRandom(4);
  const ranked = peers(60, (key) => ({ givesBytesPerSecond: key }));
  const seen = new Set<number>();
  for (let round = 0; round < 200; round++) for (const key of chooseUnchoked(ranked, random)) seen.add(key);
  expect(seen.size).toBe(60);
});
