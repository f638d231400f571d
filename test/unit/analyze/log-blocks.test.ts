import fc from "fast-check";
import { expect, test } from "vitest";
import { eachLine } from "../../../src/analyze/each-line.ts";
import { LogBlock, MAX_LINE_BYTES, NUMBERS_PER_REQUEST, WORDS_PER_REQUEST } from "../../../src/analyze/log-block.ts";
import { LogBlocks } from "../../../src/analyze/log-blocks.ts";
import { parseBlock } from "../../../src/analyze/parse-block.ts";

test("the same lines come out however the stream is cut", async () => {
  const text = fc.array(fc.constantFrom("a", "bc", "\r", "\n", "\r\n", "d".repeat(50), "e".repeat(60_000), "f\n"));
  await fc.assert(
    fc.asyncProperty(
      text.map((parts) => parts.join("")),
      fc.array(fc.integer({ min: 1, max: 200_000 }), { minLength: 1 }),
      async (whole, lengths) => {
        const expected = whole
          .split("\n")
          .filter((line) => line.length <= MAX_LINE_BYTES)
          .map((line) => line.replace(/\r$/, ""))
          .filter((line) => line !== "");
        expect((await split(whole, lengths)).lines).toEqual(expected);
      },
    ),
    { numRuns: 60 },
  );
});

test.each([MAX_LINE_BYTES + 1, 1_000_000, 3_000_000])(
  "a line of %d bytes is skipped and counted, its neighbours are not",
  async (length) => {
    const whole = `before\n${"x".repeat(length)}\nafter\n${"y".repeat(MAX_LINE_BYTES)}\n${"z".repeat(length)}`;
    for (const chunk of [whole.length, 65_536, 4001]) {
      const { lines, tooLong } = await split(whole, [chunk]);
      expect(lines.map((line) => line.slice(0, 6))).toEqual(["before", "after", "yyyyyy"]);
      expect(tooLong).toBe(2);
    }
  },
);

test.each([`a [10/Oct/2000:13:55:36 +0000] "" 200 1\n`, "2026/11/22 05:35:26 [1]\n"])(
  "a block has room for as many of the shortest lines as it can hold: %j",
  (shortest) => {
    const block = new LogBlock(LogBlock.memory());
    const count = Math.floor(block.bytes.length / shortest.length);
    block.lengthBytes = Buffer.from(shortest.repeat(count)).copy(block.bytes);
    parseBlock(block);
    expect([block.requests, block.malformed]).toEqual([count, 0]);
    expect(block.numbers.length).toBeGreaterThanOrEqual(count * NUMBERS_PER_REQUEST);
    expect(block.words.length).toBeGreaterThanOrEqual(count * WORDS_PER_REQUEST);
  },
);

async function split(whole: string, lengths: readonly number[]): Promise<{ lines: string[]; tooLong: number }> {
  const lines: string[] = [];
  let tooLong = 0;
  const blocks = new LogBlocks({
    next: () => new LogBlock(LogBlock.memory()),
    read: ({ bytes, lengthBytes, tooLong: skipped }) => {
      const line = (from: number, to: number): unknown => lines.push(Buffer.from(bytes.slice(from, to)).toString());
      tooLong += skipped + eachLine(bytes, lengthBytes, line);
    },
  });
  const bytes = Buffer.from(whole);
  for (let at = 0, next = 0; at < bytes.length; next++) {
    const length = lengths[next % lengths.length]!;
    await blocks.push(bytes.subarray(at, at + length));
    at += length;
  }
  blocks.endLog();
  return { lines, tooLong };
}
