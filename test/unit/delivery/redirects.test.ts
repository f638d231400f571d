import { createHash } from "node:crypto";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type ContentId, contentIdOf } from "../../../src/core/content-id.ts";
import { repoPathFromByteString } from "../../../src/core/repo-path.ts";
import { parseCustomerRequest } from "../../../src/delivery/customer-request.ts";
import { ExpiringMap } from "../../../src/delivery/expiring-map.ts";
import { type AskedContent, RecentRequests } from "../../../src/delivery/recent-requests.ts";
import { redirectHeaders, redirectTarget } from "../../../src/delivery/redirect-answer.ts";
import { type SuspectedFailure, SuspectedFailures } from "../../../src/delivery/suspected-failures.ts";
import { PlainRequestReader } from "../../../src/net/plain-request.ts";

const contentOf = (bytes: string): ContentId => contentIdOf(createHash("sha256").update(bytes).digest());
const CONTENT = contentOf("hello\n");
/** A whole file, by a connection of which nothing is known. */
const PLAIN = { range: undefined, port: 0, agent: undefined } as const;

test("a redirect names the chosen place, the next best and the digest", () => {
  const places = [{ url: "http://a.example.org/mirror" }, { url: "http://b.example.org:7381" }];
  const headers = redirectHeaders(places, redirectTarget(repoPathFromByteString("pool/a b.deb"), CONTENT));
  expect(headers).toEqual({
    Location: `http://a.example.org/mirror/pool/a%20b.deb?sha256=${CONTENT}`,
    Link:
      `<http://a.example.org/mirror/pool/a%20b.deb?sha256=${CONTENT}>; rel=duplicate; pri=1, ` +
      `<http://b.example.org:7381/pool/a%20b.deb?sha256=${CONTENT}>; rel=duplicate; pri=2`,
    Digest: "SHA-256=WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM=",
    "Cache-Control": "no-store",
    Vary: "Accept",
    "Content-Length": "0",
  });
});

test("whatever the name, a redirect keeps its host, has no odd byte, and asks for the same path and content", () => {
  const byte = fc.integer({ min: 1, max: 255 }).filter((unit) => unit !== 0x2f);
  const part = fc
    .array(byte, { minLength: 1, maxLength: 12 })
    .map((units) => String.fromCharCode(...units))
    .filter((text) => text !== "." && text !== "..");
  const hostile = fc.constantFrom("\\evil.example", "%2e%2e", "a\r\nSet-Cookie: x", "?x", "#x", "@evil.example");
  const parts = fc.array(fc.oneof(part, hostile), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(parts, (names) => {
      const path = repoPathFromByteString(names.join("/"));
      const { Location: location, Link: link } = redirectHeaders(
        [{ url: "http://a.example.org:1" }],
        redirectTarget(path, CONTENT),
      );
      expect(location + link).toMatch(/^[\x20-\x7e]*$/);
      const url = new URL(location);
      expect(url.host).toBe("a.example.org:1");
      const asked = parseCustomerRequest(location.slice("http://a.example.org:1".length));
      expect(asked).toMatchObject({ path, wantedContent: CONTENT });
    }),
  );
});

const FIRST = { tried: [], isRepeated: false, isCertain: false, isOriginDue: false };

test("the same request again goes elsewhere, then to central; whoever asks then may be another customer, and is sent to a third", () => {
  const recent = new RecentRequests();
  const asked = { customer: "198.51.100.7", content: CONTENT, ...PLAIN };
  const repeat = { ...FIRST, isRepeated: true };
  expect(recent.look(asked, 0)).toEqual(FIRST);
  recent.noteRedirect(asked, "a", 0);
  expect(recent.look(asked, 9_000)).toEqual({ ...repeat, tried: ["a"] });
  recent.noteRedirect(asked, "b", 9_000);
  expect(recent.look(asked, 15_000)).toEqual({ ...repeat, tried: ["a", "b"], isOriginDue: true });
  expect(recent.look({ ...asked, customer: "198.51.100.8" }, 15_000).tried).toEqual([]);
  expect(recent.look({ ...asked, content: contentOf("other") }, 15_000).tried).toEqual([]);
  recent.noteServed(asked, 15_000);
  expect(recent.look(asked, 15_001)).toEqual({ ...FIRST, tried: ["a", "b"] });
  recent.noteRedirect(asked, "c", 15_001);
  expect(recent.look(asked, 25_001).tried).toEqual(["a", "b", "c"]);
  expect(recent.look(asked, 25_002)).toEqual(FIRST);
});

