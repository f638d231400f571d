import { renameSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { ServeOptions } from "../../../src/central/serve-options.ts";
import { CentralFixture, type TestVolunteer } from "../../support/central-fixture.ts";

/** Until the list of volunteers is brought up to date; machines may be busy. */
const PATIENCE = { timeout: 20_000 };
const [A, B] = ["a".repeat(50_000), "b".repeat(30_000)];

/** One release; central looks for another only when it is told to. */
async function served(change: Partial<ServeOptions> = {}): Promise<CentralFixture> {
  const fixture = new CentralFixture();
  fixture.write("a.iso", A);
  fixture.write("b.iso", B);
  fixture.symlink("latest", "a.iso");
  await fixture.publish();
  await fixture.serve({ refreshIntervalMs: 3_600_000, ...change });
  return fixture;
}

/** Announces that customers find it behind a web server. */
async function webServer(fixture: CentralFixture, name: string, body: object = {}): Promise<TestVolunteer> {
  const volunteer = await fixture.volunteer(name);
  await tell(volunteer, { url: `http://127.0.0.1:1/${name}`, byName: true, ...body });
  return volunteer;
}

async function tell(volunteer: TestVolunteer, body: object): Promise<void> {
  expect((await volunteer.announce({ body })).status).toBe(200);
}

/** Each asks as a customer of its own would. */
async function placeFor(fixture: CentralFixture, path: string): Promise<string | number> {
  const range = `bytes=${Math.floor(Math.random() * 10_000)}-`;
  const response = await fixture.get(path, { range });
  await response.bytes();
  return response.headers.get("location")?.split("?")[0] ?? response.status;
}

async function reasonFor(fixture: CentralFixture, path: string): Promise<string | undefined> {
  const { ranked, rejected } = (await (await fixture.get(`${path}?explain=json`)).json()) as {
    readonly ranked: readonly { readonly name: string }[];
    readonly rejected: readonly { readonly reason: string }[];
  };
  return ranked[0]?.name ?? rejected[0]?.reason;
}

test("a web server by name serves the release that it shows, from the moment on at which there is no newer one", async () => {
  const fixture = await served();
  await webServer(fixture, "nginx");
  for (const path of ["/a.iso", "/latest"])
    await expect.poll(() => placeFor(fixture, path), PATIENCE).toBe(`http://127.0.0.1:1/nginx${path}`);
  renameSync(join(fixture.treePath, "a.iso"), join(fixture.treePath, "c.iso"));
  fixture.symlink("a.iso", "b.iso");
  await fixture.publish();
  // Central has not looked for the release yet, and shows it all the same: nginx has no c.iso, and other bytes at a.iso.
  for (const path of ["/c.iso", "/a.iso", "/b.iso"]) {
    expect(await placeFor(fixture, path)).toBe(206);
    expect(await reasonFor(fixture, path)).toBe("older-release");
  }
});

test("it gets nobody while its files change, and everybody when they are in place", async () => {
  const fixture = await served();
  const volunteer = await webServer(fixture, "nginx", { syncing: true });
  const url = "http://127.0.0.1:1/nginx";
  await expect.poll(() => reasonFor(fixture, "/a.iso"), PATIENCE).toBe("synchronising");
  await tell(volunteer, { url, byName: true });
  await expect.poll(() => reasonFor(fixture, "/a.iso"), PATIENCE).toBe("nginx");
});

test("behind a symlink only one that shows the whole release is asked, others that hold the content may lack the link", async () => {
  const fixture = await served();
  const [bundle] = [...fixture.tree.bundleNumbers().keys()];
  const holdings = { base: 0, bundles: [{ number: bundle, have: "all" }] };
  const volunteer = await webServer(fixture, "nginx", { holdings });
  await expect.poll(() => reasonFor(fixture, "/a.iso"), PATIENCE).toBe("nginx");
  expect(await reasonFor(fixture, "/latest")).toBe("not-held");
  await tell(volunteer, { url: "http://127.0.0.1:1/nginx", holdings });
  await expect.poll(() => reasonFor(fixture, "/latest"), PATIENCE).toBe("nginx");
});
