import { constants, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { CodecError } from "../../../src/codec/errors.ts";
import { compressZstd, decompressZstd } from "../../../src/codec/zstd.ts";

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof CodecError) return error.code;
    throw error;
  }
  return "none";
}

test("a frame of the zstd program is read", () => {
  // printf 'hello\n' | zstd -c | xxd -p (zstd v1.5.4)
  const frame = Buffer.from("28b52ffd045831000068656c6c6f0a5388bd91", "hex");
  expect(Buffer.from(decompressZstd(frame, 6)).toString()).toBe("hello\n");
});

test("bytes survive, none too", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 5000 }), (bytes) => {
      expect(Buffer.from(decompressZstd(compressZstd(bytes), bytes.length))).toEqual(Buffer.from(bytes));
    }),
  );
});

test("20 MB that do not compress survive", () => {
  const bytes = Buffer.alloc(20_000_000);
  for (let i = 0, x = 1; i < bytes.length; i += 4)
    bytes.writeUInt32LE((x = (Math.imul(x, 1664525) + 1013904223) >>> 0), i);
  expect(bytes.equals(decompressZstd(compressZstd(bytes), bytes.length))).toBe(true);
});

test("a bomb ends at the expected length", () => {
  const bomb = compressZstd(new Uint8Array(100_000_000));
  expect(bomb.length).toBeLessThan(20_000);
  expect(codeOf(() => decompressZstd(bomb, 1000))).toBe("bad-zstd");
});

test.each([0, 5, 7, 1e9])("a frame of 6 bytes is refused where %d are expected", (expected) => {
  expect(codeOf(() => decompressZstd(compressZstd(Buffer.from("hello\n")), expected))).toBe("bad-zstd");
});

test("a frame cut off anywhere is refused", () => {
  const bytes = Buffer.from("hello hello hello hello\n".repeat(50));
  const frame = compressZstd(bytes);
  for (let length = 0; length < frame.length; length++) {
    expect(codeOf(() => decompressZstd(frame.subarray(0, length), bytes.length))).toBe("bad-zstd");
  }
});

test("a frame that wants 128 MiB of history is refused", () => {
  const bytes = Buffer.alloc(1 << 25, "0123456789");
  const params = { [constants.ZSTD_c_windowLog]: 27, [constants.ZSTD_c_contentSizeFlag]: 0 };
  expect(codeOf(() => decompressZstd(zstdCompressSync(bytes, { params }), bytes.length))).toBe("bad-zstd");
});

test("random bytes throw bad-zstd only", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(codeOf(() => decompressZstd(bytes, 1000))).toBe("bad-zstd");
    }),
  );
});
