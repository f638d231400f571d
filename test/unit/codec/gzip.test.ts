import { readFileSync } from "node:fs";
import { constants, crc32, deflateRawSync, gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CodecError } from "../../../src/codec/errors.ts";
import { findGzipRecipe, type RecipeOutcome } from "../../../src/codec/find-gzip-recipe.ts";
import { gunzip, type ReadableBytes } from "../../../src/codec/gunzip.ts";
import { encodeGzipTrailer, parseGzipHeader } from "../../../src/codec/gzip-header.ts";
import { makeGzip } from "../../../src/codec/gzip-recipe.ts";

const MIB = 2 ** 20;
const LIMITS = { maxInnerBytes: 64 * MIB, isSpent: () => false };

function readable(bytes: Uint8Array): ReadableBytes {
  const read = async (offset: number, length: number): Promise<Uint8Array> => bytes.subarray(offset, offset + length);
  return { lengthBytes: bytes.length, read };
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

async function codeOf(run: Promise<unknown>): Promise<string> {
  try {
    await run;
  } catch (error) {
    if (error instanceof CodecError) return error.code;
    throw error;
  }
  return "none";
}

/** A member as RFC 1952 has it, with a header of the test's choice. */
function memberOf(inner: Uint8Array, settings: { level: number; memLevel: number }, header = PLAIN_HEADER): Buffer {
  return Buffer.concat([header, deflateRawSync(inner, settings), encodeGzipTrailer(crc32(inner), inner.length)]);
}

const PLAIN_HEADER = Buffer.from("1f8b08000000000002ff", "hex");
const DEFAULT = { level: 6, memLevel: 8 };

/** Bytes that compress to about a half, quickly at every level, the same for the same seed. */
function wordsOf(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0, state = seed; at < length;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    at += bytes.write(state % 3 === 0 ? "const bytes = await " : state.toString(36), at);
  }
  return bytes;
}

async function remade(file: Buffer, outcome: RecipeOutcome): Promise<Buffer> {
  if (!outcome.found) throw new Error(`no recipe: ${outcome.why}`);
  return collect(makeGzip(outcome.members, readable(gunzipSync(file))));
}

describe("the header of a gzip member", () => {
  test("extra field, name, comment and checksum belong to it", () => {
    const header = Buffer.concat([
      Buffer.from("1f8b081e5e0bcc6502030400", "hex"),
      Buffer.from("exXX"),
      Buffer.from("name.tar\0a comment\0"),
      Buffer.from("beef", "hex"),
    ]);
    const parsed = parseGzipHeader(Buffer.concat([header, Buffer.from("the deflate stream")]));
    expect(Buffer.from(parsed.bytes)).toEqual(header);
    expect(parsed.extraFlags).toBe(2);
  });

  test("what is cut off, endless or of another method is refused", async () => {
    const refused = [
      PLAIN_HEADER.subarray(0, 9),
      Buffer.from("1f8b07000000000002ff", "hex"),
      Buffer.from("1f8b08200000000002ff", "hex"),
      Buffer.from("1f8b08040000000002ffffff", "hex"),
      Buffer.concat([Buffer.from("1f8b08080000000002ff", "hex"), Buffer.alloc(5000, "n")]),
    ];
    for (const bytes of refused) expect(await codeOf(Promise.try(() => parseGzipHeader(bytes)))).toBe("bad-gzip");
  });
});

describe("unpacking", () => {
  test("a file of the gzip program with a name, and one of several members", async () => {
    // printf 'hello\n' > hello; gzip -c hello | xxd -p (gzip 1.12, mtime set to 0)
    const file = Buffer.from("1f8b080800000000000368656c6c6f00cb48cdc9c9e7020020303a3606000000", "hex");
    expect((await collect(gunzip(readable(file), 100))).toString()).toBe("hello\n");
    const two = Buffer.concat([file, gzipSync("world\n")]);
    expect((await collect(gunzip(readable(two), 100))).toString()).toBe("hello\nworld\n");
  });

  test("a bomb ends at the limit, bytes after the last member and a wrong trailer are refused", async () => {
    const bomb = gzipSync(Buffer.alloc(20_000_000));
    expect(await codeOf(collect(gunzip(readable(bomb), MIB)))).toBe("gzip-too-long");
    const padded = Buffer.concat([gzipSync("hello"), Buffer.alloc(512)]);
    expect(await codeOf(collect(gunzip(readable(padded), MIB)))).toBe("bad-gzip");
    const flipped = gzipSync("hello");
    flipped[flipped.length - 8]! ^= 1;
    expect(await codeOf(collect(gunzip(readable(flipped), MIB)))).toBe("bad-gzip");
    const many = Buffer.concat(Array.from({ length: 1000 }, () => gzipSync("x")));
    expect(await codeOf(collect(gunzip(readable(many), MIB)))).toBe("bad-gzip");
  });

  test("damaged files fail with their own error or give what zlib's gunzip gives", async () => {
    const whole = gzipSync(wordsOf(20_000, 1));
    const damage = fc.record({
      cut: fc.integer({ min: 0, max: whole.length }),
      at: fc.integer({ min: 0, max: whole.length - 1 }),
      byte: fc.integer({ min: 0, max: 255 }),
    });
    await fc.assert(
      fc.asyncProperty(damage, async ({ cut, at, byte }) => {
        const bytes = Buffer.from(whole.subarray(0, cut));
        if (at < cut) bytes[at] = byte;
        const code = await codeOf(collect(gunzip(readable(bytes), MIB)));
        if (code === "none") expect(bytes.length === 0 || gunzipSync(bytes).length === 20_000).toBe(true);
        else expect(code).toBe("bad-gzip");
      }),
    );
  });

  test("an error of reading comes out as it is", async () => {
    const file = gzipSync(wordsOf(2 * MIB, 2));
    const failing: ReadableBytes = {
      lengthBytes: file.length,
      read: async (offset, length) => {
        if (offset > 100_000) throw new Error("EIO");
        return file.subarray(offset, offset + Math.min(length, 50_000));
      },
    };
    await expect(collect(gunzip(failing, 64 * MIB))).rejects.toThrow("EIO");
  });
});

