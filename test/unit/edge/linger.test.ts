import { expect, test } from "vitest";
import { parseLinger } from "../../../src/edge/linger.ts";

test("linger is a time or a ratio", () => {
  expect(parseLinger("15m")).toEqual({ durationMs: 900_000 });
  expect(parseLinger("90s")).toEqual({ durationMs: 90_000 });
  expect(parseLinger("2h")).toEqual({ durationMs: 7_200_000 });
  expect(parseLinger("ratio:1")).toEqual({ ratio: 1 });
  expect(parseLinger("ratio:1.5")).toEqual({ ratio: 1.5 });
});

test.each(["", "15", "m", "15 m", "-15m", "1.5m", "15m ", "ratio:", "ratio:-1", "ratio:1e3", "ratio:x", "forever"])(
  "linger %j is refused",
  (text) => {
    expect(parseLinger(text)).toBeUndefined();
  },
);
