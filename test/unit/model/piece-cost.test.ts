import { expect, test } from "vitest";
import { disseminationFactor, modelledCost, pieceOverhead } from "../../../src/model/piece-cost.ts";
import { kumarRossSeconds, oneCopySeconds, plainDownloadSeconds } from "../../../src/model/kumar-ross.ts";
import { REQUEST_OVERHEAD_BYTES } from "../../../src/swarm/block-requests.ts";

const KIB = 1024;

// First-order model of piece sizes for 40 mirrors (docs/chunk-size.md), worked out by hand: rsync's block, 16 and 64 KiB, best.
test.each([
  [100e3, [700, 1.628], 1.756, 3.526, [4, 1.317]],
  [500e3, [704, 1.581], 1.19, 1.637, [8, 1.134]],
  [1e6, [1000, 1.408], 1.107, 1.322, [8, 1.092]],
  [5e6, [2232, 1.182], 1.041, 1.073, [16, 1.041]],
  [10e6, [3160, 1.129], 1.033, 1.04, [32, 1.03]],
  [30e6, [5472, 1.074], 1.027, 1.018, [64, 1.018]],
  [100e6, [10_000, 1.041], 1.025, 1.011, [64, 1.011]],
  [700e6, [26_456, 1.016], 1.025, 1.008, [256, 1.005]],
] as const)("the model's cost of a file of %d bytes", (bytes, [block, sqrt], small, usual, [bestKib, best]) => {
  expect(modelledCost(bytes, block, 40)).toBeCloseTo(sqrt, 3);
  expect(modelledCost(bytes, 16 * KIB, 40)).toBeCloseTo(small, 3);
  expect(modelledCost(bytes, 64 * KIB, 40)).toBeCloseTo(usual, 3);
  expect(modelledCost(bytes, bestKib * KIB, 40)).toBeCloseTo(best, 3);
});

// Worked out by hand from BEP 3's messages, for 40 in the swarm.
test.each([
  [1, 0.3916],
  [4, 0.0979],
  [16, 0.0245],
  [64, 0.0075],
  [256, 0.0032],
  [1024, 0.0022],
])("protocol per byte with pieces of %d KiB", (kib, share) => {
  expect(pieceOverhead(kib * KIB, 40)).toBeCloseTo(share, 4);
});

test("a request costs in the model what it costs on the wire", () => {
  // Nobody else in the swarm, a piece of one request: only the request, its answer's head and the piece's hash are left.
  expect(pieceOverhead(16 * KIB, 1) * 16 * KIB).toBe(REQUEST_OVERHEAD_BYTES + 20);
});

test("one piece takes a round per doubling, many pieces hide them", () => {
  expect([1, 2, 3, 4].map((mirrors) => disseminationFactor(1, mirrors))).toEqual([1, 2, 2, 3]);
  expect(disseminationFactor(1e6, 40)).toBeCloseTo(1, 4);
});

test("forty equal lines: the origin sends one copy in a fortieth of the time", () => {
  const line = { upBytesPerSecond: 1e6, downBytesPerSecond: 1e6 };
  const swarm = { fileBytes: 1e8, originUpBytesPerSecond: 1e6, peers: Array.from({ length: 40 }, () => line) };
  expect(plainDownloadSeconds(swarm) / kumarRossSeconds(swarm)).toBe(40);
});

test("an origin that sends one copy is later than the bound where peers' lines up are slow, and nowhere else", () => {
  const peers = (up: number): { readonly upBytesPerSecond: number; readonly downBytesPerSecond: number }[] =>
    Array.from({ length: 5 }, () => ({ upBytesPerSecond: up, downBytesPerSecond: 4 }));
  const quarter = { fileBytes: 100, originUpBytesPerSecond: 4, peers: peers(1) };
  expect(kumarRossSeconds(quarter)).toBeCloseTo(500 / 9);
  expect(oneCopySeconds(quarter)).toBe(400 / 5);
  expect(oneCopySeconds({ ...quarter, originUpBytesPerSecond: 1 })).toBe(100);
  expect(oneCopySeconds({ ...quarter, peers: peers(4) })).toBe(kumarRossSeconds({ ...quarter, peers: peers(4) }));
});
