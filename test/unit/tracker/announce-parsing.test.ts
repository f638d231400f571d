import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeBencode } from "../../../src/codec/bencode.ts";
import { TrackerError } from "../../../src/tracker/errors.ts";
import { encodeStockAnswer, encodeStockFailure, parseStockAnnounce } from "../../../src/tracker/stock-announce.ts";
import { parseVolunteerAnnounce } from "../../../src/tracker/volunteer-announce.ts";

const peerId = "%12%34%56%78%9a%bc%de%f1%23%45%67%89%ab%cd%ef%12%34%56%78%9a";
const query = `peer_id=${peerId}&port=7382&uploaded=1&downloaded=2&left=3&event=started`;
const body = {
  repository: "0123456789abcdef0123456789abcdef",
  release: 7,
  syncing: true,
  bytesLeft: 100,
  customers: 2,
  uploadBytesPerSecond: 5,
  uploadCapacityBytesPerSecond: 0,
  site: "Göttingen",
  url: "http://mirror.example:7381/",
  holdings: {
    base: 0,
    bundles: [
      { number: 1, have: "all" },
      { number: 2, have: "gAA=" },
    ],
  },
};

const parse = (change: object = {}, text = query): ReturnType<typeof parseVolunteerAnnounce> =>
  parseVolunteerAnnounce(text, Buffer.from(JSON.stringify({ ...body, ...change })));

test("an announce of a volunteer is read in full", () => {
  expect(parse({ later: [{ a: 1 }] })).toEqual({
    peerId: "123456789abcdef123456789abcdef123456789a",
    port: 7382,
    uploadedBytes: 1,
    downloadedBytes: 2,
    leftBytes: 3,
    event: "started",
    repository: body.repository,
    release: 7,
    isSyncing: true,
    bytesLeft: 100,
    customers: 2,
    customerBytesLeft: 0,
    uploadBytesPerSecond: 5,
    uploadCapacityBytesPerSecond: 0,
    site: "Göttingen",
    url: "http://mirror.example:7381",
    customersFrom: "any",
    isOnlyRedirected: false,
    volatileQuotaBytes: undefined,
    isByName: false,
    expectedMs: undefined,
    holdings: {
      base: 0,
      completeRelease: undefined,
      bundles: new Map<number, unknown>([
        [1, "all"],
        [2, new Uint8Array([0x80, 0])],
      ]),
    },
  });
});

test("a volunteer tells what it gave and where its contents came from", () => {
  expect(parse({ transfers: { customers: 4, reused: 5, delta: 2, peers: 6, origin: 7 } }).transfers).toEqual({
    swarmBytes: 1,
    customerBytes: 4,
    reusedBytes: 5,
    deltaBytes: 2,
    peerBytes: 6,
    originBytes: 7,
  });
  expect(
    parse({ transfers: { customers: 4, reused: 5, delta: 1e15, peers: 6, origin: 7 } }).transfers?.deltaBytes,
  ).toBe(5);
  // As told before `delta` was.
  expect(parse({ transfers: { customers: 4, reused: 5, peers: 6, origin: 7 } }).transfers?.deltaBytes).toBe(0);
  expect(parse({}).transfers).toBeUndefined();
});

test("a volunteer tells whose customers it takes and what it owes them", () => {
  expect(parse({ customersFrom: "site", customerBytesLeft: 7, onlyRedirected: true, expect: 3600 })).toMatchObject({
    customersFrom: "site",
    customerBytesLeft: 7,
    isOnlyRedirected: true,
    expectedMs: 3_600_000,
  });
});

test("a volunteer tells that a web server serves its customers by name; one that comes and goes has such a one", () => {
  expect([{}, { byName: true }, { expect: 3600 }].map((change) => parse(change).isByName)).toEqual([false, true, true]);
});

test("a volatile volunteer tells its quota; a role of a later version is none", () => {
  expect(parse({ role: "volatile", quota: 50e9 }).volatileQuotaBytes).toBe(50e9);
  expect(parse({ role: "archive", quota: 50e9 }).volatileQuotaBytes).toBeUndefined();
  expect(parse({ role: "volatile" }).volatileQuotaBytes).toBeUndefined();
});

