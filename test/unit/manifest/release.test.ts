import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { encodeRelease, parseRelease, type Release } from "../../../src/manifest/release.ts";
import { codeOf } from "./arbitrary-entry.ts";

const text = readFileSync(new URL("../../../fixtures/manifest/release.json", import.meta.url), "utf8");
const release = parseRelease(Buffer.from(text));

function codeWith(change: Partial<Record<keyof Release, unknown>>): string {
  // Encoding looks at nothing, so anything can be tried on the reader.
  return codeOf(() => parseRelease(encodeRelease({ ...release, ...change } as Release)));
}

test("a first release survives", () => {
  const first: Release = { ...release, number: 1, previous: undefined, changes: [] };
  expect(parseRelease(encodeRelease(first))).toEqual(first);
});

test("unknown keys survive, also inside", () => {
  const more: Release = {
    ...release,
    totals: { ...release.totals, unknown: [["__proto__", 1]] },
    index: { ...release.index, unknown: [["sha512", "x"]] },
    changes: [{ ...release.changes[0]!, unknown: [["constructor", []]] }],
    unknown: [
      ["__proto__", { a: null }],
      ["sketches", [1, 2]],
    ],
  };
  expect(parseRelease(encodeRelease(more))).toEqual(more);
});

const HEX = "0".repeat(64);
test.each<[Partial<Record<keyof Release, unknown>>, string]>([
  [{ requires: ["wavelets"] }, "unknown-requirement"],
  [{ requires: [1] }, "bad-release"],
  [{ repository: "xyz" }, "bad-release"],
  [{ repository: "00112233445566778899AABBCCDDEEFF" }, "bad-release"],
  [{ number: 0, previous: undefined, changes: [] }, "bad-release"],
  [{ number: 1.5 }, "bad-release"],
  [{ number: 2 ** 53 }, "bad-release"],
  [{ number: "2" }, "bad-release"],
  [{ previous: 2 }, "bad-release"],
  [{ previous: 0 }, "bad-release"],
  [{ created: "2026-11-20" }, "bad-release"],
  [{ created: "2026-02-31T00:00:00Z" }, "bad-release"],
  [{ created: "2026-13-01T00:00:00Z" }, "bad-release"],
  [{ swarmSize: 65_537 }, "bad-release"],
  [{ swarmSize: 1024 }, "bad-release"],
  [{ passKey: "AAAA" }, "bad-release"],
  [{ passKey: `${"A".repeat(42)}B=` }, "bad-release"],
  [{ totals: { ...release.totals, bytes: -1 } }, "bad-release"],
  [{ totals: { ...release.totals, files: 10 } }, "bad-release"],
  [{ index: { sha256: "d41d8cd98f00b204e9800998ecf8427e", lengthBytes: 0 } }, "bad-release"],
  [{ index: { sha256: HEX, lengthBytes: -1 } }, "bad-release"],
  [{ changes: [{ from: 1, to: 3, sha256: HEX, lengthBytes: 1 }] }, "bad-release"],
  [{ changes: [{ from: 2, to: 2, sha256: HEX, lengthBytes: 1 }] }, "bad-release"],
  [
    {
      number: 9,
      changes: [
        { from: 8, to: 9, sha256: HEX, lengthBytes: 1 },
        { from: 6, to: 7, sha256: HEX, lengthBytes: 1 },
      ],
    },
    "bad-release",
  ],
  [
    {
      number: 9,
      changes: [
        { from: 8, to: 9, sha256: HEX, lengthBytes: 1 },
        { from: 6, to: 8, sha256: HEX, lengthBytes: 1 },
      ],
    },
    "none",
  ],
])("%j: %s", (change, code) => {
  expect(codeWith(change)).toBe(code);
});

test.each([
  [text.replace('"index":{"sha256"', '"index":{"md5"'), "bad-release"],
  [text.replace(/"index":\{[^}]*\}/, '"index":{}'), "bad-release"],
  [text.replace(/"index":\{[^}]*\}/, '"index":[]'), "bad-release"],
  [text.replace('{"format":1,', '{"format":2,'), "unknown-requirement"],
  [text.replace('{"format":1,', '{"format":1,"requires":[],'), "bad-release"],
  [text.replace('{"format":1,', "{"), "bad-release"],
  [text.replace('"number":2', '"number":2,"number":2'), "bad-release"],
  [text.replace('"number":2', '"number":2e0'), "bad-release"],
  [text.trimEnd(), "bad-release"],
  [text + text, "bad-release"],
  ["", "bad-release"],
  ["\n", "bad-release"],
])("case %# of a changed release.json: %s", (changed, code) => {
  expect(codeOf(() => parseRelease(Buffer.from(changed)))).toBe(code);
});

test("100 change lists fit, 101 are too many", () => {
  const changes = Array.from({ length: 101 }, (_, i) => ({
    from: 999 - i,
    to: 1000 - i,
    sha256: HEX,
    lengthBytes: 1e9,
  }));
  expect(codeWith({ number: 1000, changes: changes.slice(0, 100) })).toBe("none");
  expect(codeWith({ number: 1000, changes })).toBe("bad-release");
});

test("more than 64 KiB are neither written nor read", () => {
  const long: Release = { ...release, unknown: [["z", "x".repeat(65_536)]] };
  expect(codeOf(() => encodeRelease(long))).toBe("bad-release");
  expect(codeOf(() => parseRelease(Buffer.from(text.replace("}\n", `,"z":"${"x".repeat(65_536)}"}\n`))))).toBe(
    "bad-release",
  );
});
