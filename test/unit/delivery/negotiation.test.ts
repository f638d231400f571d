import fc from "fast-check";
import { expect, test } from "vitest";
import { wantedMetalink } from "../../../src/delivery/negotiation.ts";

const ISO = "application/octet-stream";

test.each([
  // aria2's own words.
  ["*/*,application/metalink4+xml,application/metalink+xml", "meta4", false],
  ["application/metalink+xml", "metalink", true],
  ["application/metalink4+xml;q=0.5, application/metalink+xml;q=0.8", "metalink", true],
  ["Application/Metalink4+XML ; q=1.0 , */* ; q=0.1", "meta4", false],
  ["application/*, application/metalink4+xml", "meta4", false],
] as const)("Accept: %s asks for a metalink", (accept, kind, isOnly) => {
  expect(wantedMetalink(accept, ISO)).toEqual({ kind, isOnly });
});

test.each([
  [undefined],
  ["*/*"],
  ["application/*"],
  ["application/metalink4+xml;q=0"],
  ["application/metalink4+xml;q=0.9, */*"],
  ["application/metalink4+xml;q=0.9, application/octet-stream, */*;q=0.1"],
  ["text/metalink"],
  ["application/metalink4+xml;q=2"],
])("Accept: %s asks for the file", (accept) => {
  expect(wantedMetalink(accept, `${ISO}; charset=utf-8`)).toBeUndefined();
});

test("nothing that a header can hold does harm", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (accept, type) => {
      expect([undefined, "meta4", "metalink"]).toContain(wantedMetalink(`${accept},metalink`, type)?.kind);
    }),
  );
});
