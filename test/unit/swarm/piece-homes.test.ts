import fc from "fast-check";
import { expect, test } from "vitest";
import { PieceHomes } from "../../../src/swarm/piece-homes.ts";
import { ORIGIN_GATEWAY, TrackedSites } from "../../../src/swarm/site-view.ts";

const HOMES = ["a", "b", "c", "d"];
const PIECES = 64;

function sites(site: string, gateways: readonly string[] = [], homes: readonly string[] = HOMES): TrackedSites {
  const tracked = new TrackedSites();
  tracked.note([], { site, neighbourCount: 3, homes, gateways });
  return tracked;
}

function homes(site: string, gateways: readonly string[] = []): PieceHomes {
  return new PieceHomes(PIECES, sites(site, gateways), 0);
}

function pieces(isOne: (piece: number) => boolean): number[] {
  return Array.from({ length: PIECES }, (_, piece) => piece).filter(isOne);
}

test("every piece has one home, and all sites have as many but for one", () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 60 }), fc.integer({ min: 8, max: 2_000 }), (count, pieceCount) => {
      const names = Array.from({ length: count }, (_, index) => `site ${index}`);
      fc.pre(PieceHomes.areUsed(pieceCount, sites(names[0]!, [], names)));
      const shares = names.map((site) => {
        const own = new PieceHomes(pieceCount, sites(site, [], names), 0);
        return Array.from({ length: pieceCount }, (_, piece) => own.isOurs(piece)).filter(Boolean).length;
      });
      expect(shares.reduce((sum, share) => sum + share)).toBe(pieceCount);
      expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
    }),
    { numRuns: 50 },
  );
});

test("a bundle of few pieces, a volunteer without a site, one site alone: no homes", () => {
  expect(PieceHomes.areUsed(16, sites("a"))).toBe(true);
  expect(PieceHomes.areUsed(15, sites("a"))).toBe(false);
  expect(PieceHomes.areUsed(64, sites("a", [], ["a"]))).toBe(false);
  expect(PieceHomes.areUsed(64, sites("a", [], []))).toBe(false);
});

test("the origin is asked by the one of the home whose task it is, by others once the home is silent for a minute", () => {
  const ours = pieces((piece) => homes("b").isOurs(piece));
  expect(ours).toHaveLength(PIECES / 4);
  expect(pieces((piece) => homes("b", [ORIGIN_GATEWAY]).mayAskOrigin(piece, 60_000))).toEqual(ours);
  const idle = homes("b", ["a"]);
  expect(pieces((piece) => idle.mayAskOrigin(piece, 60_000))).toEqual([]);
  expect(idle.mayUseOrigin(60_000)).toBe(false);
  idle.appeared(0, 30_000);
  expect(pieces((piece) => idle.mayAskOrigin(piece, 60_001))).toEqual(pieces((piece) => piece % 4 !== 0));
  expect(idle.mayUseOrigin(60_001)).toBe(true);
});

test("whose task it is asks the home at once, then other sites; its neighbours do so much later", () => {
  // Piece 2 is at home in "c".
  const waitMs = (own: PieceHomes, site: string): number => own.waitMs(2, site, 1_000);
  const task = homes("a", ["c"]);
  const neighbour = homes("a", ["d"]);
  const waits = [waitMs(task, "c"), waitMs(task, "d"), waitMs(neighbour, "c"), waitMs(neighbour, "d")];
  expect(waits[0]).toBe(0);
  expect(waits).toEqual([...waits].sort((a, b) => a - b));
  expect(new Set(waits).size).toBe(4);
  expect(waitMs(homes("c"), "a")).toBeGreaterThan(0);
});
