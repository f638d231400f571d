import fc from "fast-check";
import { expect, test } from "vitest";
import { parseRangeHeader } from "../../../src/delivery/range-header.ts";

const LENGTH = 1000;

test.each([
  [undefined, "whole"],
  ["", "whole"],
  ["bytes=", "whole"],
  ["bytes=-", "whole"],
  ["bytes=a-b", "whole"],
  ["bytes=5-3", "whole"],
  ["lines=0-1", "whole"],
  ["bytes=0-10,5-20", "whole"],
  ["bytes=0-0,2-2,4-4,6-6,8-8,10-10", "whole"],
  ["bytes=0-1,x", "whole"],
  [`bytes=${"0-0,".repeat(1000)}0-0`, "whole"],
  ["bytes=-0", "unsatisfiable"],
  ["bytes=1000-", "unsatisfiable"],
  ["bytes=9223372036854775808-", "unsatisfiable"],
  ["bytes=1000-1001,-0", "unsatisfiable"],
])("Range %s is %s", (header, kind) => {
  expect(parseRangeHeader(header, LENGTH).kind).toBe(kind);
});

test.each([
  ["bytes=0-0", [[0, 1]]],
  ["BYTES = 0-0", [[0, 1]]],
  ["bytes=10-", [[10, 1000]]],
  ["bytes=-1", [[999, 1000]]],
  ["bytes=-5000", [[0, 1000]]],
  ["bytes=0-9223372036854775807", [[0, 1000]]],
  ["bytes=990-2000", [[990, 1000]]],
  [
    "bytes=500-599, 0-0,-1",
    [
      [500, 600],
      [0, 1],
      [999, 1000],
    ],
  ],
  ["bytes=0-0,2000-", [[0, 1]]],
])("Range %s is the byte ranges %j", (header, expected) => {
  const ranges = expected.map(([start, end]) => ({ start, end }));
  expect(parseRangeHeader(header, LENGTH)).toEqual({ kind: "ranges", ranges });
});

test("an empty content satisfies no range", () => {
  expect(parseRangeHeader("bytes=0-", 0).kind).toBe("unsatisfiable");
  expect(parseRangeHeader("bytes=-1", 0).kind).toBe("unsatisfiable");
});

test("no header costs more than the content", () => {
  const spec = fc.tuple(fc.option(fc.nat(2000)), fc.option(fc.nat(2000))).map(([a, b]) => `${a ?? ""}-${b ?? ""}`);
  fc.assert(
    fc.property(fc.array(spec, { maxLength: 8 }), fc.nat(1500), (specs, length) => {
      const decision = parseRangeHeader(`bytes=${specs.join(",")}`, length);
      const ranges = decision.kind === "ranges" ? decision.ranges : [];
      const total = ranges.reduce((sum, range) => sum + range.end - range.start, 0);
      return total <= length && ranges.every((range) => range.start < range.end && range.end <= length);
    }),
  );
});
