import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { AnnounceClient } from "../../../src/edge/announce-client.ts";
import { Announcer } from "../../../src/edge/announcer.ts";
import { ArrivedContents } from "../../../src/edge/arrived-contents.ts";
import { HoldingsReporter } from "../../../src/edge/holdings-report.ts";
import type { MirrorSituation } from "../../../src/edge/mirror-situation.ts";
import { HttpClient } from "../../../src/net/http-client.ts";
import type { KnownPeer } from "../../../src/swarm/ports.ts";
import { withoutKnown } from "../../../src/tracker/told-parts.ts";
import { parseVolunteerAnnounce } from "../../../src/tracker/volunteer-announce.ts";
import { testKey } from "../../support/central-fixture.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { bundleRow, contentOf, MirrorDisk, pathOf } from "./mirror-disk.ts";

const PEER = { id: "1".repeat(40), host: "192.0.2.1", port: 7382 };

interface Tracker {
  readonly announcer: Announcer;
  readonly clock: ManualClock;
  readonly situation: MirrorSituation;
  /** Query and body of each announce. */
  readonly asked: { readonly event: string | null; readonly body: Record<string, unknown> }[];
  readonly peers: (readonly KnownPeer[])[];
  readonly news: number[];
  readonly disk: MirrorDisk;
  answer: { status: number; body: object | string };
  /** To peers. */
  connections: object[];
  /** In place of `answer`. */
  central?: (query: string, body: Uint8Array) => object;
}

