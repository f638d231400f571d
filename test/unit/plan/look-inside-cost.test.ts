import { expect, test } from "vitest";
import { isWorthLookingInside } from "../../../src/plan/look-inside-cost.ts";

/** TypeScript 5.9.2 to 5.9.3 at level 9. */
const TYPESCRIPT = {
  compressedBytes: 4_377_468,
  signatureBytes: 43_900,
  missingBytes: 137_000,
  bytesPerSecond: undefined,
  recompressedBytesPerSecond: 6_000_000,
};

test("on a slow line compressing is quicker than fetching, on a fast one it is not", () => {
  expect(isWorthLookingInside({ ...TYPESCRIPT, bytesPerSecond: 1_250_000 }, false)).toBe(true);
  expect(isWorthLookingInside({ ...TYPESCRIPT, bytesPerSecond: 12_500_000 }, false)).toBe(false);
});

test("a rate that nobody measured says nothing", () => {
  expect(isWorthLookingInside(TYPESCRIPT, false)).toBe(false);
});

test("to save traffic fewer bytes are enough, more are not", () => {
  expect(isWorthLookingInside(TYPESCRIPT, true)).toBe(true);
  expect(isWorthLookingInside({ ...TYPESCRIPT, missingBytes: 4_400_000 }, true)).toBe(false);
});
