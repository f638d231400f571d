import type { Socket } from "node:net";
import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { AddressCounts } from "../../../src/net/address-counts.ts";
import { ConnectionCaps } from "../../../src/net/http-server-caps.ts";

test("an IPv4 address and a /64 have one share, a /48 a larger one, and what is free can be taken again", () => {
  const counts = new AddressCounts({ perAddress: 2, perNetwork: 3 });
  const take = (address: string): boolean => counts.take(address);
  expect(["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1", "192.0.2.2"].map(take)).toEqual([true, true, false, true]);
  const v6 = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1", "2001:db8:0:2::1", "2001:db8:1::1"];
  expect(v6.map(take)).toEqual([true, true, false, true, false, true]);
  counts.free("2001:db8::9");
  expect([take("2001:db8:0:2::1"), take("2001:db8::1")]).toEqual([true, false]);
  expect(counts.take("192.0.2.1", { perAddress: 1, perNetwork: 0 })).toBe(true);
});

test("the last connections are for those whom they are kept for", () => {
  const isFor = (address: string): boolean => address === "192.0.2.9";
  const caps = new ConnectionCaps({
    maxConnections: 4,
    maxConnectionsPerAddress: 4,
    reserved: { connections: 2, isFor },
  });
  const admit = (remoteAddress: string): boolean =>
    caps.admit(Object.assign(new EventEmitter(), { remoteAddress }) as unknown as Socket);
  const asked = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.9", "192.0.2.9", "192.0.2.9"].map(admit);
  expect([asked, caps.connectionCount]).toEqual([[true, true, false, true, true, false], 4]);
});
