import fc from "fast-check";
import { expect, test } from "vitest";
import { assertAnyPieceLength, BundleLayout } from "../../../src/core/bundle-layout.ts";

const PIECE = 65_536;

test("every content starts at a piece and the last one is padded too", () => {
  const layout = new BundleLayout([1, PIECE, PIECE + 1], PIECE);
  expect([0, 1, 2].map((ordinal) => layout.content(ordinal).offset)).toEqual([0, PIECE, 2 * PIECE]);
  expect(layout.pieceCount).toBe(4);
  expect(layout.totalLengthBytes).toBe(4 * PIECE);
  expect([0, 1, 2, 3].map((piece) => layout.dataLengthOfPiece(piece))).toEqual([1, PIECE, PIECE, 1]);
});

test("each piece belongs to exactly one content and data lengths add up", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 5 * PIECE }), { minLength: 1, maxLength: 30 }), (lengths) => {
      const layout = new BundleLayout(lengths, PIECE);
      const perContent = lengths.map(() => 0);
      for (let piece = 0; piece < layout.pieceCount; piece++) {
        const content = layout.contentOfPiece(piece);
        expect(piece).toBeGreaterThanOrEqual(content.firstPiece);
        expect(piece).toBeLessThan(content.firstPiece + content.pieceCount);
        perContent[content.ordinal]! += layout.dataLengthOfPiece(piece);
      }
      expect(perContent).toEqual(lengths);
    }),
  );
});

test.each([
  [[0], PIECE],
  [[], PIECE],
  [[5], 1000],
  [[5], 8192],
  [[2 ** 53], PIECE],
])("contents %j with pieces of %i are refused", (lengths, pieceLength) => {
  expect(() => new BundleLayout(lengths, pieceLength)).toThrow(expect.objectContaining({ code: "bad-layout" }));
});

test("a simulation may try pieces of any whole number of bytes", () => {
  const layout = new BundleLayout([2500], 1000, assertAnyPieceLength);
  expect([0, 1, 2].map((piece) => layout.dataLengthOfPiece(piece))).toEqual([1000, 1000, 500]);
  const refused = expect.objectContaining({ code: "bad-layout" }) as Error;
  for (const length of [0, 0.5, NaN])
    expect(() => new BundleLayout([1], length, assertAnyPieceLength)).toThrow(refused);
});
