import { expect, test } from "vitest";
import { type GatewayPeer, GatewaySlots } from "../../../src/swarm/gateway-slots.ts";

const PLACES = 8;
const peer = (key: number, site?: string): GatewayPeer => ({
  key,
  isInterested: true,
  isTaking: false,
  site,
});

function served(slots: GatewaySlots): number[] {
  return [1, 2, 3, 4].filter((key) => slots.has(key));
}

/** Who has a place after each of some reviews. */
function servedAfter(
  slots: GatewaySlots,
  peers: readonly GatewayPeer[],
  places: number,
  seconds: number[],
): number[][] {
  return seconds.map((second) => {
    slots.review(peers, places, second * 1000);
    return served(slots);
  });
}

test("one peer of each other site is served beside the slots", () => {
  const slots = new GatewaySlots();
  for (const one of [peer(1, "a"), peer(2, "a"), peer(3, "b"), peer(4)]) slots.interested(one, PLACES, 0);
  expect(served(slots)).toEqual([1, 3]);
});

test("who lost interest or left is followed by another, and nobody else loses a place", () => {
  const slots = new GatewaySlots();
  for (const one of [peer(2, "a"), peer(1, "a"), peer(3, "b")]) slots.interested(one, PLACES, 0);
  slots.review([peer(1, "a"), peer(2, "a"), peer(3, "b")], PLACES, 1_000);
  expect(served(slots)).toEqual([2, 3]);
  slots.review([peer(1, "a"), { ...peer(2, "a"), isInterested: false }, peer(4, "b")], PLACES, 2_000);
  expect(served(slots)).toEqual([1, 4]);
});

test("the place of one that left is free for the next that asks, though no round was held since", () => {
  const slots = new GatewaySlots();
  slots.interested(peer(1, "a"), PLACES, 0);
  slots.left(1, 1_000);
  slots.interested(peer(2, "a"), PLACES, 1_100);
  expect(served(slots)).toEqual([2]);
});

test("a site that is learned late counts from then on, one that no longer takes part does not", () => {
  const slots = new GatewaySlots();
  slots.interested(peer(1), PLACES, 0);
  slots.review([peer(1, "a")], PLACES, 1_000);
  expect(served(slots)).toEqual([1]);
  slots.review([peer(1)], PLACES, 2_000);
  expect(served(slots)).toEqual([]);
});

test("within a site the place passes on after ten seconds: one that takes nothing keeps its neighbours waiting no longer", () => {
  const peers = [peer(1, "a"), peer(2, "a"), peer(3, "a")];
  const turns = servedAfter(new GatewaySlots(), peers, PLACES, [0, 9, 10, 19, 20, 30]);
  expect(turns).toEqual([[1], [1], [2], [2], [3], [1]]);
});

test("one that takes what it is sent keeps its place for a minute: a piece that is left half way is of use to nobody", () => {
  const peers = [{ ...peer(1, "a"), isTaking: true }, peer(2, "a")];
  expect(servedAfter(new GatewaySlots(), peers, PLACES, [0, 10, 59, 60, 69, 70])).toEqual([
    [1],
    [1],
    [1],
    [2],
    [2],
    [1],
  ]);
});

test("who is the only one of its site keeps its place while there is one for each", () => {
  const turns = servedAfter(new GatewaySlots(), [peer(1, "a"), peer(2, "b")], 2, [0, 10, 20]);
  expect(turns).toEqual([
    [1, 2],
    [1, 2],
    [1, 2],
  ]);
});

test("with more sites than places each has its turn, and no more give theirs up than there are others waiting", () => {
  const peers = [peer(1, "a"), peer(2, "b"), peer(3, "c")];
  const turns = servedAfter(new GatewaySlots(), peers, 2, [0, 9, 10, 20, 30]);
  expect(turns).toEqual([
    [1, 2],
    [1, 2],
    [2, 3],
    [1, 3],
    [1, 2],
  ]);
});
