import { expect, test } from "vitest";
import fc from "fast-check";
import libraryBencode from "bencode";
import {
  bencodeSpan,
  decodeBencode,
  decodeBencodePrefix,
  encodeBencode,
  type BencodeValue,
} from "../../../src/codec/bencode.ts";
import { CodecError } from "../../../src/codec/errors.ts";

const bytes = (text: string): Buffer => Buffer.from(text, "latin1");
const decodeText = (text: string): BencodeValue => decodeBencode(bytes(text));
const text = (encoded: Uint8Array): string => Buffer.from(encoded).toString("latin1");

test.each<[string, BencodeValue]>([
  ["4:spam", bytes("spam")],
  ["0:", bytes("")],
  ["i3e", 3],
  ["i-3e", -3],
  ["i0e", 0],
  ["i9007199254740991e", Number.MAX_SAFE_INTEGER],
  ["i-9007199254740991e", Number.MIN_SAFE_INTEGER],
  ["l4:spam4:eggse", [bytes("spam"), bytes("eggs")]],
  ["le", []],
  ["de", new Map()],
  ["d3:cow3:moo4:spam4:eggse", new Map([["cow", bytes("moo")], ["spam", bytes("eggs")]])], // prettier-ignore
  ["d4:spaml1:a1:bee", new Map([["spam", [bytes("a"), bytes("b")]]])],
  ["d9:__proto__i1ee", new Map([["__proto__", 1]])],
  ["d2:\xff\xfei1ee", new Map([["\xff\xfe", 1]])],
])("BEP 3: %s in both directions", (encoded, value) => {
  expect(decodeText(encoded)).toEqual(value);
  expect(text(encodeBencode(value))).toBe(encoded);
});

test.each([
  "",
  "i",
  "i-",
  "ie",
  "i-e",
  "i-0e",
  "i00e",
  "i01e",
  "i-01e",
  "i+1e",
  "i1.5e",
  "i 1e",
  "i1",
  "i9007199254740992e",
  "i-9007199254740992e",
  "1:",
  "5:spam",
  "04:spam",
  "00:",
  "-1:a",
  "99999999999999999999:a",
  "4",
  "4spam",
  ":",
  "e",
  "x",
  "l",
  "d",
  "l-3:",
  "l-3:e",
  "d-3:",
  "d-3:e",
  "di1ei2ee",
  "d1:ae",
  "d1:a",
  "d1:ai1e",
  "d1:bi1e1:ai2ee",
  "d1:ai1e1:ai2ee",
  "i1ei2e",
  "i1e ",
  "lee",
  "dee",
  "l1:a",
  "dlei1ee",
  "dde1:ae",
])("refuses %j", (encoded) => {
  // prettier-ignore
  expect(() => decodeText(encoded)).toThrow(CodecError);
});

test("depth and the number of values are capped, nesting needs no stack", () => {
  expect(decodeText("l".repeat(100) + "e".repeat(100))).toBeInstanceOf(Array);
  expect(() => decodeText("l".repeat(101) + "e".repeat(101))).toThrow("100 levels");
  const deep = { maxDepth: 1e9, maxTokens: 1e9 };
  expect(decodeBencode(bytes("l".repeat(200_000) + "e".repeat(200_000)), deep)).toHaveLength(1);
  expect(decodeBencode(bytes("l0:0:e"), { maxDepth: 1, maxTokens: 3 })).toHaveLength(2);
  expect(() => decodeBencode(bytes("l0:0:0:e"), { maxDepth: 1, maxTokens: 3 })).toThrow("at most 3 values");
});

test("strings are views of the input, not copies", () => {
  const input = bytes("l4:spame");
  const [spam] = decodeBencode(input) as Uint8Array[];
  expect(spam!.buffer).toBe(input.buffer);
  expect(spam!.byteOffset).toBe(input.byteOffset + 3);
});

test("a prefix leaves what follows (BEP 9)", () => {
  expect(decodeBencodePrefix(bytes("d5:piecei0ee\x01\x02"))).toEqual({ value: new Map([["piece", 0]]), end: 12 });
});

