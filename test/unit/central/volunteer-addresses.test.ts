import type { IncomingMessage } from "node:http";
import { expect, test } from "vitest";
import { portOf } from "../../../src/central/request-address.ts";
import { VolunteerAddresses } from "../../../src/central/volunteer-addresses.ts";
import { AddressCounts } from "../../../src/net/address-counts.ts";
import { LiveVolunteers } from "../../../src/tracker/live-volunteers.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { announceOf } from "../../support/sample-announce.ts";

/** Volunteers at these addresses. */
function volunteersAt(hosts: readonly string[]): VolunteerAddresses {
  const clock = new ManualClock();
  const live = new LiveVolunteers(clock, 3_600_000);
  for (const [index, host] of hosts.entries()) {
    const id = `m${index}`;
    live.announce(announceOf(id, {}), { id, host, site: undefined });
  }
  return new VolunteerAddresses(live, clock);
}

test("volunteers are counted by address, /64 and /48", () => {
  const addresses = volunteersAt(["192.0.2.1", "192.0.2.1", "2001:db8::1", "2001:db8::2", "2001:db8:0:7::1"]);
  expect(addresses.volunteersAt("::ffff:192.0.2.1")).toEqual({ perAddress: 2, perNetwork: 0 });
  expect(addresses.volunteersAt("192.0.2.2")).toEqual({ perAddress: 0, perNetwork: 0 });
  expect(addresses.volunteersAt("2001:db8::9")).toEqual({ perAddress: 2, perNetwork: 3 });
  expect(addresses.volunteersAt("2001:db8:0:8::1")).toEqual({ perAddress: 0, perNetwork: 3 });
});

test("a site with one /48 and a volunteer in each of 200 /64s has a stream for each", () => {
  const hosts = Array.from({ length: 200 }, (_, subnet) => `2001:db8:0:${(subnet + 1).toString(16)}::1`);
  const addresses = volunteersAt(hosts);
  const streams = new AddressCounts({ perAddress: 8, perNetwork: 64 });
  expect(hosts.filter((host) => !streams.take(host, addresses.volunteersAt(host)))).toEqual([]);
});

test("the port tells a customer only if nobody says that a proxy stands between", () => {
  const from = (headers: Record<string, string>): IncomingMessage =>
    ({ headers, socket: { remotePort: 40_000 } }) as unknown as IncomingMessage;
  expect(portOf(from({}))).toBe(40_000);
  for (const name of ["via", "forwarded", "x-forwarded-for"]) expect(portOf(from({ [name]: "1.1 proxy" }))).toBe(0);
});
