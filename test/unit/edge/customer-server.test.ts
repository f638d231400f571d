import { hash } from "node:crypto";
import { connect } from "node:net";
import { renameSync, writeFileSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { serveCustomers } from "../../../src/edge/customer-server.ts";
import type { Mirror } from "../../../src/edge/mirror.ts";
import { signedQuery } from "../../../src/trust/redirect-signature.ts";
import { rawExchange, statusOf } from "../../support/raw-http.ts";
import { CentralFixture } from "../../support/central-fixture.ts";
import { MirrorFixture, sync } from "./mirror-fixture.ts";

interface Served {
  readonly central: CentralFixture;
  readonly fixture: MirrorFixture;
  readonly mirror: Mirror;
  readonly get: (target: string, init?: RequestInit) => Promise<Response>;
  readonly port: number;
}

async function served(files: Readonly<Record<string, string>>, isSynced = true): Promise<Served> {
  const central = new CentralFixture();
  for (const [path, bytes] of Object.entries(files)) central.write(path, bytes);
  await central.publish();
  await central.serve();
  const fixture = new MirrorFixture(central);
  const mirror = await fixture.open();
  if (isSynced) await sync(mirror);
  const server = await serveCustomers(mirror, { host: "127.0.0.1", port: 0 });
  onTestFinished(async () => server[Symbol.asyncDispose]());
  const get = (target: string, init: RequestInit = {}): Promise<Response> =>
    fetch(server.url + target, { redirect: "manual", ...init });
  return { central, fixture, mirror, get, port: server.port };
}

function sha256(text: string): string {
  return hash("sha256", text, "hex");
}

test("a held file is given with its digest, whole and in part, HEAD without bytes", async () => {
  const { get } = await served({ "pool/a.deb": "0123456789" });
  const whole = await get("/pool/a.deb");
  expect([whole.status, await whole.text()]).toEqual([200, "0123456789"]);
  expect(whole.headers.get("repr-digest")).toBe(`sha-256=:${hash("sha256", "0123456789", "base64")}:`);
  const part = await get("/pool/a.deb", { headers: { range: "bytes=2-4" } });
  expect([part.status, await part.text()]).toEqual([206, "234"]);
  const head = await get("/pool/a.deb", { method: "HEAD" });
  expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([200, "10", ""]);
});

test("with ?sha256= exactly that content is given, under whatever name, or central decides", async () => {
  const { central, get } = await served({ a: "content a", b: "content b" });
  expect(await (await get(`/a?sha256=${sha256("content a")}`)).text()).toBe("content a");
  expect(await (await get(`/a?sha256=${sha256("content b")}`)).text()).toBe("content b");
  const other = await get(`/a?sha256=${sha256("content c")}`);
  expect([other.status, other.headers.get("location")]).toEqual([302, `${central.program.httpUrl}/a?origin=1`]);
  expect((await get("/a?sha256=short")).status).toBe(400);
});

test("a file that changed on disk is not given: central has the right bytes, and is asked no second time", async () => {
  const { central, fixture, get } = await served({ a: "before" });
  writeFileSync(fixture.at("new"), "behind");
  renameSync(fixture.at("new"), fixture.at("a"));
  const answer = await get("/a");
  const location = answer.headers.get("location")!;
  expect([answer.status, location]).toEqual([302, `${central.program.httpUrl}/a?origin=1`]);
  const from = await fetch(location, { redirect: "manual" });
  expect([from.status, await from.text()]).toEqual([200, "before"]);
});

test("while a release is put in place nobody gets new bytes for the old release or old ones for the new", async () => {
  const { central, mirror, get } = await served({ a: "old" });
  central.write("a", "new");
  await central.publish();
  await central.program.refreshNow();
  const seen = new Set<string>();
  let isDone = false;
  const asking = (async () => {
    while (!isDone) {
      const answer = await get(`/a?sha256=${sha256("old")}`);
      seen.add(answer.status === 200 ? await answer.text() : String(answer.status));
    }
  })();
  await sync(mirror);
  isDone = true;
  await asking;
  expect([...seen].filter((what) => what !== "old" && what !== "302")).toEqual([]);
  expect(await (await get("/a")).text()).toBe("new");
});

test("odd names are found byte for byte, an encoded question mark goes to central as it came", async () => {
  const { central, get } = await served({ "what?": "question", "a b%": "odd" });
  expect(await (await get("/what%3F")).text()).toBe("question");
  expect(await (await get("/a%20b%25")).text()).toBe("odd");
  const missing = await get("/gone%3Fsha256=1?x=1");
  expect(missing.headers.get("location")).toBe(`${central.program.httpUrl}/gone%3Fsha256=1?origin=1`);
});

test("what no release can hold is refused, our own names lead nowhere", async () => {
  const { get, port } = await served({ a: "a" });
  // As it is: fetch would resolve it.
  const request = "GET /%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  expect(statusOf(await rawExchange(port, request))).toBe(400);
  expect((await get("/a%00")).status).toBe(400);
  expect((await get("/.prsync/index.sqlite")).status).toBe(404);
  expect((await get("/%2Eprsync/index.sqlite")).status).toBe(404);
});

test("a listing shows what lies right in a directory, nothing deeper and nothing of ours", async () => {
  const { get } = await served({ "dir/a": "a", "dir/sub/b": "b", "dir-x": "x", z: "z" });
  const links = async (target: string): Promise<string[]> =>
    [...(await (await get(target)).text()).matchAll(/href="([^"]*)"/g)].map(([, link]) => link!);
  expect(await links("/")).toEqual(["./dir/", "./dir-x", "./z"]);
  expect(await links("/dir/")).toEqual(["../", "./a", "./sub/"]);
  const moved = await get("/dir");
  expect([moved.status, moved.headers.get("location")]).toEqual([301, "./dir/"]);
});

test("a mirror that takes no customers sends whoever comes to central", async () => {
  const { central, mirror, get } = await served({ a: "a" });
  mirror.situation.customersFrom = "none";
  expect((await get("/a")).headers.get("location")).toBe(`${central.program.httpUrl}/a?origin=1`);
});

test("only with central's signature: others are sent to be chosen for, and who can't be admitted is served by central", async () => {
  const { central, mirror, get } = await served({ a: "content a", b: "content b" });
  mirror.situation.isOnlyRedirected = true;
  const { repository, volunteer } = mirror.identity;
  const content = sha256("content a");
  const soon = Math.floor(Date.now() / 1000) + 60;
  const query = (change: object, until: number): string =>
    signedQuery(central.repository.passSigner, { repository, volunteer, content, ...change }, until);
  const signed = await get(`/a?sha256=${content}&${query({}, soon)}`, { headers: { range: "bytes=8-" } });
  expect([signed.status, await signed.text()]).toEqual([206, "a"]);
  const locationOf = async (target: string): Promise<string | null> => (await get(target)).headers.get("location");
  const url = central.program.httpUrl;
  for (const own of ["/a", "/", "/a?origin=1", `/a?${query({}, soon)}`])
    expect(await locationOf(own)).toBe(`${url}${own.split("?")[0]}`);
  for (const refused of [
    `/a?sha256=${content}`,
    `/a?sha256=${content}&${query({}, soon - 120)}`,
    `/a?sha256=${content}&${query({ volunteer: "0".repeat(40) }, soon)}`,
    `/b?sha256=${sha256("content b")}&${query({}, soon)}`,
  ])
    expect(await locationOf(refused)).toBe(`${url}${refused.split("?")[0]}?origin=1`);
});

test("what customers are owed is told to central, and is nothing once they went away", async () => {
  const { mirror, port } = await served({ large: "x".repeat(50_000_000) });
  const { promise: isOpen, resolve } = Promise.withResolvers<void>();
  const socket = connect(port, "127.0.0.1", () => socket.write("GET /large HTTP/1.1\r\nHost: x\r\n\r\n"));
  socket.once("data", () => {
    socket.pause();
    resolve();
  });
  await isOpen;
  const { customers, customerBytesLeft } = mirror.situation.load;
  expect(customers).toBe(1);
  expect(customerBytesLeft).toBeGreaterThan(10_000_000);
  expect(customerBytesLeft).toBeLessThan(50_000_000);
  socket.destroy();
  await expect
    .poll(() => mirror.situation.load, { timeout: 20_000 })
    .toMatchObject({ customers: 0, customerBytesLeft: 0 });
});

test("before the first release everything is central's, and the mirror is not ready", async () => {
  const { central, get } = await served({ a: "a" }, false);
  expect((await get("/a")).headers.get("location")).toBe(`${central.program.httpUrl}/a?origin=1`);
  expect([(await get("/.prsync/health")).status, (await get("/.prsync/ready")).status]).toEqual([200, 503]);
});
