import fc from "fast-check";
import { expect, test } from "vitest";
import { Bitfield } from "../../../src/core/bitfield.ts";
import { parseByteSize } from "../../../src/core/byte-size.ts";
import { parseContentId } from "../../../src/core/content-id.ts";
import { formatMtime, isSameMtime, parseMtime } from "../../../src/core/time.ts";

test("an mtime survives its text, before 1970 too", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), (mtimeNs) => {
      expect(parseMtime(formatMtime(mtimeNs))).toBe(mtimeNs);
    }),
  );
  expect(formatMtime(-500_000_000n)).toBe("-1.500000000");
});

test.each(["1", "1.5", "01.000000000", "-0.000000000", "1.0000000000", " 1.000000000", 5])("%j is no mtime", (text) => {
  expect(() => parseMtime(text)).toThrow(expect.objectContaining({ code: "bad-time" }));
});

test("mtimes agree within a microsecond", () => {
  expect([isSameMtime(0n, 1_000n), isSameMtime(0n, 1_001n), isSameMtime(5n, -5n)]).toEqual([true, false, true]);
});

test("a bitfield refuses a wrong length and spare bits", () => {
  expect(() => Bitfield.parse(new Uint8Array([0xff]), 9)).toThrow(/needs 2 bytes/);
  expect(() => Bitfield.parse(new Uint8Array([0xff, 0xc0]), 9)).toThrow(/spare bits/);
  expect(Bitfield.parse(new Uint8Array([0xff, 0x80]), 9).isFull).toBe(true);
});

test("a bitfield behaves like a set and survives its bytes", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 70 }), fc.array(fc.nat(69)), (length, indices) => {
      const field = new Bitfield(length);
      const model = new Set(indices.filter((index) => index < length));
      for (const index of model) field.set(index);
      expect([...field]).toEqual([...model].sort((a, b) => a - b));
      expect([...Bitfield.parse(field.toBytes(), length)]).toEqual([...field]);
      expect(field.count).toBe(model.size);
    }),
  );
});

test("sizes are powers of 1024 as rsync has them", () => {
  expect(["64K", "1.5M", "2G", "700", "1KiB"].map(parseByteSize)).toEqual([
    65_536, 1_572_864, 2_147_483_648, 700, 1024,
  ]);
  expect(() => parseByteSize("many")).toThrow(expect.objectContaining({ code: "bad-size" }));
});

test.each(["", "abc", "E3".padEnd(64, "0"), 5, undefined])("%j is no content id", (text) => {
  expect(() => parseContentId(text)).toThrow(expect.objectContaining({ code: "bad-content-id" }));
});
