import { expect, test } from "vitest";
import { seededRandom } from "../../../src/core/clock.ts";
import { choosePeers } from "../../../src/tracker/choose-peers.ts";
import { SiteBalance } from "../../../src/tracker/site-balance.ts";
import { parseSiteTable, SiteTable } from "../../../src/tracker/site-table.ts";
import { sampleVolunteer } from "./sample-volunteer.ts";

const MIB = 1024 * 1024;

test.each([
  ["192.0.2.1", "192.0.0.0/16"],
  ["::ffff:10.1.2.3", "10.1.0.0/16"],
  ["2001:db8:5:6::1", "2001:db8:5::/48"],
  ["2001:db8::1", "2001:db8:0::/48"],
  ["fe80::1%eth0", "fe80:0:0::/48"],
  ["::1", "0:0:0::/48"],
])("without a table %s stands in %s", (host, site) => {
  expect(new SiteTable().siteOf(host)).toBe(site);
});

test.each(["", "example.org", "1.2.3", "1.2.3.256", "1::2::3", "1:2:3:4:5:6:7:8:9", "12345::"])(
  "%j is no address and stands nowhere",
  (host) => {
    expect(new SiteTable().siteOf(host)).toBeUndefined();
  },
);

test("the longest prefix of the table names the site", () => {
  const table = parseSiteTable(
    "# campus\n10.0.0.0/8 Göttingen\n10.7.0.0/16 Physik Süd # new\n\n2001:db8::/32 Berlin\n",
  );
  expect(table.siteOf("10.1.2.3")).toBe("Göttingen");
  expect(table.siteOf("10.7.2.3")).toBe("Physik Süd");
  expect(table.siteOf("2001:db8:ffff::1")).toBe("Berlin");
  expect(table.siteOf("192.0.2.1")).toBe("192.0.0.0/16");
});

test("all bad lines of a table are told together", () => {
  const parse = (): SiteTable => parseSiteTable("10.0.0.0/8 a\n10.0.0.0/33 b\nnonsense\n10.0.0.0/8\n");
  expect(parse).toThrow(/line 2.*line 3.*line 4/);
});

test("a balance adds what volunteers gave and took since they were heard last, over restarts of theirs", () => {
  const balance = new SiteBalance();
  balance.note("a", "s", { uploadedBytes: 10, downloadedBytes: 5 });
  balance.note("a", "s", { uploadedBytes: 12, downloadedBytes: 5 });
  balance.note("b", "s", { uploadedBytes: 1, downloadedBytes: 1 });
  balance.note("a", "s", { uploadedBytes: 3, downloadedBytes: 2 }); // its program began anew
  expect(balance.totals.get("s")).toEqual({ uploadedBytes: 16, downloadedBytes: 8 });
});

test("what a site owes is told within bounds", () => {
  const balance = new SiteBalance();
  balance.note("a", "even", { uploadedBytes: 101 * MIB, downloadedBytes: 100 * MIB });
  balance.note("b", "generous", { uploadedBytes: 900 * MIB, downloadedBytes: 10 * MIB });
  balance.note("d", "in debt", { uploadedBytes: MIB, downloadedBytes: 100 * MIB });
  expect(balance.debtOf("in debt")).toBe(8);
  expect(balance.debtOf("generous")).toBe(1 / 8);
  expect(balance.debtOf("unheard of")).toBe(1);
});

/** How often members of each other site are named to volunteers of site "own" in 200 answers. */
function namedSites(balance: SiteBalance): Map<string, number> {
  const own = [sampleVolunteer("asking", "own"), sampleVolunteer("neighbour", "own")];
  const large = Array.from({ length: 500 }, (_, index) => sampleVolunteer(`l${index}`, "large"));
  const small = Array.from({ length: 20 }, (_, index) => sampleVolunteer(`s${index}`, `small ${index >> 2}`));
  const rules = { isSilent: () => false, isAdmitted: () => true, random: seededRandom(1), balance };
  const named = new Map<string, number>();
  for (let answer = 0; answer < 200; answer++) {
    // As in a large swarm, where the places for other sites are few.
    const chosen = choosePeers(own[0]!, [...own, ...large, ...small], rules).filter(({ site }) => site !== "own");
    for (const { site } of chosen.slice(0, 5)) named.set(site!, (named.get(site!) ?? 0) + 1);
  }
  return named;
}

test("a large site is named no more often than a small one", () => {
  const named = namedSites(new SiteBalance());
  expect([...named.keys()].sort()).toEqual(["large", "small 0", "small 1", "small 2", "small 3", "small 4"]);
  expect(Math.max(...named.values()) / Math.min(...named.values())).toBeLessThan(1.5);
});

test("a site in debt is named more often, a generous one less, and none is left out", () => {
  const balance = new SiteBalance();
  balance.note("a", "large", { uploadedBytes: 300 * MIB, downloadedBytes: 100 * MIB });
  balance.note("b", "small 0", { uploadedBytes: 50 * MIB, downloadedBytes: 100 * MIB });
  const named = namedSites(balance);
  expect(named.get("small 0")!).toBeGreaterThan(named.get("small 1")! * 1.3);
  expect(named.get("large")!).toBeLessThan(named.get("small 1")! * 0.5);
  expect(named.get("large")!).toBeGreaterThan(0);
});