test("who was sent everywhere and served by central begins anew; where several are, each does", () => {
  const recent = new RecentRequests();
  const asked = { customer: "198.51.100.7", content: CONTENT, ...PLAIN, port: 40_000 };
  for (const volunteer of ["a", "b"]) recent.noteRedirect(asked, volunteer, 0);
  recent.noteServed(asked, 1_000);
  recent.noteRedirect(asked, "a", 2_000);
  expect(recent.look(asked, 3_000).tried).toEqual(["a"]);
  // Central served twice and was asked again: that is not one customer alone.
  for (const nowMs of [4_000, 5_000]) recent.noteServed(asked, nowMs);
  recent.noteRedirect(asked, "b", 6_000);
  recent.noteServed(asked, 7_000);
  expect(recent.look(asked, 8_000).tried).toEqual(["a", "b"]);
  expect(recent.look({ ...asked, port: 40_001 }, 8_000)).toEqual(FIRST);
});

test("the same connection brings the same customer however quick, another program is another one", () => {
  const recent = new RecentRequests();
  const asked = { customer: "198.51.100.7", content: CONTENT, range: undefined, port: 40_000, agent: "curl/7.88.1" };
  recent.noteRedirect(asked, "a", 0);
  expect(recent.look({ ...asked, port: 40_001, agent: "Wget/1.21" }, 1)).toEqual({ ...FIRST, tried: ["a"] });
  expect(recent.look({ ...asked, agent: "Wget/1.21" }, 1)).toMatchObject({ tried: ["a"], isCertain: true });
  recent.noteRedirect(asked, "b", 1);
  expect(recent.look(asked, 2)).toEqual({ tried: ["a", "b"], isRepeated: true, isCertain: true, isOriginDue: true });
});

test("more than three requests quicker than anybody tries again are a crowd: nobody is doubted, each eighth is for central", () => {
  const recent = new RecentRequests();
  const from = (port: number): AskedContent => ({ customer: "198.51.100.7", content: CONTENT, ...PLAIN, port });
  const due: number[] = [];
  for (let port = 1; port <= 300; port++) {
    const seen = recent.look(from(port), port * 100);
    if (port > 3) expect([seen.tried, seen.isRepeated]).toEqual([[], false]);
    if (seen.isOriginDue) recent.noteServed(from(port), port * 100);
    else recent.noteRedirect(from(port), `v${port}`, port * 100);
    if (seen.isOriginDue) due.push(port);
  }
  expect(due).toEqual(Array.from({ length: 37 }, (_, turn) => 8 * (turn + 1)));
  expect(recent.isShared(from(1), 100_000)).toBe(true);
  expect(recent.isShared({ ...from(1), customer: "198.51.100.8" }, 100_000)).toBe(false);
});

test("in a crowd, who asks again over its connection is sent elsewhere, then to central", () => {
  const recent = new RecentRequests();
  const from = (port: number): AskedContent => ({ customer: "198.51.100.7", content: CONTENT, ...PLAIN, port });
  let nowMs = 0;
  const crowd = (first: number): void => {
    for (let port = first; port < first + 10; port++) recent.noteRedirect(from(port), "v", (nowMs += 100));
  };
  crowd(1_000);
  recent.noteRedirect(from(7), "a", nowMs);
  crowd(2_000);
  expect(recent.look(from(7), nowMs)).toEqual({ tried: ["a"], isRepeated: true, isCertain: true, isOriginDue: false });
  recent.noteRedirect(from(7), "b", nowMs);
  crowd(3_000);
  expect(recent.look(from(7), nowMs)).toMatchObject({ tried: ["a", "b"], isOriginDue: true });
  recent.noteServed(from(7), nowMs);
  expect(recent.look(from(8), nowMs)).toEqual(FIRST);
});

