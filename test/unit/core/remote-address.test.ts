import { expect, test } from "vitest";
import { addressGroup, addressNetwork, plainAddress } from "../../../src/core/remote-address.ts";
import { ConnectionPlaces } from "../../../src/net/swarm-places.ts";
import { stockClientId } from "../../../src/swarm/ports.ts";

test("mapped IPv4 is written as IPv4", () => {
  expect(["::ffff:192.0.2.1", "192.0.2.1", "fd00::1", "unknown"].map(plainAddress)).toEqual([
    "192.0.2.1",
    "192.0.2.1",
    "fd00::1",
    "unknown",
  ]);
});

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:0db8:1:2::9", "2001:db8:1:2::/64"],
  ["2001:db8::9", "2001:db8:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["unknown", "unknown"],
])("%s counts to %s", (address, group) => {
  expect(addressGroup(address)).toBe(group);
});

test("a stock client's offences are laid to its IPv4 address or its /64", () => {
  expect(stockClientId("2001:db8:1:2::9")).toBe(stockClientId("2001:db8:1:2:ffff::1"));
  expect(stockClientId("2001:db8:1:2::9")).not.toBe(stockClientId("2001:db8:1:3::9"));
  expect(stockClientId("192.0.2.1")).not.toBe(stockClientId("192.0.2.2"));
});

test("places are counted by program and by address, and a place is given back once", () => {
  const places = new ConnectionPlaces({ connections: 3, connectionsPerAddress: 2 });
  const first = places.take("fd00::1")!;
  expect([places.take("fd00::2:1") === undefined, places.take("fd00::3")]).toEqual([false, undefined]);
  first();
  first();
  expect(places.take("fd00::4")).toBeDefined();
  expect(places.take("fd00::5")).toBeUndefined();
  expect(places.take("192.0.2.1")).toBeDefined();
  expect(places.take("192.0.2.2")).toBeUndefined();
});

test.each([
  ["192.0.2.77", "192.0.2.0/24"],
  ["::ffff:192.0.2.77", "192.0.2.0/24"],
  ["2001:db8:1:2::3", "2001:db8:1::/48"],
  ["2001:0DB8::1", "2001:db8:0::/48"],
  ["fe80::1%eth0", "fe80:0:0::/48"],
])("%s stands in the network %s", (address, network) => {
  expect(addressNetwork(address)).toBe(network);
});