test.each([
  ["a quota of nothing", { role: "volatile", quota: 0 }],
  ["customers from elsewhere", { customersFrom: "nobody" }],
  ["a sync in a year", { expect: 365 * 86_400 }],
  ["negative figure", { customers: -1 }],
  ["fraction", { bytesLeft: 0.5 }],
  ["unsafe integer", { uploadBytesPerSecond: 2 ** 53 }],
  ["site with a line break", { site: "a\nb" }],
  ["long site", { site: "x".repeat(65) }],
  ["url of another scheme", { url: "javascript:alert(1)" }],
  ["url with a user", { url: "http://a@b/" }],
  ["url with a query", { url: "http://b/?x" }],
  ["holdings of both kinds", { holdings: { base: 0, complete: 1, bundles: [] } }],
  ["holdings of no kind", { holdings: { base: 0 } }],
  ["a bundle twice", { holdings: { base: 0, bundles: Array(2).fill({ number: 1, have: "all" }) } }],
  ["too many bundles", { holdings: { base: 0, bundles: Array(10_001).fill({ number: 1, have: "all" }) } }],
  ["a bitmap that is no base64", { holdings: { base: 0, bundles: [{ number: 1, have: "*" }] } }],
  ["a bitmap too long", { holdings: { base: 0, bundles: [{ number: 1, have: "A".repeat(5468) }] } }],
  ["another repository form", { repository: "x" }],
  ["missing key", { syncing: undefined }],
  ["a body above 1 MiB", { filler: "x".repeat(1024 * 1024) }],
])("an announce with %s is refused", (_name, change) => {
  expect(() => parse(change)).toThrow(TrackerError);
});

test.each([
  ["", "no query"],
  [query.replace("7382", "0"), "port 0"],
  [query.replace("7382", "65536"), "a port too large"],
  [query.replace("7382", "0x50"), "a port in hex"],
  [query.replace("%12", ""), "19 bytes of peer id"],
  [query.replace("%12", "%1"), "a broken escape"],
  [query.replace("left=3", "left=9007199254740993"), "an unsafe length"],
  [`${query}&x=${"x".repeat(5000)}`, "a long query"],
])("query %s is refused: %s", (text) => {
  expect(() => parse({}, text)).toThrow(TrackerError);
});

test.each([
  ["one that is left out", undefined, undefined],
  [
    "tags of another length",
    { peers: ["x", "y".repeat(64)], terms: "z" },
    { peers: ["x", "y".repeat(64)], terms: "z" },
  ],
  ["an empty tag", { peers: ["x", ""], terms: "z" }, { peers: [] }],
  ["a tag that is too long", { peers: ["x".repeat(65)] }, { peers: [] }],
  ["a tag that is none", { peers: [7] }, { peers: [] }],
  ["too many tags", { peers: Array(250).fill("x"), terms: "z" }, { peers: Array(200).fill("x"), terms: "z" }],
  ["too many, the rest of them odd", { peers: [...Array<string>(200).fill("x"), 7] }, { peers: Array(200).fill("x") }],
  ["odd terms", { peers: ["x"], terms: 7 }, { peers: [] }],
  ["no object", "x", { peers: [] }],
  ["null", null, { peers: [] }],
])("what is known costs no announce: %s", (_name, known, read) => {
  expect(parse({ known }).known).toEqual(read);
});

test("inherited names are no fields", () => {
  expect(() => parseVolunteerAnnounce(query, Buffer.from(`{"__proto__": ${JSON.stringify(body)}}`))).toThrow(
    TrackerError,
  );
});

test("random bodies throw TrackerError alone", () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
      try {
        parseVolunteerAnnounce(query, Buffer.from(text));
        return false;
      } catch (error) {
        return error instanceof TrackerError;
      }
    }),
  );
});

test("a stock announce is read, its ip ignored, numwant capped", () => {
  const announce = parseStockAnnounce(`${query}&info_hash=${"%FF".repeat(20)}&ip=192.0.2.1&numwant=4294967295`);
  expect(announce).toMatchObject({ infoHash: "ff".repeat(20), wanted: 50, isCompact: true, leftBytes: 3 });
  expect(announce).not.toHaveProperty("ip");
  expect(parseStockAnnounce(`${query}&info_hash=${"a".repeat(20)}&numwant=0&compact=0`)).toMatchObject({
    wanted: 0,
    isCompact: false,
  });
});

test("compact peers are packed as BEP 23 and BEP 7 have it", () => {
  const peers = [
    { host: "192.0.2.1", port: 6881 },
    { host: "2001:db8::1", port: 80 },
    { host: "host.example", port: 1 },
  ];
  const answer = { intervalSeconds: 1800, seeds: 1, leechers: 2, peers, isCompact: true };
  expect(decodeBencode(encodeStockAnswer(answer))).toEqual(
    new Map<string, unknown>([
      ["complete", 1],
      ["incomplete", 2],
      ["interval", 1800],
      ["peers", Buffer.from([192, 0, 2, 1, 0x1a, 0xe1])],
      ["peers6", Buffer.from("20010db80000000000000000000000010050", "hex")],
    ]),
  );
  expect(Buffer.from(encodeStockAnswer({ ...answer, peers: peers.slice(0, 1), isCompact: false })).toString()).toBe(
    "d8:completei1e10:incompletei2e8:intervali1800e5:peersld2:ip9:192.0.2.14:porti6881eeee",
  );
  expect(Buffer.from(encodeStockFailure("no")).toString()).toBe("d14:failure reason2:noe");
});
