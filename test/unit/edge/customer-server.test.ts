import { hash } from "node:crypto";
import { connect } from "node:net";
import { renameSync, statSync, writeFileSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { serveCustomers } from "../../../src/edge/customer-server.ts";
import type { Mirror } from "../../../src/edge/mirror.ts";
import { signedQuery } from "../../../src/trust/redirect-signature.ts";
import type { ContentId } from "../../../src/core/content-id.ts";
import { fileStatOf } from "../../../src/store/file-stat.ts";
import { StagedTransfer } from "../../../src/edge/staged-transfer.ts";
import { randomBytesOf } from "../../support/sample-tree.ts";
import { contentOf, pathOf } from "./mirror-disk.ts";
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

async function served(
  files: Readonly<Record<string, string>>,
  isSynced = true,
  options: Pick<Parameters<typeof serveCustomers>[1], "requestRate"> & { readonly publicUrl?: string } = {},
): Promise<Served> {
  const { publicUrl, ...serving } = options;
  const central = new CentralFixture();
  for (const [path, bytes] of Object.entries(files)) central.write(path, bytes);
  await central.publish();
  await central.serve({ publicUrl });
  const fixture = new MirrorFixture(central);
  const mirror = await fixture.open();
  if (isSynced) await sync(mirror);
  const server = await serveCustomers(mirror, { host: "127.0.0.1", port: 0, ...serving });
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

test("who asks a mirror for too many files is told to wait", async () => {
  const { get } = await served({ a: "content a" }, true, { requestRate: { perSecond: 0.01, burst: 2 } });
  const statuses = [];
  for (let turn = 0; turn < 3; turn++) statuses.push((await get("/a")).status);
  expect(statuses).toEqual([200, 200, 429]);
  expect((await get("/.prsync/health")).status).toBe(200);
});

test("with ?sha256= exactly that content is given, under whatever name, or central decides", async () => {
  const { central, get } = await served({ a: "content a", b: "content b" });
  expect(await (await get(`/a?sha256=${sha256("content a")}`)).text()).toBe("content a");
  expect(await (await get(`/a?sha256=${sha256("content b")}`)).text()).toBe("content b");
  const other = await get(`/a?sha256=${sha256("content c")}`);
  expect([other.status, other.headers.get("location")]).toEqual([302, `${central.program.httpUrl}/a?origin=1`]);
  expect((await get("/a?sha256=short")).status).toBe(400);
});

test("customers go back to the URL that central tells for them, not to that of the ticket", async () => {
  const publicUrl = "https://mirrors.example.org/debian";
  const { mirror, get } = await served({ a: "content a" }, true, { publicUrl });
  expect(mirror.identity.centralUrl).not.toBe(publicUrl);
  const locationOf = async (target: string): Promise<string | null> => (await get(target)).headers.get("location");
  expect(await locationOf(`/pool/b%20c?sha256=${sha256("other")}`)).toBe(`${publicUrl}/pool/b%20c?origin=1`);
  mirror.situation.isOnlyRedirected = true;
  expect(await locationOf("/a")).toBe(`${publicUrl}/a`);
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

/** A sync has it whole, under no name yet. */
async function arrive({ arrived, staging }: Mirror, bytes: Buffer): Promise<ContentId> {
  const content = contentOf(bytes);
  const transfer = new StagedTransfer(content, staging.stage(content, bytes.length));
  const expected = { algorithm: "sha256", digest: content, paddedLength: bytes.length } as const;
  const received = [{ offset: 0, bytes: new Uint8Array(bytes) }];
  expect(await transfer.takePiece({ start: 0, lengthBytes: bytes.length, received, expected })).toBe(true);
  arrived.follow({ bundles: new Map(), transfers: new Map([[content, transfer]]) });
  return content;
}

test("what a sync has whole is given by its content, in part, by condition and as HEAD; under the name the old file stays", async () => {
  const { central, mirror, get } = await served({ a: "old" });
  const content = await arrive(mirror, Buffer.from("0123456789"));
  const asked = `/a?sha256=${content}`;
  const whole = await get(asked);
  expect([whole.status, await whole.text()]).toEqual([200, "0123456789"]);
  const [etag, digest] = [whole.headers.get("etag")!, whole.headers.get("repr-digest")];
  expect(whole.headers.get("last-modified")).toBeNull();
  expect([etag, digest]).toEqual([`"${content}"`, `sha-256=:${Buffer.from(content, "hex").toString("base64")}:`]);
  const part = await get(asked, { headers: { range: "bytes=8-", "if-range": etag } });
  expect([part.status, await part.text()]).toEqual([206, "89"]);
  expect((await get(asked, { headers: { "if-none-match": etag } })).status).toBe(304);
  const head = await get(asked, { method: "HEAD" });
  expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([200, "10", ""]);
  expect(await (await get("/a")).text()).toBe("old");
  mirror.arrived.end();
  const after = await get(asked);
  expect([after.status, after.headers.get("location")]).toEqual([302, `${central.program.httpUrl}/a?origin=1`]);
});

test("a download goes on where its content is put in place in the middle of it", async () => {
  const { mirror, get } = await served({ a: "old" });
  const bytes = randomBytesOf(1, 30_000_000);
  const content = await arrive(mirror, bytes);
  const answer = await get(`/a?sha256=${content}`);
  const reader = answer.body!.getReader();
  const parts = [(await reader.read()).value!];
  const written: (() => void)[] = [];
  using _placing = mirror.arrived.whilePlacing(() => written.splice(0).forEach((write) => write()));
  const path = pathOf("new");
  const attributes = { mode: 0o444, mtimeNs: 1_000_000_000n, keepPart: false };
  const stat = await mirror.staging.place(content, mirror.destination, { ...attributes, path });
  written.push(() => mirror.index.files.put(path, { stat, content, isVerified: true }));
  for (let next = await reader.read(); !next.done; next = await reader.read()) parts.push(next.value);
  expect(Buffer.concat(parts).equals(bytes)).toBe(true);
  expect(written).toEqual([]);
});

test("what can't be read in the staging area goes to central, and a record that can't be written keeps no one from DEST", async () => {
  const { central, fixture, mirror, get } = await served({ a: "old" });
  const content = await arrive(mirror, Buffer.from("0123456789"));
  mirror.staging.discard(content);
  const placing = mirror.arrived.whilePlacing(() => {
    throw new Error("database or disk is full");
  });
  const answer = await get(`/a?sha256=${content}`);
  expect([answer.status, answer.headers.get("location")]).toEqual([302, `${central.program.httpUrl}/a?origin=1`]);
  const path = pathOf("new");
  writeFileSync(fixture.at("new"), "0123456789");
  const stat = fileStatOf(statSync(fixture.at("new"), { bigint: true }));
  mirror.index.files.put(path, { stat, content, isVerified: true });
  const placed = await get(`/a?sha256=${content}`);
  expect([placed.status, await placed.text()]).toEqual([200, "0123456789"]);
  expect(fixture.log.lines).toContain("warn what arrived can't be read for a customer");
  placing[Symbol.dispose]();
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
