import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { contentIdOf } from "../../../src/core/content-id.ts";
import { repoPathFromByteString } from "../../../src/core/repo-path.ts";
import { parseCustomerRequest } from "../../../src/delivery/customer-request.ts";
import { ExpiringMap } from "../../../src/delivery/expiring-map.ts";
import { RecentRequests } from "../../../src/delivery/recent-requests.ts";
import { redirectHeaders, redirectTarget } from "../../../src/delivery/redirect-answer.ts";

const CONTENT = contentIdOf(createHash("sha256").update("hello\n").digest());

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

test("the same request again goes elsewhere, then to central, then begins anew", () => {
  const recent = new RecentRequests();
  const asked = { customer: "198.51.100.7", content: CONTENT, range: undefined };
  expect(recent.look(asked, 0)).toEqual({ tried: [], isRepeated: false, isOriginDue: false });
  recent.noteRedirect(asked, "a", 0);
  expect(recent.look(asked, 9_000)).toEqual({ tried: ["a"], isRepeated: true, isOriginDue: false });
  recent.noteRedirect(asked, "b", 9_000);
  expect(recent.look(asked, 15_000)).toEqual({ tried: ["a", "b"], isRepeated: true, isOriginDue: true });
  expect(recent.look({ ...asked, customer: "198.51.100.8" }, 15_000).tried).toEqual([]);
  expect(recent.look({ ...asked, content: "other" }, 15_000).tried).toEqual([]);
  recent.noteServed(asked);
  expect(recent.look(asked, 15_001).tried).toEqual([]);
});

test("a request after more than ten seconds is a new one", () => {
  const recent = new RecentRequests();
  const asked = { customer: "198.51.100.7", content: CONTENT, range: undefined };
  recent.noteRedirect(asked, "a", 0);
  expect(recent.look(asked, 10_001).tried).toEqual([]);
});

test("other ranges of a content are sent elsewhere, but never to central", () => {
  const recent = new RecentRequests();
  for (let part = 0; part < 20; part++) {
    const asked = { customer: "198.51.100.7", content: CONTENT, range: `bytes=${part}-` };
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
