import { expect, test } from "vitest";
import { explained, mirror, PATIENCE, served, whoServes } from "../../support/redirecting-central.ts";

test("a list of mirrors names all that could serve the file, a metalink the best four", async () => {
  const fixture = await served();
  for (let index = 0; index < 7; index++) await mirror(fixture, `m${index}`);
  await mirror(fixture, "elsewhere", { site: "mars", customersFrom: "site" });
  await expect.poll(async () => (await explained(fixture, "/a.iso")).ranked.length, PATIENCE).toBe(7);
  const named = async (path: string): Promise<number> =>
    new Set((await (await fixture.get(path)).text()).match(/127\.0\.0\.1:1\/\w+/g)).size;
  expect([await named("/a.iso.mirrorlist"), await named("/a.iso.meta4")]).toEqual([7, 4]);
});

test("who gets a metalink downloads from its first mirror: that one counts as busier, after a look by HEAD it does not", async () => {
  const fixture = await served();
  await mirror(fixture, "one", { uploadCapacityBytesPerSecond: 10_000 });
  await expect.poll(async () => (await explained(fixture, "/a.iso")).ranked[0]?.waitSeconds, PATIENCE).toBe(5);
  await fetch(`${fixture.program.httpUrl}/a.iso.meta4`, { method: "HEAD" });
  await (await fixture.get("/a.iso.sha256")).text();
  expect((await explained(fixture, "/a.iso")).ranked[0]!.waitSeconds).toBeLessThanOrEqual(5);
  await (await fixture.get("/a.iso.meta4")).text();
  expect((await explained(fixture, "/a.iso")).ranked[0]!.waitSeconds).toBeGreaterThan(8);
});

test("mirrors without TLS are of no use to an https central: the operator is told", async () => {
  const fixture = await served({ publicUrl: "https://central.example.org" });
  await mirror(fixture, "plain");
  const reason = async (): Promise<unknown> => (await explained(fixture, "/a.iso")).rejected[0]?.reason;
  await expect.poll(reason, PATIENCE).toBe("other-protocol");
  await expect.poll(() => fixture.logged.filter((line) => line.includes("begin with http:")).length, PATIENCE).toBe(1);
  expect(fixture.program.status().warnings.join()).toContain("central serves all customers itself");
  await mirror(fixture, "secure", { url: "https://127.0.0.1" });
  await expect.poll(() => fixture.program.status().warnings, PATIENCE).toEqual([]);
});

test("a trusted proxy's word on the protocol goes before the public URL, so there is nothing to warn of", async () => {
  const fixture = await served({ publicUrl: "https://central.example.org", trustedProxies: ["127.0.0.1"] });
  await mirror(fixture, "plain");
  await expect
    .poll(async () => (await explained(fixture, "/a.iso")).rejected[0]?.reason, PATIENCE)
    .toBe("other-protocol");
  const proxied = (protocol: string): Promise<string> =>
    whoServes(fixture, "/a.iso", { "x-forwarded-proto": protocol, "x-forwarded-for": "127.0.0.1" });
  expect([await proxied("http"), await proxied("https")]).toEqual(["plain", "origin"]);
  expect(fixture.program.status().warnings).toEqual([]);
});

test("a list of mirrors costs what it weighs, also if it names nobody", async () => {
  const fixture = await served({ requestRate: { perSecond: 0.001, burst: 8 } });
  // Each list counts two more than itself.
  for (let index = 0; index < 20; index++) await mirror(fixture, `m${index}`, { customersFrom: "site", site: "mars" });
  await expect.poll(async () => fixture.program.status().volunteers.current, PATIENCE).toBe(20);
  const statuses = [];
  for (let turn = 0; turn < 5; turn++) statuses.push((await fixture.get("/a.iso.mirrorlist")).status);
  expect(statuses).toEqual([200, 200, 200, 429, 429]);
});
