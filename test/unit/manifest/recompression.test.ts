import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { joinJsonLines } from "../../../src/codec/canonical-json.ts";
import { parseContentId } from "../../../src/core/content-id.ts";
import { ManifestError } from "../../../src/manifest/errors.ts";
import {
  encodeRecompression,
  parseRecompression,
  parseRecompressions,
  type Recompression,
} from "../../../src/manifest/recompression.ts";

const HEADER = Buffer.from("1f8b08080102030402036100", "hex");
const CONTENT = "ab".repeat(32);
const INNER = "cd".repeat(32);
const LINE =
  `{"content":"${CONTENT}","format":"gzip","inner":"${INNER}","length":7,` +
  `"members":[{"header":"${HEADER.toString("base64")}","length":7,"level":9,"memLevel":8}]}`;

const contentId = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((b) => parseContentId(Buffer.from(b).toString("hex")));
const member = fc.record({
  header: fc.constantFrom(new Uint8Array(HEADER), new Uint8Array(Buffer.from("1f8b08000000000002ff", "hex"))),
  lengthBytes: fc.integer({ min: 1, max: 1000 }),
  settings: fc.record({ level: fc.integer({ min: 1, max: 9 }), memLevel: fc.integer({ min: 1, max: 9 }) }),
});
const recompression = fc
  .record({ content: contentId, inner: contentId, members: fc.array(member, { minLength: 1, maxLength: 5 }) })
  .map((r): Recompression => ({ ...r, innerLengthBytes: r.members.reduce((sum, m) => sum + m.lengthBytes, 0) }));

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof ManifestError) return error.code;
    throw error;
  }
  return "none";
}

describe("the file recompression", () => {
  test("what is written is read", () => {
    fc.assert(
      fc.property(fc.array(recompression, { maxLength: 5 }), (all) => {
        expect(parseRecompressions(joinJsonLines(all.map(encodeRecompression)))).toEqual(all);
      }),
    );
  });

  test("a line as docs/protocol.md has it; unknown keys are kept", () => {
    const withUnknown = LINE.replace('"memLevel":8', '"memLevel":8,"next":1').replace(/\}$/, ',"more":[true]}');
    const read = parseRecompression(withUnknown)!;
    expect(read).toMatchObject({ content: CONTENT, inner: INNER, innerLengthBytes: 7, unknown: [["more", [true]]] });
    expect(encodeRecompression(read)).toBe(withUnknown);
  });

  test("lines of another format are left out", () => {
    const zstd = `{"content":"${CONTENT}","format":"zstd","level":19}`;
    expect(parseRecompressions(Buffer.from(`${zstd}\n${LINE}\n`))).toHaveLength(1);
  });

  test.each([
    ["a level that zlib lacks", LINE.replace('"level":9', '"level":10')],
    ["lengths that do not add up", LINE.replace('"length":7,"level"', '"length":8,"level"')],
    ["more than may be unpacked", LINE.replaceAll('"length":7', `"length":${2 ** 30}`)],
    ["no members", LINE.replace(/"members":\[.*\]/, '"members":[]')],
    ["a header that is none", LINE.replace(HEADER.toString("base64"), "AAAA")],
    [
      "a header with bytes behind it",
      LINE.replace(HEADER.toString("base64"), Buffer.concat([HEADER, HEADER]).toString("base64")),
    ],
    ["another order of keys", LINE.replace('"level":9,"memLevel":8', '"memLevel":8,"level":9')],
    ["a line cut off", LINE.slice(0, 100)],
    ["no format", LINE.replace('"format":"gzip",', "")],
  ])("%s is refused", (_what, line) => {
    expect(codeOf(() => parseRecompression(line))).toBe("bad-recompression");
  });

  test("arbitrary bytes throw nothing else", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.string().map((text) => Buffer.from(`${text}\n`)),
        ),
        (bytes) => {
          expect(["none", "bad-recompression"]).toContain(codeOf(() => parseRecompressions(bytes)));
        },
      ),
    );
  });
});
