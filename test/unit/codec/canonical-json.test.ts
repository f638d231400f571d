import fc from "fast-check";
import { expect, test } from "vitest";
import {
  encodeCanonicalObject,
  jsonText,
  joinJsonLines,
  parseCanonicalObject,
  requireSameLine,
  splitJsonLines,
  unknownFields,
  type JsonValue,
} from "../../../src/codec/canonical-json.ts";
import { CodecError } from "../../../src/codec/errors.ts";

/** Reads a line whose keys are all unknown, so ascending, and encodes it again. */
function reencode(line: string): string {
  return encodeCanonicalObject([], unknownFields(parseCanonicalObject(line), new Set()));
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof CodecError) return error.code;
    throw error;
  }
  return "none";
}

test("names of Object.prototype are keys like any other", () => {
  const line = '{"__proto__":{"__proto__":1},"constructor":2,"hasOwnProperty":3,"toString":4}';
  const fields = parseCanonicalObject(line);
  expect([...fields.keys()]).toEqual(["__proto__", "constructor", "hasOwnProperty", "toString"]);
  expect(Object.getPrototypeOf(fields.get("__proto__"))).toBe(Object.prototype);
  expect(reencode(line)).toBe(line);
  expect(parseCanonicalObject("{}").get("toString")).toBeUndefined();
});

test.each([
  ['{"a":1,"a":1}', "key twice"],
  ['{"a":{"b":1,"b":1}}', "inner key twice"],
  ['{"b":1,"a":1}', "keys out of order"],
  ['{"a": 1}', "space"],
  ['{"a":1}\r', "carriage return"],
  ['{"a":1e2}', "exponent"],
  ['{"a":-0}', "negative zero"],
  ['{"a":1.0}', "decimal point"],
  ['{"a":"\\u0041"}', "needless escape"],
  ['{"a":{"b":1,"7":1}}', "index key after another"],
  ['{"a":"\\/"}', "escaped slash"],
])("%s is not what it encodes to (%s)", (line) => {
  expect(codeOf(() => requireSameLine(line, reencode(line)))).toBe("bad-json");
});

test.each([
  "",
  "null",
  "[]",
  "1",
  '"a"',
  "{",
  '{"a":01}',
  '{"a":9007199254740992}',
  '{"a":-9007199254740993}',
  '{"a":1.5}',
  '{"a":1e999}',
  '{"a":[{"b":0.1}]}',
  "\u{feff}{}",
])("%s is refused", (line) => {
  expect(codeOf(() => parseCanonicalObject(line))).toBe("bad-json");
});

test("32 levels are read, 33 and 100,000 are refused", () => {
  const nested = (levels: number): string => `{"a":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`;
  expect(reencode(nested(32))).toBe(nested(32));
  expect(codeOf(() => parseCanonicalObject(nested(33)))).toBe("bad-json");
  expect(codeOf(() => parseCanonicalObject(nested(100_000)))).toBe("bad-json");
});

test("known keys come first, then unknown ones by their UTF-16 text", () => {
  const fields = new Map<string, JsonValue>([
    ["z", 1],
    ["10", 2],
    ["9", 3],
    ["\u{1f600}", 4],
    ["\uffff", 5],
  ]);
  const unknown = unknownFields(fields, new Set(["z"]));
  expect(
    encodeCanonicalObject(
      [
        ["z", jsonText(1)],
        ["y", undefined],
      ],
      unknown,
    ),
  ).toBe('{"z":1,"10":2,"9":3,"\u{1f600}":4,"\uffff":5}');
});

const jsonValue = fc.jsonValue({ depthSize: "small", noUnicodeString: false }).map(
  (value) =>
    // Canonical JSON has safe integers only.
    JSON.parse(JSON.stringify(value), (_key, inner: unknown) =>
      typeof inner === "number" && !Number.isSafeInteger(inner) ? 7 : inner,
    ) as JsonValue,
);

test("any fields survive encoding and parsing", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string({ unit: "binary" }), jsonValue)), (pairs) => {
      const fields = new Map(pairs);
      const line = encodeCanonicalObject([], unknownFields(fields, new Set()));
      expect(reencode(line)).toBe(line);
      expect(parseCanonicalObject(line).size).toBe(fields.size);
    }),
  );
});

test("any text parses or throws bad-json", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.json()), (text) => {
      expect(["none", "bad-json"]).toContain(codeOf(() => parseCanonicalObject(text)));
    }),
  );
});

test("lines must be UTF-8 and ended", () => {
  expect([...splitJsonLines(Buffer.from("a\n\nü\n"))]).toEqual(["a", "", "ü"]);
  expect([...splitJsonLines(new Uint8Array(0))]).toEqual([]);
  expect(codeOf(() => [...splitJsonLines(Buffer.from("a\nb"))])).toBe("bad-json");
  expect(codeOf(() => [...splitJsonLines(Buffer.of(0xff, 0x0a))])).toBe("bad-json");
});

test("lines survive joining and splitting, also many", () => {
  const lines = Array.from({ length: 50_000 }, (_, i) => `line ü ${i}`);
  expect([...splitJsonLines(joinJsonLines(lines))]).toEqual(lines);
});
