import { expect, test } from "vitest";
import { findReuse, modelledLineBytes, planFetch } from "../../../bench/support/chunk-bytes.ts";
import { whyNotSimulated } from "../../../bench/support/chunk-swarm.ts";
import { editedFile } from "../../../bench/support/edited-file.ts";
import { panelsSvg } from "../../../bench/support/panels-svg.ts";
import { RangeSet } from "../../../src/core/byte-range.ts";
import { logarithmicTicks } from "../../../src/report/logarithmic-ticks.ts";

const SEED = 7;
const KIB = 1024;
const file = editedFile(300_000, SEED);

test("missing ranges are counted by exact bytes, or by the whole pieces around them", () => {
  const covered = RangeSet.of({ start: 0, end: 100_000 });
  covered.remove(1000, 1700);
  covered.remove(20_000, 50_000);
  const reuse = { targetBytes: 100_000, signatureBytes: 500, covered };
  const ranges = planFetch(reuse, 16 * KIB, "ranges");
  // Seven pieces; 1000…1700 lies in the first, 20000…50000 in the three that follow.
  expect(ranges).toMatchObject({ hashBytes: 140, missingBytes: 30_700, framingBytes: 4 * 30, openPieces: 4 });
  expect(ranges.totalBytes).toBe(500 + 140 + 30_700 + 120);
  const pieces = planFetch(reuse, 16 * KIB, "pieces");
  expect(pieces).toMatchObject({ hashBytes: 140, missingBytes: 4 * 16 * KIB, framingBytes: 4 * 30, openPieces: 4 });
  expect(pieces.held.covers(4 * 16 * KIB, 100_000)).toBe(true);
  expect(planFetch(reuse, 64 * KIB, "pieces").missingBytes).toBe(64 * KIB);
});

test("where blocks are pieces, exact ranges and whole pieces are the same", () => {
  const reuse = findReuse(file, 4096);
  const [ranges, pieces] = [planFetch(reuse, 4096, "ranges"), planFetch(reuse, 4096, "pieces")];
  expect({ ...ranges, held: [...ranges.held] }).toEqual({ ...pieces, held: [...pieces.held] });
});

test("one edit costs at most the blocks it touches and one more, and smaller blocks find more", () => {
  const missing = [700, 4096, 16 * KIB].map(
    (block) => planFetch(findReuse(file, block), 64 * KIB, "ranges").missingBytes,
  );
  expect(missing).toEqual(missing.toSorted((a, b) => a - b));
  expect(missing[0]).toBeGreaterThanOrEqual(file.newRanges.totalBytes);
  expect(missing[0]).toBeLessThanOrEqual(file.newRanges.totalBytes + file.editCount * 2 * 700);
});

test("an edited file reads the same in one go and in parts, and keeps what was not edited", () => {
  const [whole, parts] = [Buffer.alloc(file.target.length), Buffer.alloc(file.target.length)];
  expect(file.target.read(whole, 0)).toBe(whole.length);
  for (let at = 0; at < parts.length; at += 7777) file.target.read(parts.subarray(at, at + 7777), at);
  expect(parts.equals(whole)).toBe(true);
  const basis = Buffer.alloc(file.basis.length);
  file.basis.read(basis, 0);
  for (const kept of file.newRanges.missingIn(0, whole.length)) {
    expect(basis.includes(whole.subarray(kept.start, Math.min(kept.end, kept.start + 64)))).toBe(true);
  }
  for (const made of file.newRanges) expect(basis.includes(whole.subarray(made.start, made.end))).toBe(false);
});

test("the model of a changed file needs at least the missing bytes, and more for more mirrors", () => {
  const fetch = planFetch(findReuse(file, 700), 16 * KIB, "ranges");
  expect(modelledLineBytes(fetch, 1)).toBe(fetch.missingBytes + fetch.framingBytes);
  expect(modelledLineBytes(fetch, 40)).toBeGreaterThan(modelledLineBytes(fetch, 8));
  const nothing = { ...fetch, missingBytes: 0, framingBytes: 0, openPieces: 0 };
  expect(modelledLineBytes(nothing, 40)).toBe(0);
});

test("a cell that would take hours is left out, with its reason", () => {
  const cell = {
    fileBytes: 700e6,
    pieceLength: 64 * KIB,
    held: new RangeSet(),
    missingBytes: 700e6,
    openPieces: 10_682,
  };
  expect(whyNotSimulated({ ...cell, mirrors: 1 })).toBeUndefined();
  expect(whyNotSimulated({ ...cell, mirrors: 40 })?.reason).toMatch(/^about \d+ CPU s$/);
});

test("a plot draws what is known, leaves gaps, and says what was not simulated", () => {
  const axes = { title: "t", xTitle: "x", xNames: ["a", "b", "c"], yTitle: "s", yText: String };
  const series = { name: "a < b", colour: "#000", values: [1, undefined, 3] };
  const empty = { ...series, values: [undefined, undefined, undefined] };
  const panels = [
    { title: "one", series: [series] },
    { title: "two", series: [empty] },
  ];
  const svg = panelsSvg("plot", [{ ...axes, panels }]);
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  expect(svg.match(/<circle/g)).toHaveLength(2);
  expect(svg).toContain("a &lt; b");
  expect(svg).toContain("not simulated");
  expect(logarithmicTicks(0.8, 25)).toEqual([1, 3, 10]);
});
