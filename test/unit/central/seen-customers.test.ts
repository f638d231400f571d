import { expect, test } from "vitest";
import { seededRandom } from "../../../src/core/clock.ts";
import { BUILT_IN_CUSTOMER, SeenCustomers } from "../../../src/central/seen-customers.ts";

/** User agents that audits would use, after so many requests of each customer. */
function agents(requests: readonly (readonly [agent: string, address: string])[]): ReadonlySet<string> {
  const seen = new SeenCustomers(seededRandom(1));
  for (const [agent, address] of requests) {
    for (let turn = 0; turn < 200; turn++) seen.note({ "user-agent": agent, accept: "*/*" }, address);
  }
  return new Set(Array.from({ length: 2_000 }, () => seen.headers()["user-agent"]!));
}

const BUILT_IN = BUILT_IN_CUSTOMER["user-agent"]!;

test("audits look like customers seen lately", () => {
  expect(agents([["apt", "192.0.2.1"]])).toEqual(new Set([BUILT_IN, "apt"]));
});

test.each([
  ["too long", "x".repeat(201)],
  ["of 8 kB", "x".repeat(8_000)],
  ["not ASCII", "b\u00e4r"],
  ["with a control character", "a\tb"],
  ["empty", ""],
])("a user agent that is %s is never used", (_what, agent) => {
  expect(agents([[agent, "192.0.2.1"]])).toEqual(new Set([BUILT_IN]));
});

test("one address has one place, an IPv6 network counts as one", () => {
  const many = Array.from({ length: 40 }, (_, index) => [`liar-${index}`, `2001:db8::${index + 1}`] as const);
  expect(agents([["apt", "192.0.2.1"], ...many])).toEqual(new Set([BUILT_IN, "apt", "liar-39"]));
});
