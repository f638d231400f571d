import { expect, test } from "vitest";
import { NetworkFailures } from "../../../src/delivery/network-failures.ts";

const LIFETIME = 300_000;
const [mine, others, elsewhere] = [
  { customer: "192.0.2.1", network: "192.0" },
  { customer: "192.0.3.1", network: "192.0" },
  { customer: "198.51.100.1", network: "198.51" },
];

function lowered(failures: NetworkFailures, nowMs: number): readonly (readonly string[])[] {
  return [mine, others, elsewhere].map((witness) => failures.at(() => witness, nowMs));
}

test("a failure counts for the customer that met it, of two customers for their network, for others never", () => {
  const failures = new NetworkFailures(LIFETIME);
  for (let turn = 0; turn < 5; turn++) failures.note("v", mine, turn);
  expect(lowered(failures, 10)).toEqual([["v"], [], []]);
  failures.note("v", others, 10);
  expect(lowered(failures, 10)).toEqual([["v"], ["v"], []]);
  // The first one again says nothing new.
  failures.note("v", mine, 11);
  expect(lowered(failures, 11)).toEqual([["v"], ["v"], []]);
});

test("failures end, and a word that ended is no witness", () => {
  const failures = new NetworkFailures(LIFETIME);
  failures.note("v", mine, 0);
  expect(lowered(failures, LIFETIME + 1)).toEqual([[], [], []]);
  failures.note("w", mine, LIFETIME);
  failures.note("v", others, LIFETIME + 1);
  expect(lowered(failures, LIFETIME + 1)).toEqual([["w"], ["v"], []]);
});

test("a network has 32 places, whoever fills them", () => {
  const failures = new NetworkFailures(LIFETIME);
  for (let index = 0; index < 100; index++) failures.note(`v${index}`, mine, index);
  expect(failures.at(() => mine, 100)).toHaveLength(32);
});
