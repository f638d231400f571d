import fc from "fast-check";
import { expect, test } from "vitest";
import { Bitfield } from "../../../src/core/bitfield.ts";
import { claimsContent, holdsContent, showsWholeRelease } from "../../../src/tracker/content-holders.ts";
import { applyHoldings, type HoldingsReport } from "../../../src/tracker/holdings.ts";
import { sampleVolunteer } from "./sample-volunteer.ts";

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

test("by name what was told of another release says nothing: only all of the release that is shown, or all that was told", () => {
  const place = { bundle: 1, ordinal: 0, sinceRelease: 2 };
  const wholeSecond = { completeRelease: 2, bundles: new Map() };
  const partial = { completeRelease: 0, bundles: new Map([[1, "all" as const]]) };
  const byName = { ...sampleVolunteer("a", "x"), isByName: true, release: 3 };
  const claims = (change: object): boolean => claimsContent({ ...byName, ...change }, place);
  expect(claims({ holdings: partial })).toBe(true);
  // An answer was lost, or central started again: what is told next may be less.
  expect(claims({ holdings: partial, holdingsId: undefined })).toBe(false);
  expect(claims({ holdings: wholeSecond, holdingsId: undefined })).toBe(false);
  expect(claims({ holdings: wholeSecond, holdingsId: undefined, release: 2 })).toBe(true);
  expect(claims({ holdings: partial, holdingsId: undefined, isByName: false })).toBe(true);
  expect(showsWholeRelease({ holdings: wholeSecond, release: 2 })).toBe(true);
  expect(showsWholeRelease({ holdings: wholeSecond, release: 3 })).toBe(false);
  expect(showsWholeRelease({ holdings: { ...partial, completeRelease: 2 }, release: 2 })).toBe(false);
});
