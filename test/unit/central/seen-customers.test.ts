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

/** The same agent from so many networks. */
function from(networks: number, agent: string, prefix = "198.51"): readonly (readonly [string, string])[] {
  return Array.from({ length: networks }, (_, index) => [agent, `${prefix}.${index}.7`] as const);
}

test("audits look like customers seen lately in several networks", () => {
  expect(agents(from(3, "apt"))).toEqual(new Set(["apt"]));
  expect(agents([...from(5, "apt"), ...from(3, "curl", "203.0")])).toEqual(new Set(["apt", "curl"]));
});

test("before the first ones, and while all of them are few, audits look like wget", () => {
  expect(agents([])).toEqual(new Set([BUILT_IN]));
  expect(agents(from(2, "apt"))).toEqual(new Set([BUILT_IN]));
});

test.each([
  ["too long", "x".repeat(201)],
  ["of 8 kB", "x".repeat(8_000)],
  ["not ASCII", "b\u00e4r"],
  ["with a control character", "a\tb"],
  ["empty", ""],
])("a user agent that is %s is never used", (_what, agent) => {
  expect(agents(from(4, agent))).toEqual(new Set([BUILT_IN]));
});

test("a mark that one network plants is never used, however many addresses of it send it", () => {
  const hosts = Array.from({ length: 40 }, (_, index) => ["liar", `203.0.113.${index + 1}`] as const);
  const subnets = Array.from({ length: 40 }, (_, index) => ["liar-6", `2001:db8:1:${index + 1}::1`] as const);
  expect(agents([...from(3, "apt"), ...hosts, ...subnets])).toEqual(new Set(["apt"]));
});

test("a thousand networks are a sample of them, not a thousand entries", () => {
  const seen = new SeenCustomers(seededRandom(1));
  for (let index = 0; index < 50_000; index++)
    seen.note({ "user-agent": index < 40_000 ? "apt" : "dnf" }, `10.${index >> 8}.${index & 255}.1`);
  const counts = new Map<string, number>();
  for (let draw = 0; draw < 1_000; draw++) {
    const agent = seen.headers()["user-agent"]!;
    counts.set(agent, (counts.get(agent) ?? 0) + 1);
  }
  expect([...counts.keys()].sort()).toEqual(["apt", "dnf"]);
});
