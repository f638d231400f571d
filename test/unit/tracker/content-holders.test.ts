import fc from "fast-check";
import { expect, test } from "vitest";
import { Bitfield } from "../../../src/core/bitfield.ts";
import { holdsContent } from "../../../src/tracker/content-holders.ts";
import { applyHoldings, type HoldingsReport } from "../../../src/tracker/holdings.ts";

const bundlesReport = (base: number, rows: HoldingsReport["bundles"]): HoldingsReport => ({
  base,
  completeRelease: undefined,
  bundles: rows,
});

test("a full mirror has what every release since its own had, nothing that came later or came back", () => {
  const holdings = applyHoldings(undefined, { base: 0, completeRelease: 5, bundles: new Map() })!;
  const at = (sinceRelease: number): boolean => holdsContent(holdings, { bundle: 1, ordinal: 0, sinceRelease });
  expect([1, 5, 6, Infinity].map(at)).toEqual([true, true, false, false]);
});

test("a bundle that was reported apart counts before the release", () => {
  const complete = applyHoldings(undefined, { base: 0, completeRelease: 5, bundles: new Map() })!;
  const holdings = applyHoldings(
    { id: 1, holdings: complete },
    bundlesReport(
      1,
      new Map([
        [1, "none"],
        [2, "all"],
      ]),
    ),
  )!;
  expect(holdsContent(holdings, { bundle: 1, ordinal: 0, sinceRelease: 1 })).toBe(false);
  expect(holdsContent(holdings, { bundle: 2, ordinal: 9, sinceRelease: 6 })).toBe(true);
});

test("a partial mirror has exactly the contents of its bitmaps; an unknown extent says nothing", () => {
  const bits = fc.array(fc.boolean(), { minLength: 1, maxLength: 70 });
  fc.assert(
    fc.property(bits, (held) => {
      const field = new Bitfield(held.length);
      held.forEach((isHeld, ordinal) => isHeld && field.set(ordinal));
      const holdings = applyHoldings(undefined, bundlesReport(0, new Map([[7, field.toBytes()]])))!;
      const answers = held.map((_, ordinal) => holdsContent(holdings, { bundle: 7, ordinal, sinceRelease: 1 }));
      expect(answers).toEqual(held);
      expect(holdsContent(holdings, { bundle: 8, ordinal: 0, sinceRelease: 1 })).toBe(false);
      expect(holdsContent(holdings, { bundle: 7, ordinal: 1_000, sinceRelease: 1 })).toBe(false);
    }),
  );
  const unknown = applyHoldings(undefined, bundlesReport(0, new Map([[7, new Uint8Array()]])))!;
  expect(holdsContent(unknown, { bundle: 7, ordinal: 0, sinceRelease: 1 })).toBe(false);
});
