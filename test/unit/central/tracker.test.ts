import { createServer, type AddressInfo } from "node:net";
import { readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { decodeBencode } from "../../../src/codec/bencode.ts";
import { callControl } from "../../../src/net/control-client.ts";
import { VolunteerRegistry } from "../../../src/store/volunteer-registry.ts";
import { realClock } from "../../../src/net/real-clock.ts";
import { parsePass, verifyPass } from "../../../src/trust/pass.ts";
import { enrolmentMac } from "../../../src/trust/enrolment.ts";
import type { VolunteerStatus } from "../../../src/central/central-status.ts";
import { rawExchange, statusOf } from "../../support/raw-http.ts";
import { CentralFixture, jsonOf, testKey, type TestVolunteer } from "../../support/central-fixture.ts";

async function served(change: Parameters<CentralFixture["serve"]>[0] = {}): Promise<CentralFixture> {
  const fixture = new CentralFixture();
  fixture.write("hello.txt", "hello\n");
  await fixture.publish();
  await fixture.serve(change);
  return fixture;
}

/** A TCP port that accepts connections. */
async function openPort(): Promise<number> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** Announces until central found its port reachable. */
async function reachable(fixture: CentralFixture, volunteer: TestVolunteer): Promise<void> {
  await volunteer.announce({ port: await openPort() });
  await expect.poll(() => portState(fixture, volunteer.id)).toBe("reachable");
}

async function portState(fixture: CentralFixture, id: string): Promise<unknown> {
  const rows = (await (await fixture.get("/.prsync/api/v1/volunteers")).json()) as VolunteerStatus[];
  return rows.find((row) => row.id === id)?.live?.portState;
}

const control = (fixture: CentralFixture, command: string, argument: unknown = null): ReturnType<typeof callControl> =>
  callControl(join(fixture.stateDirectory, "control.sock"), { command, argument });

test("a ticket enrols one key, which may repeat it", async () => {
  const fixture = await served();
  const token = fixture.invite("gwdg", { site: "goe" });
  const key = testKey("gwdg");
  const first = await fixture.enrol(token, "gwdg", key);
  const answer = await jsonOf(first);
  expect(first.status).toBe(200);
  expect(answer).toMatchObject({ name: "gwdg", site: "goe", passKey: fixture.repository.passKey });
  const { passSigner, repositoryId } = fixture.repository;
  const expected = { repository: repositoryId, nowMs: Date.now() };
  expect(verifyPass(answer.pass, passSigner.publicKey, expected)).toMatchObject({
    volunteer: answer.volunteer,
    origin: false,
  });
  expect((await fixture.enrol(token, "gwdg", key)).status).toBe(200);
  const other = await fixture.enrol(token, "gwdg", testKey("other"));
  expect([other.status, (await jsonOf(other)).error.code]).toEqual([409, "already-enrolled"]);
});

test("a volatile volunteer is assigned the releases that fill its quota, others nothing", async () => {
  const fixture = await served();
  const publishTwo = async (...paths: string[]): Promise<void> => {
    for (const path of paths) fixture.write(path, path[0]!.repeat(300));
    await fixture.publish();
    await fixture.program.refreshNow();
  };
  await publishTwo("a", "b");
  const volunteer = await fixture.volunteer("night");
  const assigned = async (quota: number): Promise<unknown> =>
    (await volunteer.announce({ body: { role: "volatile", quota } })).json;
  const seed = Number.parseInt(volunteer.id.slice(0, 8), 16);
  expect(await assigned(600)).toMatchObject({ assignment: { release: 2, since: 2, seed } });
  expect(await assigned(601)).toMatchObject({ assignment: { release: 2, since: 1, seed } });
  // Contents above the quota do not count.
  expect(await assigned(299)).toMatchObject({ assignment: { since: 1 } });
  rmSync(`${fixture.treePath}/b`);
  await publishTwo("c");
  expect(await assigned(600)).toMatchObject({ assignment: { release: 3, since: 2 } });
  expect(await assigned(601)).toMatchObject({ assignment: { release: 3, since: 1 } });
  expect((await volunteer.announce()).json).not.toHaveProperty("assignment");
});

test("a new ticket for the same name shuts the old key out", async () => {
  const fixture = await served();
  const old = await fixture.volunteer("gwdg");
  const token = fixture.invite("gwdg", { again: true });
  expect((await fixture.enrol(token, "gwdg", testKey("new"))).status).toBe(200);
  expect((await old.announce()).json.error.code).toBe("bad-signature");
  await fixture.program.refreshNow();
  const newcomer = await fixture.volunteer("other");
  expect((await newcomer.announce()).json.revoked).toEqual([old.id]);
});

test("a key can't be enrolled under two names", async () => {
  const fixture = await served();
  await fixture.volunteer("a");
  const second = await fixture.enrol(fixture.invite("b"), "b", testKey("a"));
  expect([second.status, (await jsonOf(second)).error.code]).toEqual([409, "key-enrolled"]);
});

test("wrong tickets are refused alike", async () => {
  const fixture = await served();
  const token = fixture.invite("a");
  const key = testKey("a");
  const otherRepository = "f".repeat(32);
  const foreignMac = enrolmentMac(token, { repository: otherRepository, name: "a", publicKey: key.publicKeyText });
  const refusals = [
    await fixture.enrol(Buffer.alloc(32), "a", key),
    await fixture.enrol(token, "unknown", key),
    await fixture.enrol(token, "a", key, { mac: "" }),
    await fixture.enrol(token, "a", key, {
      repository: otherRepository,
      mac: Buffer.from(foreignMac).toString("base64"),
    }),
  ];
  expect(refusals.map(({ status }) => status)).toEqual([403, 403, 403, 403]);
  const malformed = [{ name: "../a" }, { publicKey: "x" }, { repository: 1 }, { mac: 7 }];
  const statuses = await Promise.all(
    malformed.map(async (change) => (await fixture.enrol(token, "a", key, change)).status),
  );
  expect(statuses).toEqual([400, 400, 400, 400]);
  expect((await fixture.enrol(token, "a", key)).status).toBe(200);
});

test("an announce is answered with origin, pass and release", async () => {
  const fixture = await served({ announceIntervalMs: 60_000 });
  const volunteer = await fixture.volunteer("a");
  const { status, json } = await volunteer.announce();
  expect(status).toBe(200);
  expect(json).toMatchObject({ peers: [], release: 1, revoked: [], fullHoldingsWanted: false });
  expect(json.interval).toBeGreaterThanOrEqual(54);
  expect(json.interval).toBeLessThanOrEqual(66);
  expect(json.origin.port).toBe(fixture.program.peerPort);
  expect(parsePass(json.pass).volunteer).toBe(volunteer.id);
});

test("replayed, forged and foreign announces are refused and change nothing", async () => {
  const fixture = await served();
  const volunteer = await fixture.volunteer("a");
  const other = await fixture.volunteer("b");
  const first = await volunteer.announce({ sequence: 5_000_000 });
  expect(first.status).toBe(200);
  const replay = await volunteer.announce({ sequence: 5_000_000, body: { release: 0 } });
  expect([replay.status, replay.json.error.code, replay.json.sequence]).toEqual([401, "stale-sequence", 5_000_000]);
  expect((await volunteer.announce({ sequence: 4_999_999 })).status).toBe(401);
  const forged = await volunteer.announce({ sequence: 6_000_000, signer: other.key });
  expect([forged.status, forged.json.error.code]).toEqual([401, "bad-signature"]);
  const tampered = await volunteer.announce({ sequence: 6_000_000, sentBody: "{}" });
  expect([tampered.status, tampered.json.error.code]).toEqual([401, "bad-signature"]);
  expect((await volunteer.announce({ sequence: 0 })).json.error.code).toBe("bad-signature");
  expect((await volunteer.announce({ sequence: 5_000_001 })).status).toBe(200);
});

test("announces that make no sense are refused by name", async () => {
  const fixture = await served();
  const volunteer = await fixture.volunteer("a");
  const other = await fixture.volunteer("b");
  const cases = [
    { body: { repository: "f".repeat(32) } },
    { body: { release: 2 } },
    { body: { holdings: { base: 0, complete: 2 } } },
    { body: { customers: -1 } },
    { query: `&peer_id=${"x".repeat(20)}&port=1`, port: 0 },
  ];
  volunteer.sequence = 10_000_000;
  const codes: unknown[] = [];
  for (const change of cases) codes.push((await volunteer.announce(change)).json.error.code);
  expect(codes).toEqual(cases.map(() => "bad-announce"));
  expect((await other.announce()).json.peers).toEqual([]);
});

test("peers are named once their port answered, same site or not, never revoked ones", async () => {
  const fixture = await served();
  const a = await fixture.volunteer("a", "x");
  const b = await fixture.volunteer("b", "x");
  const c = await fixture.volunteer("c");
  await reachable(fixture, a);
  await reachable(fixture, b);
  await c.announce({ port: 1 });
  await expect.poll(() => portState(fixture, c.id)).toBe("unreachable");
  const peersOf = async (volunteer: TestVolunteer): Promise<string[]> =>
    (await volunteer.announce()).json.peers.map(({ id }) => id).sort();
  expect(await peersOf(c)).toEqual([a.id, b.id].sort());
  const { json } = await c.announce();
  expect(json.peers.find((peer) => peer.id === a.id)).toMatchObject({ host: "127.0.0.1", site: "x", complete: 1 });
  expect(await control(fixture, "revoke", { name: "a" })).toEqual({
    kind: "result",
    result: { name: "a", state: "revoked" },
  });
  expect(await peersOf(c)).toEqual([b.id]);
  expect((await c.announce()).json.revoked).toEqual([a.id]);
  const shutOut = await a.announce();
  expect([shutOut.status, shutOut.json.error.code]).toEqual([403, "revoked"]);
});

test("an answer leaves out what the announce says is known: peers that stay, pass and revocations", async () => {
  const fixture = await served();
  const a = await fixture.volunteer("a");
  const b = await fixture.volunteer("b");
  await reachable(fixture, a);
  const first = (await b.announce({ body: { known: { peers: [] } } })).json;
  expect(first).toMatchObject({ peers: [{ id: a.id, complete: 1 }], kept: "", revoked: [] });
  const known = { peers: ["nobody-_", first.peers[0]!.tag], terms: first.terms };
  const second = (await b.announce({ body: { known } })).json;
  expect(second).toMatchObject({ peers: [], kept: Buffer.from([0x40]).toString("base64"), release: 1 });
  expect(Object.keys(second)).not.toEqual(expect.arrayContaining(["pass"]));
  expect(JSON.stringify(second).length).toBeLessThan(200);

  await fixture.program[Symbol.asyncDispose]();
  await fixture.serve();
  const anew = (await b.announce({ body: { known } })).json;
  expect(anew).toMatchObject({ peers: [{ id: a.id }], kept: "AA==", origin: { id: first.origin.id }, revoked: [] });
  const knownAnew = { peers: anew.peers.map(({ tag }) => tag), terms: anew.terms };
  expect((await b.announce({ body: { known: knownAnew } })).json).toMatchObject({ peers: [], kept: "gA==" });
  await a.announce({ query: "&event=stopped" });
  expect((await b.announce({ body: { known: knownAnew } })).json).toMatchObject({ peers: [], kept: "AA==" });
  await reachable(fixture, a);
  const back = (await b.announce({ body: { known: { ...knownAnew, peers: [] } } })).json;
  expect(back).toMatchObject({ peers: [{ id: a.id }], kept: "" });
  await control(fixture, "revoke", { name: "a" });
  expect((await b.announce({ body: { known: knownAnew } })).json).toMatchObject({
    ...{ peers: [], kept: "AA==", revoked: [a.id] },
  });
});

test("what an announce says is known and nobody can read is answered with everything", async () => {
  const fixture = await served();
  const a = await fixture.volunteer("a");
  const b = await fixture.volunteer("b");
  await reachable(fixture, a);
  const { peers, terms } = (await b.announce({ body: { known: { peers: [] } } })).json;
  const odd = { peers: [peers[0]!.tag, "x".repeat(65)], terms };
  const { status, json } = await b.announce({ body: { known: odd } });
  expect(status).toBe(200);
  expect(json).toMatchObject({ peers, kept: "", terms, revoked: [] });
});

test("a restart keeps enrolments, sequence numbers, peers and the origin's identity", async () => {
  const fixture = await served();
  const a = await fixture.volunteer("a");
  const b = await fixture.volunteer("b");
  const first = (await b.announce()).json;
  await reachable(fixture, a);
  const highest = a.sequence;
  await fixture.program[Symbol.asyncDispose]();
  await fixture.serve();
  const replay = await a.announce({ sequence: highest });
  expect([replay.status, replay.json.error.code, replay.json.sequence]).toEqual([401, "stale-sequence", highest]);
  const again = await b.announce({ body: { holdings: { base: first.holdingsId, bundles: [] } } });
  expect(again.json.peers).toMatchObject([{ id: a.id, complete: 1 }]);
  expect(again.json.fullHoldingsWanted).toBe(true);
  expect(again.json.origin.id).toBe(first.origin.id);
  expect((await b.announce()).json.fullHoldingsWanted).toBe(false);
});

test("secrets lie in private files and appear in no answer", async () => {
  const fixture = await served();
  const token = fixture.invite("a");
  await fixture.volunteer("b");
  const files = ["volunteers.sqlite", "origin.pem", "control.sock"];
  expect(files.map((name) => statSync(join(fixture.stateDirectory, name)).mode & 0o077)).toEqual([0, 0, 0]);
  const shown = await Promise.all(
    ["api/v1/volunteers", "api/v1/status", "status", "metrics"].map(async (path) =>
      (await fixture.get(`/.prsync/${path}`)).text(),
    ),
  );
  expect(shown.join("")).toContain('"name":"b"');
  expect(shown.join("")).not.toContain(Buffer.from(token).toString("base64").slice(0, 20));
  expect(shown.join("")).not.toMatch(/token|PRIVATE/);
});

test("the control socket drains, lists, refreshes and refuses nonsense", async () => {
  const fixture = await served();
  await fixture.volunteer("a");
  const drained = await control(fixture, "drain", { name: "a", draining: true });
  expect(drained).toEqual({ kind: "result", result: { name: "a", state: "draining" } });
  expect(await control(fixture, "volunteers")).toMatchObject({
    kind: "result",
    result: [{ name: "a", state: "draining" }],
  });
  expect(await control(fixture, "revoke", { name: "nobody" })).toMatchObject({ code: "unknown-volunteer" });
  expect(await control(fixture, "revoke", 7)).toMatchObject({ code: "bad-command" });
  fixture.write("new", "x");
  await fixture.publish();
  expect(await control(fixture, "refresh")).toEqual({ kind: "result", result: { release: 2 } });
  expect(await control(fixture, "status")).toMatchObject({ result: { release: { number: 2 }, program: "central" } });
});

test("a volunteer that said farewell was seen last when it did", async () => {
  const fixture = await served();
  const volunteer = await fixture.volunteer("a");
  await volunteer.announce();
  await expect.poll(() => Date.now() - Date.parse(lastSeenOnDisk(fixture))).toBeGreaterThan(5);
  const beforeMs = Date.now();
  await volunteer.announce({ query: "&event=stopped" });
  const [row] = (await (await fixture.get("/.prsync/api/v1/volunteers")).json()) as VolunteerStatus[];
  expect(row!.live).toBeUndefined();
  await fixture.program[Symbol.asyncDispose]();
  for (const told of [row!.lastSeen!, lastSeenOnDisk(fixture)])
    expect(Date.parse(told)).toBeGreaterThanOrEqual(beforeMs);
});

/** What is shown while no serve runs. */
function lastSeenOnDisk({ stateDirectory }: CentralFixture): string {
  using registry = VolunteerRegistry.open(stateDirectory, Date.now);
  return new Date(registry.list()[0]!.lastSeenMs!).toISOString();
}

test("a second serve of the same tree is refused", async () => {
  const fixture = await served();
  await expect(fixture.serve()).rejects.toMatchObject({ code: "serve-running" });
});

test("who announces too often is told to wait, and who is unknown is refused before a byte of the body", async () => {
  const fixture = await served();
  const volunteer = await fixture.volunteer("a");
  const statuses: number[] = [];
  for (let index = 0; index < 40; index++) statuses.push((await volunteer.announce()).status);
  expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(30);
  expect(statuses.at(-1)).toBe(429);
  const other = await fixture.volunteer("b");
  expect((await other.announce()).status).toBe(200);
  // The head promises a body that never comes.
  const head = `POST /.prsync/announce HTTP/1.1\r\nHost: x\r\nPrsync-Volunteer: ${"0".repeat(40)}\r\nPrsync-Sequence: 9\r\n`;
  const answer = await rawExchange(fixture.program.httpPort, `${head}Content-Length: 1000000\r\n\r\n`, 5_000);
  expect(statusOf(answer)).toBe(401);
});

test("without --open stock clients get a failure reason", async () => {
  const fixture = await served();
  const response = await fixture.get(
    `/.prsync/announce?info_hash=${"a".repeat(20)}&peer_id=${"b".repeat(20)}&port=1&left=0`,
  );
  expect(response.status).toBe(200);
  expect(decodeBencode(await response.bytes())).toBeInstanceOf(Map);
});

test("with --open a stock client finds the origin and other clients by the .torrent", async () => {
  const fixture = await served({ allowStockClients: true });
  const status = await fixture.get("/.prsync/api/v1/status").then((response) => response.json());
  const infoHash = firstInfoHash(fixture);
  expect(status).toMatchObject({ release: { number: 1 }, bundles: [{ number: 1, infoHash }] });
  expect(await (await fixture.get("/.prsync/status")).text()).toContain(`"/.prsync/torrents/${infoHash}.torrent"`);
  const torrent = decodeBencode(await (await fixture.get(`/.prsync/torrents/${infoHash}.torrent`)).bytes()) as Map<
    string,
    Uint8Array
  >;
  expect(Buffer.from(torrent.get("announce")!).toString()).toBe(`${fixture.program.httpUrl}/.prsync/announce`);
  const query = (port: number): string =>
    `/.prsync/announce?info_hash=${infoHash.replace(/../g, "%$&")}&peer_id=${"b".repeat(20)}&port=${port}&left=1`;
  await fixture.get(query(1111));
  const answer = decodeBencode(await (await fixture.get(query(2222))).bytes()) as Map<string, Uint8Array>;
  const compact = (port: number): number[] => [127, 0, 0, 1, port >> 8, port & 0xff];
  expect([...answer.get("peers")!]).toEqual([...compact(fixture.program.peerPort), ...compact(1111)]);
  expect([answer.get("complete"), answer.get("incomplete"), answer.get("interval")]).toEqual([1, 2, 1800]);
  const unknown = await fixture.get(query(1).replace(/%../, "%00"));
  expect(Buffer.from(await unknown.bytes()).toString()).toMatch(/^d14:failure reason/);
});

function firstInfoHash(fixture: CentralFixture): string {
  const [name] = (fixture.tree.bundleNumbers() as Map<number, string>).values();
  return name!;
}

test("metadata comes by name with fitting caching", async () => {
  const fixture = await served();
  const timestamp = await fixture.get("/.prsync/tuf/timestamp.json");
  expect([timestamp.status, timestamp.headers.get("cache-control")]).toEqual([200, "no-cache"]);
  const onDisk = readFileSync(join(fixture.stateDirectory, "tuf/timestamp.json"));
  expect(Buffer.from(await timestamp.bytes())).toEqual(onDisk);
  const { index, bundles } = fixture.tree.release!;
  const statuses = await Promise.all(
    [
      "tuf/1.root.json",
      `objects/${index.sha256}`,
      `objects/${bundles.sha256}`,
      `objects/${"0".repeat(64)}`,
      "tuf/99.root.json",
      "contents/5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
      "signatures/5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
    ].map(async (name) => (await fixture.get(`/.prsync/${name}`)).status),
  );
  expect(statuses).toEqual([200, 200, 200, 404, 404, 200, 404]);
  const part = await fixture.get("/.prsync/contents/5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03", {
    range: "bytes=1-2",
  });
  expect([part.status, await part.text(), part.headers.get("cache-control")]).toEqual([
    206,
    "el",
    "public, max-age=31536000, immutable",
  ]);
});

test("events tell the release at once and each new one, by the poll alone", async () => {
  const fixture = await served({ refreshIntervalMs: 50 });
  const response = await fixture.get("/.prsync/events");
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const first = (await reader.read()).value!;
  expect(first).toMatch(/^event: release\ndata: \{"release":1,"timestamp":"[A-Za-z0-9+/=]+","spreadMs":0\}\n\n$/);
  fixture.write("new", "x");
  await fixture.publish();
  const second = (await reader.read()).value!;
  const data = JSON.parse(/data: (.*)\n/.exec(second)![1]!) as { release: number; timestamp: string; spreadMs: number };
  expect([data.release, data.spreadMs]).toEqual([2, 20]);
  const onDisk = readFileSync(join(fixture.stateDirectory, "tuf/timestamp.json"));
  expect(Buffer.from(data.timestamp, "base64")).toEqual(onDisk);
  await fixture.program[Symbol.asyncDispose]();
  expect((await reader.read()).done).toBe(true);
});

test("the end comes within 5 s, with an open event stream and a stalled customer", async () => {
  const fixture = await served();
  fixture.write("big", Buffer.alloc(40_000_000));
  await fixture.publish();
  await fixture.program.refreshNow();
  await fixture.get("/.prsync/events");
  const stalled = await fixture.get("/big");
  const started = performance.now();
  await fixture.program[Symbol.asyncDispose]();
  expect(performance.now() - started).toBeLessThan(5_000);
  await stalled.body?.cancel().catch(() => undefined);
});

test("--watch publishes when the tree is quiet", async () => {
  const fixture = new CentralFixture();
  fixture.write("a", "a");
  await fixture.publish();
  const publish = (): Promise<void> => fixture.publish();
  await fixture.serve({ watch: { quietMs: 100, latestMs: 2_000 }, refreshIntervalMs: 60_000 }, { publish });
  fixture.write("b", "b");
  await expect.poll(() => fixture.get("/b").then(({ status }) => status), { timeout: 10_000 }).toBe(200);
});

test("metadata that can't be renewed is told and does not stop the server", async () => {
  const fixture = new CentralFixture();
  fixture.write("a", "a");
  await fixture.publish();
  const { TufRepository } = await import("../../../src/publisher/tuf-repository.ts");
  const real = await TufRepository.openOrCreate(fixture.stateDirectory, realClock);
  const authority = {
    repositoryId: real.repositoryId,
    passSigner: real.passSigner,
    renewIfDue: () => Promise.reject(new Error("disk <full>")),
  };
  await fixture.serve({}, { authority });
  expect((await fixture.get("/a")).status).toBe(200);
  expect(await (await fixture.get("/.prsync/status")).text()).toContain("disk &lt;full&gt;");
});
