import { expect, test } from "vitest";
import { canReach, reachOf } from "../../../src/delivery/host-reach.ts";

const PUBLIC = reachOf("192.0.2.1");

test.each([
  "127.0.0.1",
  "127.255.0.9",
  "0.0.0.0",
  "[::]",
  "[::1]",
  "0:0:0:0:0:0:0:1",
  "[::ffff:7f00:1]",
  "::ffff:127.0.0.1",
  "[::7f00:1]",
  "::127.0.0.1",
  "[64:ff9b::7f00:1]",
  "[2002:7f00:1::1]",
  "localhost",
  "LOCALHOST",
  "localhost.",
  "a.localhost",
])("%s is this machine, in whatever form", (host) => {
  expect(reachOf(host).scope).toBe("loopback");
  expect(canReach(PUBLIC, reachOf(host))).toBe(false);
  expect(canReach(reachOf("10.0.0.1"), reachOf(host))).toBe(false);
  expect(canReach(reachOf("127.0.0.1"), reachOf(host))).toBe(true);
});

test.each([
  "10.1.2.3",
  "172.31.0.1",
  "192.168.0.1",
  "100.64.0.1",
  "169.254.169.254",
  "[::ffff:a9fe:a9fe]",
  "::ffff:10.0.0.1",
  "[64:ff9b::a00:1]",
  "[64:ff9b:1::1]",
  "[2002:a00:1::1]",
  "[fc00::1]",
  "[fd12::1]",
  "fe80::1%eth0",
  "[fec0::1]",
])("%s is a private network, in whatever form", (host) => {
  expect(reachOf(host).scope).toBe("private");
  expect(canReach(PUBLIC, reachOf(host))).toBe(false);
  expect(canReach(reachOf("10.9.9.9"), reachOf(host))).toBe(true);
});

test.each([
  ["192.0.2.1", 4],
  ["172.32.0.1", 4],
  ["[::ffff:c000:201]", 4],
  ["[2001:db8::1]", 6],
  ["2001:db8::127.0.0.1", 6],
  ["[64:ff9b::c000:201]", 6],
  ["[2002:c000:201::1]", 6],
])("%s is public, of family %i", (host, family) => {
  expect(reachOf(host)).toEqual({ family, scope: "public" });
});

test("a name leads anywhere", () => {
  expect(reachOf("mirror.example.org")).toEqual({ family: undefined, scope: "name" });
  expect(reachOf("notlocalhost")).toEqual({ family: undefined, scope: "name" });
});