test("at an address that is shared, a repeat goes elsewhere without blame, and to central after three", () => {
  const recent = new RecentRequests();
  const asked = { customer: "198.51.100.7", content: CONTENT, ...PLAIN };
  const other = { ...asked, content: contentOf("other") };
  for (let turn = 0; turn < 5; turn++) recent.noteRedirect(other, "v", turn);
  const due = [];
  for (let turn = 0; turn < 4; turn++) {
    const { tried, isRepeated, isOriginDue } = recent.look(asked, 10_000 + turn * 2_000);
    expect([tried.length, isRepeated]).toEqual([turn, false]);
    due.push(isOriginDue);
    recent.noteRedirect(asked, `v${turn}`, 10_000 + turn * 2_000);
  }
  expect(due).toEqual([false, false, false, true]);
});

test("who asks after central served the content may be another customer: no volunteer is blamed any more", () => {
  const recent = new RecentRequests();
  const asked = { customer: "198.51.100.7", content: CONTENT, ...PLAIN, port: 40_000 };
  recent.noteRedirect(asked, "a", 0);
  expect(recent.isShared(asked, 1_000)).toBe(false);
  recent.noteServed(asked, 1_000);
  recent.noteRedirect(asked, "b", 2_000);
  expect(recent.isShared(asked, 3_000)).toBe(true);
  expect(recent.look(asked, 3_000)).toMatchObject({ tried: ["a", "b"], isCertain: false });
  expect(recent.isShared({ ...asked, content: contentOf("other") }, 3_000)).toBe(false);
});

test("a failure is noted once it shows that nobody else was behind the address", () => {
  const shared = new Set<string>();
  const suspected = new SuspectedFailures(({ customer }) => shared.has(customer));
  const failureOf = (customer: string): SuspectedFailure => ({
    asked: { customer, content: CONTENT },
    network: "n",
    volunteer: `seen by ${customer}`,
  });
  for (const [index, customer] of ["a", "b", "c"].entries()) suspected.note(failureOf(customer), index * 1_000);
  shared.add("b");
  expect(suspected.settled(10_000)).toEqual([]);
  expect(suspected.settled(11_500).map(({ volunteer }) => volunteer)).toEqual(["seen by a"]);
  expect(suspected.settled(12_001).map(({ volunteer }) => volunteer)).toEqual(["seen by c"]);
  expect(suspected.settled(99_000)).toEqual([]);
});

test("a request after more than ten seconds is a new one", () => {
  const recent = new RecentRequests();
  const asked = { customer: "198.51.100.7", content: CONTENT, ...PLAIN };
  recent.noteRedirect(asked, "a", 0);
  expect(recent.look(asked, 10_001).tried).toEqual([]);
});

test("other ranges of a content are sent elsewhere, but never to central", () => {
  const recent = new RecentRequests();
  for (let part = 0; part < 20; part++) {
    const asked = { customer: "198.51.100.7", content: CONTENT, ...PLAIN, range: `bytes=${part}-` };
    const { isRepeated, isOriginDue, tried } = recent.look(asked, part);
    expect([isRepeated, isOriginDue, tried.includes(`v${part - 1}`)]).toEqual([false, false, part > 0]);
    recent.noteRedirect(asked, `v${part}`, part);
  }
});

test("what expires is bounded, and the oldest go first", () => {
  const map = new ExpiringMap<number>(100, 3);
  for (const key of ["a", "b", "a", "c", "d"]) map.set(key, 1, 0);
  expect(["a", "b", "c", "d"].map((key) => map.get(key, 100))).toEqual([1, undefined, 1, 1]);
  expect([map.size, map.get("d", 101)]).toEqual([3, undefined]);
});

