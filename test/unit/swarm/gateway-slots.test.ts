import { expect, test } from "vitest";
import { GatewaySlots } from "../../../src/swarm/gateway-slots.ts";

const peer = (key: number, site?: string): { key: number; site: string | undefined } => ({ key, site });

function served(slots: GatewaySlots): number[] {
  return [1, 2, 3, 4].filter((key) => slots.has(key));
}

test("one peer of each other site is served beside the slots", () => {
  const slots = new GatewaySlots();
  for (const one of [peer(1, "a"), peer(2, "a"), peer(3, "b"), peer(4)]) slots.interested(one);
  expect(served(slots)).toEqual([1, 3]);
});

test("who lost interest or left is followed by another, and nobody else loses a place", () => {
  const slots = new GatewaySlots();
  for (const one of [peer(2, "a"), peer(1, "a"), peer(3, "b")]) slots.interested(one);
  slots.review([peer(1, "a"), peer(2, "a"), peer(3, "b")]);
  expect(served(slots)).toEqual([2, 3]);
  slots.review([peer(1, "a"), peer(4, "b")]);
  expect(served(slots)).toEqual([1, 4]);
});

test("a site that is learned late counts from then on, one that no longer takes part does not", () => {
  const slots = new GatewaySlots();
  slots.interested(peer(1));
  slots.review([peer(1, "a")]);
  expect(served(slots)).toEqual([1]);
  slots.review([peer(1)]);
  expect(served(slots)).toEqual([]);
});
