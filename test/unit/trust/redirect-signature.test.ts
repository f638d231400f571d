import fc from "fast-check";
import { expect, test } from "vitest";
import { signedQuery, type SignedRedirect, verifySignedQuery } from "../../../src/trust/redirect-signature.ts";
import { SigningKey } from "../../../src/trust/signing-key.ts";

const KEY = SigningKey.fromSeed(new Uint8Array(32).fill(7));
const REDIRECT: SignedRedirect = {
  repository: "0123456789abcdef".repeat(2),
  volunteer: "4".repeat(40),
  content: "c".repeat(64),
};
const UNTIL = 1_800_000_000;
const QUERY = new URLSearchParams(signedQuery(KEY, REDIRECT, UNTIL));
const until = QUERY.get("until")!;
const signature = QUERY.get("signature")!;
const nowMs = UNTIL * 1000;

test("central's signature counts until its time is over", () => {
  expect(verifySignedQuery(KEY.publicKey, REDIRECT, { until, signature, nowMs })).toBe(true);
  expect(verifySignedQuery(KEY.publicKey, REDIRECT, { until, signature, nowMs: nowMs + 1 })).toBe(false);
});

test.each([
  ["another volunteer", { ...REDIRECT, volunteer: "5".repeat(40) }],
  ["another content", { ...REDIRECT, content: "d".repeat(64) }],
  ["another repository", { ...REDIRECT, repository: "f".repeat(32) }],
])("it does not count for %s", (_what, other) => {
  expect(verifySignedQuery(KEY.publicKey, other, { until, signature, nowMs })).toBe(false);
});

test("nothing else counts: another time, another key, texts from anywhere", () => {
  const other = SigningKey.fromSeed(new Uint8Array(32).fill(8)).publicKey;
  expect(verifySignedQuery(other, REDIRECT, { until, signature, nowMs })).toBe(false);
  for (const late of [String(UNTIL + 1), `0${UNTIL}`, `${UNTIL}.0`, "9".repeat(12), undefined])
    expect(verifySignedQuery(KEY.publicKey, REDIRECT, { until: late, signature, nowMs })).toBe(false);
  const bytes = fc.uint8Array({ minLength: 64, maxLength: 64 }).map((all) => Buffer.from(all).toString("base64url"));
  const text = fc.option(fc.oneof(fc.string(), bytes, fc.constant(until)), { nil: undefined });
  fc.assert(
    fc.property(text, text, (anyUntil, anySignature) => {
      const query = { until: anyUntil, signature: anySignature, nowMs: 0 };
      expect(verifySignedQuery(KEY.publicKey, REDIRECT, query)).toBe(false);
    }),
  );
});
