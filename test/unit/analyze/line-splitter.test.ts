import fc from "fast-check";
import { expect, test } from "vitest";
import { LineSplitter, MAX_LINE_BYTES } from "../../../src/analyze/line-splitter.ts";

test("the same lines come out however the stream is cut", () => {
  const text = fc.array(fc.constantFrom("a", "bc", "\r", "\n", "\r\n", "d".repeat(50))).map((parts) => parts.join(""));
  fc.assert(
    fc.property(text, fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }), (whole, lengths) => {
      const expected = whole
        .split("\n")
        .map((line) => line.replace(/\r$/, ""))
        .filter((line) => line !== "");
      expect(split(whole, lengths).lines).toEqual(expected);
    }),
  );
});

test.each([MAX_LINE_BYTES + 1, 1_000_000, 3_000_000])(
  "a line of %d bytes is skipped and counted, its neighbours are not",
  (length) => {
    const whole = `before\n${"x".repeat(length)}\nafter\n${"y".repeat(MAX_LINE_BYTES)}\n${"z".repeat(length)}`;
    for (const chunk of [whole.length, 65_536, 4001]) {
      const { lines, tooLong } = split(whole, [chunk]);
      expect(lines.map((line) => line.slice(0, 6))).toEqual(["before", "after", "yyyyyy"]);
      expect(tooLong).toBe(2);
    }
  },
);

function split(whole: string, lengths: readonly number[]): { lines: string[]; tooLong: number } {
  const lines: string[] = [];
  const splitter = new LineSplitter((bytes, from, to) => lines.push(Buffer.from(bytes.subarray(from, to)).toString()));
  const bytes = Buffer.from(whole);
  for (let at = 0, next = 0; at < bytes.length; next++) {
    const length = lengths[next % lengths.length]!;
    splitter.push(bytes.subarray(at, at + length));
    at += length;
  }
  splitter.end();
  return { lines, tooLong: splitter.tooLong };
}