describe("finding the settings of a gzip file", () => {
  test("any level, memory level, header and number of members is made again bit for bit", async () => {
    const settings = fc.record({ level: fc.integer({ min: 1, max: 9 }), memLevel: fc.constantFrom(8, 9) });
    const inner = fc.oneof(
      fc.tuple(fc.integer({ min: 0, max: 100_000 }), fc.nat()).map(([length, seed]) => wordsOf(length, seed)),
      fc.uint8Array({ maxLength: 3000 }).map((bytes) => Buffer.from(bytes)),
    );
    const member = fc.record({ inner, settings, xfl: fc.constantFrom(0, 2, 4, 77), name: fc.base64String() });
    await fc.assert(
      fc.asyncProperty(fc.array(member, { minLength: 1, maxLength: 3 }), async (members) => {
        const file = Buffer.concat(
          members.map(({ inner, settings, xfl, name }) => {
            const header = Buffer.from([0x1f, 0x8b, 8, 8, 1, 2, 3, 4, xfl, 3, ...Buffer.from(name), 0]);
            return memberOf(inner, settings, header);
          }),
        );
        const outcome = await findGzipRecipe(readable(file), LIMITS);
        expect((await remade(file, outcome)).equals(file)).toBe(true);
      }),
      { numRuns: 20 },
    );
  });

  test.each([
    { level: 9, memLevel: 8 },
    { level: 6, memLevel: 8 },
    { level: 1, memLevel: 9 },
  ])("beyond the probe the whole is compared: $level, $memLevel", async (settings) => {
    const file = memberOf(wordsOf(3 * MIB, 3), settings);
    const outcome = await findGzipRecipe(readable(file), LIMITS);
    expect(outcome).toMatchObject({ found: true, innerLengthBytes: 3 * MIB, members: [{ settings }] });
    expect((await remade(file, outcome)).equals(file)).toBe(true);
  });

  test("settings that fit the beginning but not the end are not taken", async () => {
    const inner = wordsOf(3 * MIB, 4);
    // A full flush far behind the probe: no settings give that.
    const begin = deflateRawSync(inner.subarray(0, 2 * MIB), { ...DEFAULT, finishFlush: constants.Z_FULL_FLUSH });
    const end = deflateRawSync(inner.subarray(2 * MIB), DEFAULT);
    const file = Buffer.concat([PLAIN_HEADER, begin, end, encodeGzipTrailer(crc32(inner), inner.length)]);
    expect(gunzipSync(file).equals(inner)).toBe(true);
    expect(await findGzipRecipe(readable(file), LIMITS)).toEqual({ found: false, why: "not-reproduced" });
  });

  test("a file of GNU gzip, which has another deflate, is not reproduced", async () => {
    const file = readFileSync(new URL("../../../fixtures/gzip/gnu-gzip-9.gz", import.meta.url));
    expect(gunzipSync(file).length).toBeGreaterThan(50_000);
    expect(await findGzipRecipe(readable(file), LIMITS)).toEqual({ found: false, why: "not-reproduced" });
  });

  test("limits are named: not gzip, damaged, too long, too many members, spent", async () => {
    const why = async (bytes: Buffer, limits = LIMITS): Promise<unknown> => findGzipRecipe(readable(bytes), limits);
    expect(await why(Buffer.from("not gzip at all"))).toEqual({ found: false, why: "not-gzip" });
    expect(await why(Buffer.alloc(0))).toEqual({ found: false, why: "not-gzip" });
    expect(await why(gzipSync("cut off").subarray(0, 20))).toEqual({ found: false, why: "damaged" });
    const bomb = gzipSync(Buffer.alloc(3 * MIB));
    expect(await why(bomb, { ...LIMITS, maxInnerBytes: 2 * MIB })).toEqual({ found: false, why: "too-long" });
    const many = Buffer.concat(Array.from({ length: 100 }, () => gzipSync("x")));
    expect(await why(many)).toEqual({ found: false, why: "too-many-members" });
    const long = memberOf(wordsOf(2 * MIB, 5), DEFAULT);
    expect(await why(long, { ...LIMITS, isSpent: () => true })).toEqual({ found: false, why: "spent" });
  });

  test("the budget is asked before each member and each candidate", async () => {
    const spentAfter = (asked: number) => ({ ...LIMITS, isSpent: () => --asked < 0 });
    const members = Buffer.concat(Array.from({ length: 5 }, () => gzipSync("a member that is small")));
    const first = await findGzipRecipe(readable(members), spentAfter(30));
    expect(first).toEqual({ found: false, why: "spent" });
    const gnu = readFileSync(new URL("../../../fixtures/gzip/gnu-gzip-9.gz", import.meta.url));
    expect(await findGzipRecipe(readable(gnu), spentAfter(10))).toEqual({ found: false, why: "spent" });
    expect(await findGzipRecipe(readable(gnu), spentAfter(30))).toEqual({ found: false, why: "not-reproduced" });
  });

  test("garbage behind a gzip header never throws", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 2000 }), async (garbage) => {
        const outcome = await findGzipRecipe(readable(Buffer.concat([PLAIN_HEADER, garbage])), LIMITS);
        if (outcome.found) expect(outcome.innerLengthBytes).toBeLessThan(MIB);
      }),
    );
  });
});