/** A real announcer against a real server whose answers are set; its time stands still. */
async function tracker(): Promise<Tracker> {
  const disk = new MirrorDisk();
  const clock = new ManualClock();
  const state = {
    asked: [] as Tracker["asked"],
    answer: { status: 200, body: { interval: 60, peers: [] } },
    connections: [],
  } as Pick<Tracker, "asked" | "answer" | "central" | "connections">;
  const server = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8").on("data", (part: string) => (text += part));
    request.on("end", () => {
      const { searchParams, search } = new URL(request.url!, "http://x");
      const event = searchParams.get("event");
      state.asked.push({ event, body: JSON.parse(text) as Record<string, unknown> });
      const { status, body } = answered(state, search.slice(1), text);
      response.writeHead(status).end(typeof body === "string" ? body : JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const centralUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const http = new HttpClient();
  const peers: (readonly KnownPeer[])[] = [];
  const news: number[] = [];
  const situation: MirrorSituation = {
    load: { isSyncing: false, bytesLeft: 0, customers: 0, customerBytesLeft: 0 },
    customerBytes: 0,
    obtained: { reused: 1, delta: 1, fromPeers: 2, fromOrigin: 3 },
    customerUrl: undefined,
    isAskedByContent: false,
    centralCustomerUrl: undefined,
    customersFrom: "any",
    isOnlyRedirected: false,
    expectedMs: undefined,
    volatileQuotaBytes: undefined,
    assignment: undefined,
    pass: "",
    passKey: new Uint8Array(32),
    revoked: new Set(),
    isOpen: false,
    announcedRelease: 0,
    trustEndsMs: undefined,
    onNews: () => news.push(situation.announcedRelease),
    onChanged: () => undefined,
  };
  const key = testKey("mirror");
  const identity = { repository: "0".repeat(32), centralUrl, name: "mirror" };
  const swarm = {
    port: 7382,
    counters: { uploadedBytes: 0, receivedBytes: 0, border: { uploadedBytes: 0, downloadedBytes: 0 } },
    setPeers: (known: readonly KnownPeer[]) => peers.push(known),
    connections: () => state.connections,
  };
  const announcer = new Announcer({
    client: new AnnounceClient({ http, key, centralUrl, clock }),
    swarm: swarm as unknown as ConstructorParameters<typeof Announcer>[0]["swarm"],
    holdings: new HoldingsReporter(disk.index, { arrived: new ArrivedContents() }),
    clock,
    random: () => 1,
    log: disk.log,
    identity: identity as ConstructorParameters<typeof Announcer>[0]["identity"],
    situation,
    uploadCapacityBytesPerSecond: 500_000,
    onPass: (pass) => (situation.pass = pass),
  });
  onTestFinished(async () => {
    clock.advance(10_000);
    await announcer[Symbol.asyncDispose]();
    await http[Symbol.asyncDispose]();
    server.closeAllConnections();
    server.close();
  });
  return Object.assign(state, { announcer, clock, situation, peers, news, disk });
}

/** As central does: what it refuses is an error. */
function answered(
  { central, answer }: Pick<Tracker, "central" | "answer">,
  query: string,
  text: string,
): Tracker["answer"] {
  if (central === undefined) return answer;
  try {
    return { status: 200, body: central(query, Buffer.from(text)) };
  } catch (error) {
    return { status: 400, body: { error: { code: "bad-announce", message: String(error) } } };
  }
}

/** How many announces come because of the time that passes. */
/** Announces that arrive then, waited for as long as a busy machine may need. */
async function afterAdvancing({ clock, asked }: Tracker, ms: number): Promise<number> {
  const before = asked.length;
  clock.advance(ms);
  for (let waits = 0; waits < 40 && asked.length === before; waits++) await sleep(10);
  await sleep(20);
  return asked.length - before;
}

test("an answer is used: peers, the origin at central's address, pass, revocations, the next interval", async () => {
  const state = await tracker();
  state.answer.body = {
    interval: 60,
    peers: [PEER],
    origin: { id: "2".repeat(40), port: 7 },
    pass: "new",
    revoked: ["x"],
  };
  await state.announcer.announceNow();
  expect(state.peers[0]).toMatchObject([PEER, { id: "2".repeat(40), host: "127.0.0.1", port: 7, isOrigin: true }]);
  expect([state.situation.pass, [...state.situation.revoked]]).toEqual(["new", ["x"]]);
  expect([await afterAdvancing(state, 59_999), await afterAdvancing(state, 1)]).toEqual([0, 1]);
});

test("it says what it knows, and what an answer leaves out stays as it was", async () => {
  const state = await tracker();
  const origin = { id: "2".repeat(40), port: 7 };
  state.answer.body = { interval: 60, peers: [{ ...PEER, tag: "A" }], origin, pass: "p", revoked: ["x"], terms: "T" };
  await state.announcer.announceNow();
  state.answer.body = { interval: 60, peers: [], kept: "gA==" };
  await state.announcer.announceNow();
  state.answer.body = { interval: 60, peers: [], kept: "AA==" };
  await state.announcer.announceNow();
  expect(state.asked.map(({ body }) => body["known"])).toEqual([
    { peers: [] },
    { peers: ["A"], terms: "T" },
    { peers: ["A"], terms: "T" },
  ]);
  expect(state.peers.map((known) => known.map(({ id }) => id))).toEqual([
    [PEER.id, origin.id],
    [PEER.id, origin.id],
    [origin.id],
  ]);
  expect([state.situation.pass, [...state.situation.revoked]]).toEqual(["p", ["x"]]);
});

/** What central's own code makes of an announce, where peer 1 is there. */
function honest(query: string, body: Uint8Array): object {
  const origin = { id: "2".repeat(40), port: 7 };
  const figures = { interval: 60, release: 0, holdingsId: 1, fullHoldingsWanted: false, neighbours: 0 };
  const whole = { ...figures, peers: [PEER], terms: { origin, pass: "true", revoked: [] } };
  return withoutKnown(whole, parseVolunteerAnnounce(query, body).known, Buffer.alloc(32));
}

const OFTEN_TAGGED = Array.from({ length: 200 }, (_, number) => ({
  ...{ id: number.toString(16).padStart(40, "0"), host: "192.0.2.9", port: 1 },
}));
const tagged = (mark: string): object[] =>
  OFTEN_TAGGED.map((peer, number) => ({ ...peer, tag: `${mark}${number}`.padEnd(64, "x") }));

test.each<[string, readonly object[]]>([
  ["tags of another length", [{ peers: [{ ...PEER, tag: "x" }], terms: "y".repeat(64), pass: "false" }]],
  [
    "more and more peers",
    [{ peers: tagged("a") }, { peers: tagged("b"), kept: Buffer.alloc(25, 0xff).toString("base64") }],
  ],
  ["marks and no peers", [{ peers: [], kept: "////" }]],
  ["no answer", [{ peers: [{ ...PEER, tag: "x" }], terms: "y" }, {}]],
])("an odd answer (%s) does not make a later announce fail", async (_name, odd) => {
  const state = await tracker();
  for (const body of odd) {
    state.answer.body = { interval: 60, ...body };
    await state.announcer.announceNow();
  }
  state.central = honest;
  await state.announcer.announceNow();
  expect(state.announcer.isReachable).toBe(true);
  expect(state.peers.at(-1)!.map(({ id }) => id)).toEqual([PEER.id, "2".repeat(40)]);
  expect(state.situation.pass).toBe("true");
});

test("after an announce that failed nothing counts as known", async () => {
  const state = await tracker();
  const healthy = { interval: 60, peers: [{ ...PEER, tag: "A" }], terms: "T" };
  state.answer.body = healthy;
  await state.announcer.announceNow();
  state.answer = { status: 400, body: { error: { code: "bad-announce", message: "" } } };
  await state.announcer.announceNow();
  state.answer = { status: 200, body: healthy };
  await state.announcer.announceNow();
  expect(state.asked.map(({ body }) => body["known"])).toEqual([
    { peers: [] },
    { peers: ["A"], terms: "T" },
    { peers: [] },
  ]);
});

test("a false answer lasts ten minutes: so often everything is asked for", async () => {
  const state = await tracker();
  let tag = "";
  state.central = (query, body) => {
    const told = honest(query, body) as { terms: string };
    tag = told.terms;
    return { ...told, pass: "false", revoked: ["good"], peers: [] };
  };
  await state.announcer.announceNow();
  state.central = honest;
  const empty: boolean[] = [];
  for (let minute = 1; minute <= 20; minute++) {
    expect(await afterAdvancing(state, 60_000)).toBe(1);
    const known = state.asked.at(-1)!.body["known"] as { terms?: string };
    empty.push(known.terms !== tag);
    expect(state.situation.pass).toBe(minute < 10 ? "false" : "true");
  }
  expect(empty.flatMap((isEmpty, index) => (isEmpty ? [index + 1] : []))).toEqual([10, 20]);
  expect([...state.situation.revoked]).toEqual([]);
});

test("stock clients are let in and named as long as central says so", async () => {
  const state = await tracker();
  await state.announcer.announceNow();
  expect(state.situation.isOpen).toBe(false);
  state.answer.body = { interval: 60, peers: [], stock: [{ bundle: 3, host: "192.0.2.7", port: 6881 }] };
  await state.announcer.announceNow();
  expect(state.situation.isOpen).toBe(true);
  expect(state.peers[1]).toMatchObject([{ host: "192.0.2.7", port: 6881, isOrigin: false, isStockClient: true }]);
  expect([3, 4].map((bundle) => state.peers[1]![0]!.mayHold(bundle))).toEqual([true, false]);
  state.answer.body = { interval: 60, peers: [] };
  await state.announcer.announceNow();
  expect(state.situation.isOpen).toBe(false);
});

test("what was given since the last announce is told as a rate, beside the capacity", async () => {
  const state = await tracker();
  await state.announcer.announceNow();
  state.situation.customerBytes = 600_000;
  await afterAdvancing(state, 60_000);
  expect(state.asked.map(({ body }) => body["uploadBytesPerSecond"])).toEqual([0, 10_000]);
  expect(state.asked[0]!.body["uploadCapacityBytesPerSecond"]).toBe(500_000);
});

test("only the first announce is told as a start", async () => {
  const state = await tracker();
  await state.announcer.announceNow();
  await state.announcer.announceNow();
  await state.announcer.announceNow("completed");
  expect(state.asked.map(({ event }) => event)).toEqual(["started", null, "completed"]);
});

test("a release is news once, and only if it is newer", async () => {
  const state = await tracker();
  for (const release of [3, 3, 2, 4]) {
    state.answer.body = { interval: 60, peers: [], release };
    await state.announcer.announceNow();
  }
  expect(state.news).toEqual([3, 4]);
});

test("while bytes are on their way it announces more often", async () => {
  const state = await tracker();
  state.situation.load = { isSyncing: true, bytesLeft: 5, customers: 0, customerBytesLeft: 0 };
  await state.announcer.announceNow();
  expect(await afterAdvancing(state, 3_000)).toBe(1);
  expect(state.asked[0]?.body).toMatchObject({
    syncing: true,
    bytesLeft: 5,
    transfers: { customers: 0, reused: 1, delta: 1, peers: 2, origin: 3 },
  });
});

test("a central that asks for all holdings hears them within seconds, once in a row", async () => {
  const state = await tracker();
  state.answer.body = { interval: 60, peers: [], fullHoldingsWanted: true };
  await state.announcer.announceNow();
  expect([await afterAdvancing(state, 4_999), await afterAdvancing(state, 1)]).toEqual([0, 1]);
  expect([await afterAdvancing(state, 59_999), await afterAdvancing(state, 1)]).toEqual([0, 1]);
});

/** Past the first announces of a sync, which come quickly whatever is heard. */
async function syncing(): Promise<Tracker> {
  const state = await tracker();
  state.situation.load = { isSyncing: true, bytesLeft: 5, customers: 0, customerBytesLeft: 0 };
  state.connections = [{ peerId: "a" }, { peerId: "b" }, { peerId: "central", isOrigin: true }];
  state.answer.body = { interval: 60, peers: [PEER], release: 1 };
  await state.announcer.announceNow();
  for (const ms of [500, 1_000, 2_000]) expect(await afterAdvancing(state, ms)).toBe(1);
  return state;
}

/** At which of 12 seconds announces were made. */
async function announcedWithin12s(state: Tracker): Promise<number[]> {
  const seconds: number[] = [];
  for (let second = 3; second <= 12; second += 3) {
    if ((await afterAdvancing(state, 3_000)) > 0) seconds.push(second);
  }
  return seconds;
}

test("while the same peers stay it announces every nine seconds", async () => {
  expect(await announcedWithin12s(await syncing())).toEqual([3, 12]);
});

test("a peer that goes is a reason to announce soon", async () => {
  const state = await syncing();
  expect(await afterAdvancing(state, 3_000)).toBe(1);
  state.connections = [{ peerId: "b" }, { peerId: "central", isOrigin: true }, { peerId: "a", isStockClient: true }];
  expect(await announcedWithin12s(state)).toEqual([3, 12]);
});

test("a peer that was not named before is a reason to announce soon", async () => {
  const state = await syncing();
  state.answer.body = { interval: 60, peers: [PEER, { ...PEER, id: "22".repeat(20) }], release: 1 };
  expect(await announcedWithin12s(state)).toEqual([3, 6]);
});

test("it announces at least at central's interval", async () => {
  const state = await syncing();
  state.answer.body = { interval: 4, peers: [PEER], release: 1 };
  expect(await announcedWithin12s(state)).toEqual([3, 6, 9, 12]);
});

test.each([
  ["any", { url: "http://mirror.example" }, ["customersFrom", "onlyRedirected"]],
  ["site", { url: "http://mirror.example", customersFrom: "site" }, []],
  ["none", {}, ["url", "customersFrom"]],
  ["site", { onlyRedirected: true }, [], true],
] as const)(
  "customers from %s: told with the URL, or no URL at all",
  async (customersFrom, told, untold, isOnlyRedirected?) => {
    const state = await tracker();
    Object.assign(state.situation, {
      customerUrl: "http://mirror.example",
      customersFrom,
      isOnlyRedirected: isOnlyRedirected ?? false,
    });
    state.situation.load = { ...state.situation.load, customers: 1, customerBytesLeft: 9 };
    await state.announcer.announceNow();
    expect(state.asked[0]?.body).toMatchObject({ ...told, customers: 1, customerBytesLeft: 9 });
    expect(untold.filter((key) => key in state.asked[0]!.body)).toEqual([]);
  },
);

test("a volatile volunteer tells its quota, and keeps what it was assigned until it is told otherwise", async () => {
  const state = await tracker();
  await state.announcer.announceNow();
  expect(Object.keys(state.asked[0]!.body)).not.toContain("role");
  state.situation.volatileQuotaBytes = 5e10;
  const assignment = { release: 7, since: 5, seed: 9 };
  state.answer.body = { interval: 60, peers: [], assignment };
  await state.announcer.announceNow();
  state.answer.body = { interval: 60, peers: [] };
  await state.announcer.announceNow();
  expect(state.asked[2]?.body).toMatchObject({ role: "volatile", quota: 5e10 });
  expect(state.situation.assignment).toEqual(assignment);
});

test("an absurd interval neither storms nor silences", async () => {
  const state = await tracker();
  state.answer.body = { interval: 1e-9, peers: [] };
  await state.announcer.announceNow();
  expect(await afterAdvancing(state, 999)).toBe(0);
  state.answer.body = { interval: 1e12, peers: [] };
  await state.announcer.announceNow();
  expect(await afterAdvancing(state, 3_600_000)).toBe(1);
});

test.each([
  ["an error", 500, "broken"],
  ["no JSON", 200, "<html>"],
  ["an answer without peers", 200, { interval: 60 }],
  ["a stock client by name", 200, { interval: 60, peers: [], stock: [{ bundle: 1, host: "victim.example", port: 1 }] }],
  ["a peer with an odd port", 200, { interval: 60, peers: [{ ...PEER, port: 0 }] }],
])("%s changes nothing and is tried again with backoff, up to the interval", async (_name, status, body) => {
  const state = await tracker();
  await state.announcer.announceNow();
  state.answer = { status, body };
  await state.announcer.announceNow();
  expect([state.announcer.isReachable, state.peers.length]).toEqual([false, 1]);
  expect([await afterAdvancing(state, 4_999), await afterAdvancing(state, 1)]).toEqual([0, 1]);
  expect([await afterAdvancing(state, 9_999), await afterAdvancing(state, 1)]).toEqual([0, 1]);
  state.answer = { status: 200, body: { interval: 60, peers: [] } };
  expect(await afterAdvancing(state, 20_000)).toBe(1);
  expect(state.announcer.isReachable).toBe(true);
});

test("calls at the same time wait for each other and all arrive", async () => {
  const state = await tracker();
  await Promise.all([state.announcer.announceNow(), state.announcer.announceNow(), state.announcer.announceNow()]);
  expect(state.asked).toHaveLength(3);
});

test("its end says goodbye and leaves no timer; nothing is said after that", async () => {
  const state = await tracker();
  await state.announcer.announceNow();
  await state.announcer[Symbol.asyncDispose]();
  expect([state.asked.at(-1)?.event, state.clock.timerCount]).toEqual(["stopped", 0]);
  await state.announcer.announceNow();
  expect(state.asked).toHaveLength(2);
});

test("its end waits for no look at thousands of contents: what central knows stays as it is", async () => {
  const state = await tracker();
  await state.announcer.announceNow();
  const { index } = state.disk;
  const contents = Array.from({ length: 20_000 }, (_, each) => ({ content: contentOf(String(each)), lengthBytes: 1 }));
  const stat = { size: 1, mtimeNs: 1n, ctimeNs: 1n, ino: 1n };
  index.transaction(() => {
    index.bundles.put(bundleRow(1, contents));
    index.bundles.putContents(1, contents);
    contents.forEach(({ content }, each) => index.files.put(pathOf(String(each)), { stat, content, isVerified: true }));
  });
  const looking = state.announcer.announceNow();
  await sleep(0);
  await state.announcer[Symbol.asyncDispose]();
  await looking;
  expect(state.asked.map(({ event }) => event)).toEqual(["started", "stopped"]);
  expect(state.asked[1]!.body["holdings"]).toEqual({ base: 0, bundles: [] });
  expect(state.disk.log.lines).toEqual([]);
});

test("where customers reach central is told by it; what could not stand before a path is as if nothing was told", async () => {
  const state = await tracker();
  const told: (string | undefined)[] = [];
  for (const publicUrl of [
    "https://mirrors.example.org/debian/",
    "javascript:alert(1)",
    "http://a@b.example.org",
    "http://b.example.org/?x",
    "http://b.example.org\r\nX: y",
  ]) {
    state.answer.body = { interval: 60, peers: [], publicUrl };
    await state.announcer.announceNow();
    told.push(state.situation.centralCustomerUrl);
  }
  expect(told).toEqual(["https://mirrors.example.org/debian", undefined, undefined, undefined, undefined]);
});
