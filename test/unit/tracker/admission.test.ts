import { expect, test } from "vitest";
import { decideEnrolment, decideSignedRequest } from "../../../src/tracker/admission.ts";

const request = { state: "enrolled", highestSequence: 10, sequence: 11, isSignatureValid: true } as const;
const refused = { kind: "refused" };

test.each([
  [{}, { kind: "accepted" }],
  [{ state: "draining" as const }, { kind: "accepted" }],
  [{ sequence: 10 }, { ...refused, status: 401, code: "stale-sequence", sequence: 10 }],
  [{ sequence: 9 }, { ...refused, status: 401, code: "stale-sequence", sequence: 10 }],
  [{ isSignatureValid: false }, { ...refused, status: 401, code: "bad-signature" }],
  [
    { isSignatureValid: false, sequence: 9 },
    { ...refused, status: 401, code: "bad-signature" },
  ],
  [{ sequence: undefined }, { ...refused, status: 401, code: "bad-signature" }],
  [{ state: undefined }, { ...refused, status: 401, code: "bad-signature" }],
  [{ state: "revoked" as const }, { ...refused, status: 403, code: "revoked" }],
  [
    { state: "revoked" as const, isSignatureValid: false },
    { ...refused, status: 401, code: "bad-signature" },
  ],
])("a signed request with %j is decided as %j", (change, decision) => {
  expect(decideSignedRequest({ ...request, ...change })).toEqual(decision);
});

const enrolment = { state: "invited", boundKey: undefined, publicKey: "K", isMacValid: true } as const;

test.each([
  [{}, "bind"],
  [{ state: "enrolled" as const, boundKey: "K" }, "repeat"],
  [{ state: "draining" as const, boundKey: "K" }, "repeat"],
  [{ state: "enrolled" as const, boundKey: "L" }, "already-enrolled"],
  [{ state: "enrolled" as const, boundKey: "L", isMacValid: false }, "bad-ticket"],
  [{ isMacValid: false }, "bad-ticket"],
  [{ state: undefined }, "bad-ticket"],
  [{ state: "revoked" as const, boundKey: "K" }, "bad-ticket"],
])("an enrolment with %j is decided as %s", (change, decision) => {
  expect(decideEnrolment({ ...enrolment, ...change })).toBe(decision);
});