test("a bounded memory forgets the longest unchanged, whatever is set and deleted in between", () => {
  const step = fc.tuple(fc.constantFrom("set", "set", "set", "delete"), fc.constantFrom(..."abcdefg"));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const map = new ExpiringMap<number>(100, 3);
      let kept: readonly string[] = [];
      for (const [what, key] of steps) {
        const others = kept.filter((other) => other !== key);
        kept = what === "set" ? [...others, key].slice(-3) : others;
        if (what === "set") map.set(key, 1, 0);
        else map.delete(key);
      }
      expect([..."abcdefg"].filter((key) => map.get(key, 0) === 1)).toEqual([...kept].sort());
    }),
  );
});

test("long ranges are told apart", () => {
  const recent = new RecentRequests();
  const asked = { customer: "198.51.100.7", content: CONTENT, ...PLAIN, range: `bytes=${"0-1,".repeat(100)}9-` };
  recent.noteRedirect(asked, "a", 0);
  expect(recent.look({ ...asked, range: `${asked.range}1` }, 1).isRepeated).toBe(false);
  expect(recent.look({ ...asked }, 1).isRepeated).toBe(true);
});

test("who asks for one file again and again takes nobody's memory", () => {
  const recent = new RecentRequests(1, 16);
  const other = { customer: "198.51.100.8", content: CONTENT, ...PLAIN };
  recent.noteRedirect(other, "a", 0);
  for (let count = 0; count < 100; count++) recent.noteRedirect({ ...other, customer: "198.51.100.7" }, "b", 1);
  expect(recent.look(other, 2).tried).toEqual(["a"]);
});

test("what is kept of a request does not keep the head that it came with", () => {
  const reader = new PlainRequestReader();
  const recent = new RecentRequests(1, 4_096);
  const before = heapBytes();
  for (let index = 0; index < 4_096; index++) {
    const fields = `Host: a.example.org\r\nRange: bytes=${index}-${index + 1_000_000}\r\nCookie: ${"c".repeat(3_000)}`;
    const request = reader.read(Buffer.from(`GET /a HTTP/1.1\r\n${fields}\r\n\r\n`), "198.51.100.7")!;
    recent.noteRedirect(
      { customer: `198.51.100.${index}`, content: CONTENT, ...PLAIN, range: request.headers["range"] },
      "a",
      0,
    );
  }
  expect(heapBytes() - before).toBeLessThan(4e6);
  expect(
    recent.look({ customer: "198.51.100.0", content: CONTENT, ...PLAIN, range: "bytes=0-1000000" }, 1).isRepeated,
  ).toBe(true);
});

/** Contents of which some share what is hashed of them. */
const CONTENTS = Array.from("0123456789", (name, index) => {
  const content = contentOf(name);
  return index < 5 ? content : contentIdOf(Buffer.from(CONTENT.slice(0, 16) + content.slice(16), "hex"));
});

test("the last redirects of 16 customers and contents are remembered for ten seconds, whatever their hashes are", () => {
  const ask = fc.record({
    customer: fc.constantFrom(..."abcd"),
    content: fc.constantFrom(...CONTENTS),
    passedMs: fc.integer({ min: 0, max: 3_000 }),
  });
  fc.assert(
    fc.property(fc.array(ask, { maxLength: 300 }), fc.integer(), (asks, seed) => {
      const recent = new RecentRequests(seed, 16);
      let noted: { key: string; atMs: number; volunteer: string }[] = [];
      let nowMs = 0;
      for (const [index, { customer, content, passedMs }] of asks.entries()) {
        nowMs += passedMs;
        // Each customer over one connection: nothing is taken for another customer's.
        const asked = { customer, content, ...PLAIN, port: 1 };
        const key = `${customer} ${content}`;
        const last = noted.find((note) => note.key === key);
        const known = last !== undefined && nowMs - last.atMs <= 10_000 ? last.volunteer : undefined;
        expect(recent.look(asked, nowMs).tried.at(-1)).toBe(known);
        const others = noted.filter((note) => note.key !== key);
        noted = [...others, { key, atMs: nowMs, volunteer: `v${index}` }].slice(-16);
        recent.noteRedirect(asked, `v${index}`, nowMs);
      }
    }),
  );
});

/** What is in use after everything else was collected. */
function heapBytes(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().heapUsed;
}
