import * as fs from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import fc from "fast-check";
import { isSameMtime } from "../../../src/core/time.ts";
import { utimesSeconds } from "../../../src/store/file-times.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

/** Whole seconds of a time in nanoseconds, rounded down. */
function secondOf(mtimeNs: bigint): bigint {
  return (mtimeNs - (((mtimeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n)) / 1_000_000_000n;
}

test("known times", () => {
  expect(utimesSeconds(0n)).toBe(0);
  expect(utimesSeconds(1_700_000_000_500_000_000n)).toBe(1_700_000_000.5);
  expect(utimesSeconds(1_700_000_000_999_999_999n)).toBe(1_700_000_000.9999998);
  expect(utimesSeconds(-1_500_000_000n)).toBe("-1.5000000005");
});

test("what the disk gives back has the same second and is the same mtime", () => {
  const file = join(temporaryDirectory(), "f");
  fs.writeFileSync(file, "");
  // ext4 keeps 1901 … 2446; beyond 2242 a double no longer resolves a microsecond.
  const mtimes = fc.bigInt(-2_000_000_000_000_000_000n, 8_500_000_000_000_000_000n);
  fc.assert(
    fc.property(fc.oneof(mtimes, fc.constantFrom(-1n, 1n, 999_999_999n, 1_799_999_999_999_999_999n)), (mtimeNs) => {
      fs.lutimesSync(file, 0, utimesSeconds(mtimeNs));
      const kept = fs.statSync(file, { bigint: true }).mtimeNs;
      expect(secondOf(kept)).toBe(secondOf(mtimeNs));
      expect(isSameMtime(kept, mtimeNs)).toBe(true);
    }),
    { numRuns: 500 },
  );
});