test("the span of a key is its exact bytes, only in the outermost dictionary", () => {
  const torrent = bytes("d8:announce3:url4:infod4:infoi7e4:name1:ae5:otheri1ee");
  const span = bencodeSpan(torrent, "info")!;
  expect(torrent.toString("latin1", span.start, span.end)).toBe("d4:infoi7e4:name1:ae");
  expect(bencodeSpan(torrent, "name")).toBeUndefined();
  expect(bencodeSpan(bytes("d1:ai5ee"), "a")).toEqual({ start: 4, end: 7 });
  expect(() => bencodeSpan(bytes("le"), "a")).toThrow("expected a dictionary");
  expect(() => bencodeSpan(bytes("d1:ai5eex"), "a")).toThrow(CodecError);
});

test("encoding sorts keys by byte and refuses what bencode cannot say", () => {
  expect(text(encodeBencode(new Map([["\xff", 1], ["b", 2], ["B", 3]])))).toBe("d1:Bi3e1:bi2e1:\xffi1ee"); // prettier-ignore
  expect(() => encodeBencode(1.5)).toThrow(RangeError);
  expect(() => encodeBencode(-0)).toThrow(RangeError);
  expect(() => encodeBencode(new Map([["€", 1]]))).toThrow("no byte string");
});

const byteString = fc.uint8Array({ maxLength: 20 }).map((array) => Buffer.from(array));
const { value: anyValue } = fc.letrec<{ value: BencodeValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.integer({ min: Number.MIN_SAFE_INTEGER + 1, max: Number.MAX_SAFE_INTEGER }).map((n) => n + 0),
    byteString,
    fc.array(tie("value"), { maxLength: 6 }),
    fc
      .array(fc.tuple(byteString, tie("value")), { maxLength: 6 })
      .map((pairs) => new Map(pairs.map(([key, value]) => [key.toString("latin1"), value]))),
  ),
}));

test("what is encoded decodes to the same value and the same bytes", () => {
  fc.assert(
    fc.property(anyValue, (value) => {
      const encoded = encodeBencode(value);
      expect(text(encodeBencode(decodeBencode(encoded)))).toBe(text(encoded));
    }),
    { numRuns: 500 },
  );
});

test("values that the library can hold are encoded as the library does", () => {
  const plain = { m: { ut_metadata: 2, prsync: 1 }, v: "x", metadata_size: 12, l: [1, -2, "é"] };
  const ours = new Map<string, BencodeValue>([
    ["m", new Map([["ut_metadata", 2], ["prsync", 1]])],
    ["v", bytes("x")],
    ["metadata_size", 12],
    ["l", [1, -2, Buffer.from("é")]],
  ]); // prettier-ignore
  expect(text(encodeBencode(ours))).toBe(text(libraryBencode.encode(plain)));
});

test("what decodes is canonical; anything else is a CodecError, quickly", () => {
  const letters = fc.constantFrom("i", "l", "d", "e", ":", "-", "0", "1", "2", "9", "a", "\xff", "1:a", "i1e", "0:");
  fc.assert(
    fc.property(fc.array(letters, { maxLength: 40 }), (parts) => {
      const input = bytes(parts.join(""));
      const outcome = encodedAgain(input);
      expect(outcome === undefined || outcome === text(input)).toBe(true);
    }),
    { numRuns: 20_000 },
  );
});

test("time is linear: a megabyte of the costliest shapes in well under a second", () => {
  const started = performance.now();
  expect(() => decodeText("l".repeat(1 << 20))).toThrow(CodecError);
  expect(() => decodeText("1".repeat(1 << 20))).toThrow(CodecError);
  expect(decodeText("l" + "0:".repeat(1 << 19) + "e")).toHaveLength(1 << 19);
  expect(() => decodeText("d" + "0:0:".repeat(1 << 18) + "e")).toThrow("ascending");
  expect(performance.now() - started).toBeLessThan(2000);
});

function encodedAgain(input: Uint8Array): string | undefined {
  try {
    return text(encodeBencode(decodeBencode(input)));
  } catch (error) {
    if (error instanceof CodecError) return undefined;
    throw error;
  }
}
