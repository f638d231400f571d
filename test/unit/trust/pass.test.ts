import fc from "fast-check";
import { expect, test } from "vitest";
import { issuePass, parsePass, verifyPass } from "../../../src/trust/pass.ts";
import { SigningKey, volunteerIdOf } from "../../../src/trust/signing-key.ts";

const central = SigningKey.fromSeed(Buffer.alloc(32, 1));
const volunteer = SigningKey.fromSeed(Buffer.alloc(32, 2));
const repository = "0123456789abcdef0123456789abcdef";
const NOW = Date.parse("2026-11-20T11:00:00Z");
const expected = { repository, nowMs: NOW };
const pass = issuePass(central, { repository, publicKey: volunteer.publicKey }, NOW + 5_500);

function signed(payload: unknown, signer: SigningKey = central): string {
  const text = JSON.stringify(payload);
  const signature = signer.sign(Buffer.from(`prsync-pass-v1\n${text}`));
  return `${Buffer.from(text).toString("base64url")}.${Buffer.from(signature).toString("base64url")}`;
}

const payload = {
  repository,
  volunteer: volunteerIdOf(volunteer.publicKey),
  publicKey: volunteer.publicKeyText,
  notAfter: "2026-11-20T11:00:05Z",
};

test("a pass has the documented text and says who holds it", () => {
  expect(pass).toBe(signed(payload));
  expect(verifyPass(pass, central.publicKey, expected)).toEqual({
    repository,
    volunteer: volunteerIdOf(volunteer.publicKey),
    publicKey: volunteer.publicKey,
    notAfterMs: NOW + 5_000,
    origin: false,
    site: undefined,
  });
  const placed = issuePass(central, { repository, publicKey: volunteer.publicKey, site: "hall 2" }, NOW + 5_500);
  expect(placed).toBe(signed({ ...payload, site: "hall 2" }));
  expect(verifyPass(placed, central.publicKey, expected).site).toBe("hall 2");
  const origin = issuePass(central, { repository, publicKey: central.publicKey, origin: true }, NOW + 1_000);
  expect(verifyPass(origin, central.publicKey, expected).origin).toBe(true);
  expect(parsePass(pass).notAfterMs).toBe(NOW + 5_000);
});

test("a pass ends at its time", () => {
  const code = "expired-pass";
  expect(() => verifyPass(pass, central.publicKey, { repository, nowMs: NOW + 5_000 })).toThrow(
    expect.objectContaining({ code }),
  );
  expect(verifyPass(pass, central.publicKey, { repository, nowMs: NOW + 4_999 }).origin).toBe(false);
});

test("a pass of another repository is refused", () => {
  const options = { repository: "f".repeat(32), nowMs: NOW };
  expect(() => verifyPass(pass, central.publicKey, options)).toThrow(
    expect.objectContaining({ code: "wrong-repository" }),
  );
});

test.each([
  ["another signer", signed(payload, volunteer)],
  ["a swapped key", signed({ ...payload, publicKey: central.publicKeyText })],
  ["a bad key", signed({ ...payload, publicKey: "x" })],
  ["no time", signed({ ...payload, notAfter: 5 })],
  ["a site that is no name", signed({ ...payload, site: "two\nlines" })],
  ["no repository", signed({ ...payload, repository: "x" })],
  ["an array", signed([])],
  ["a third part", `${pass}.x`],
  ["padding", `${pass}=`],
  ["a space", ` ${pass}`],
  ["one part", pass.split(".")[0]!],
  ["an inherited field", signed(JSON.parse(`{"__proto__":${JSON.stringify(payload)}}`))],
  ["too much", signed({ ...payload, more: "x".repeat(3000) })],
])("a pass with %s is refused", (_, text) => {
  expect(() => verifyPass(text, central.publicKey, expected)).toThrow(expect.objectContaining({ code: "bad-pass" }));
});

test("unknown fields are signed and ignored", () => {
  expect(verifyPass(signed({ ...payload, later: [1] }), central.publicKey, expected).volunteer).toBe(payload.volunteer);
});

test("every changed character is refused, whatever it is", () => {
  fc.assert(
    fc.property(fc.nat(pass.length - 1), fc.constantFrom(..."ABCxyz019-_.= \n"), (at, character) => {
      fc.pre(pass[at] !== character);
      const changed = pass.slice(0, at) + character + pass.slice(at + 1);
      expect(() => verifyPass(changed, central.publicKey, expected)).toThrow(
        expect.objectContaining({ code: "bad-pass" }),
      );
    }),
  );
});
