import fc from "fast-check";
import { expect, test } from "vitest";
import { PieceHomes } from "../../../src/swarm/piece-homes.ts";
import { ORIGIN_TASK, TrackedSites } from "../../../src/swarm/site-view.ts";

const HOMES = ["a", "b", "c", "d"];
const PIECES = 64;

function sites(site: string, from: readonly string[] = [], homes: readonly string[] = HOMES): TrackedSites {
  const tracked = new TrackedSites();
  const tasks = from.map((other) => ({ site: other, slice: 0 }));
  tracked.note([], { site, neighbourCount: 3, border: { homes, slices: 1, tasks } });
  return tracked;
}

function homes(site: string, from: readonly string[] = []): PieceHomes {
  return homesOf(sites(site, from));
}

function homesOf(view: TrackedSites, pieceCount = PIECES): PieceHomes {
  const wanted = Array.from({ length: pieceCount }, (_, piece) => piece);
  return new PieceHomes({ pieceCount, wanted, sites: view, nowMs: 0 });
}

function pieces(isOne: (piece: number) => boolean): number[] {
  return Array.from({ length: PIECES }, (_, piece) => piece).filter(isOne);
}

test("every piece has one home, and all sites have as many but for one", () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 60 }), fc.integer({ min: 8, max: 2_000 }), (count, pieceCount) => {
      const names = Array.from({ length: count }, (_, index) => `site ${index}`);
      fc.pre(PieceHomes.exist(pieceCount, sites(names[0]!, [], names)));
      const shares = names.map((site) => {
        const own = homesOf(sites(site, [], names), pieceCount);
        return Array.from({ length: pieceCount }, (_, piece) => own.isOurs(piece)).filter(Boolean).length;
      });
      expect(shares.reduce((sum, share) => sum + share)).toBe(pieceCount);
      expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
    }),
    { numRuns: 50 },
  );
});

test("a bundle of few pieces, a volunteer without a site, one site alone: no homes", () => {
  expect(PieceHomes.exist(16, sites("a"))).toBe(true);
  expect(PieceHomes.exist(15, sites("a"))).toBe(false);
  expect(PieceHomes.exist(64, sites("a", [], ["a"]))).toBe(false);
  expect(PieceHomes.exist(64, sites("a", [], []))).toBe(false);
});

/** Something comes all the time, but of the homes only what is `heard`. */
function alive(own: PieceHomes, fromMs: number, toMs: number, heard: readonly number[] = []): PieceHomes {
  for (let nowMs = fromMs; nowMs <= toMs; nowMs += 100) {
    own.moved(nowMs);
    for (const piece of heard) own.appeared(piece, nowMs);
    own.tick(nowMs);
  }
  return own;
}

/** Pieces that the origin may be asked for. */
const ofOrigin = (own: PieceHomes): number[] => pieces((piece) => own.mayAskOrigin(piece));

test("the origin is asked by the one of the home whose task it is, by others once the home is silent", () => {
  const ours = pieces((piece) => homes("b").isOurs(piece));
  expect(ours).toHaveLength(PIECES / 4);
  expect(ofOrigin(homes("b", [ORIGIN_TASK]))).toEqual(ours);
  const idle = alive(homes("b", ["a"]), 0, 100, [0, 1, 2, 3]);
  alive(idle, 200, 10_100, [0]);
  expect(ofOrigin(idle)).toEqual([]);
  alive(idle, 10_200, 10_300, [0]);
  expect(ofOrigin(idle)).toEqual(pieces((piece) => piece % 4 !== 0));
});

test("a home that takes eight times as long as the best one, and ten seconds, is late and stays so", () => {
  const own = alive(homes("b", ["a"]), 0, 1_000, [3]);
  alive(
    own,
    1_100,
    18_800,
    pieces((piece) => piece % 4 !== 3 || piece === 3),
  );
  expect(ofOrigin(own)).toEqual([]);
  alive(own, 18_900, 19_000, [3]);
  const late = pieces((piece) => piece % 4 === 3);
  expect(ofOrigin(own)).toEqual(late);
  alive(own, 19_100, 19_500, late);
  expect(ofOrigin(own)).toEqual(late);
});

test("a slice of a home is every so-manieth of its pieces", () => {
  const tracked = new TrackedSites();
  const border = { homes: HOMES, slices: 4, tasks: [{ site: ORIGIN_TASK, slice: 1 }] };
  tracked.note([], { site: "a", neighbourCount: 3, border });
  const own = homesOf(tracked);
  expect(pieces((piece) => own.mayAskOrigin(piece))).toEqual([4, 20, 36, 52]);
});

test("nobody stands still because of homes for longer than five seconds", () => {
  const own = homes("b");
  own.tick(5_000);
  expect(own.areUsed).toBe(true);
  own.tick(5_001);
  expect(own.areUsed).toBe(false);
  expect(ofOrigin(own)).toHaveLength(PIECES);
  expect(own.waitMs(2, "a", { turnMs: 1_000, comingMs: 5_000 })).toBe(1_000);
  own.moved(15_001);
  own.tick(15_001);
  expect(own.areUsed).toBe(true);
});

test("whose task it is asks the home at once, then other sites; its neighbours do so much later", () => {
  // Piece 2 is at home in "c".
  const waitMs = (own: PieceHomes, site: string, comingMs = 5_000): number =>
    own.waitMs(2, site, { turnMs: 1_000, comingMs });
  const task = homes("a", ["c"]);
  const neighbour = homes("a", ["d"]);
  const waits = [waitMs(task, "c"), waitMs(task, "d"), waitMs(neighbour, "c"), waitMs(neighbour, "d")];
  expect(waits[0]).toBe(0);
  expect(waits).toEqual([...waits].sort((a, b) => a - b));
  expect(new Set(waits).size).toBe(4);
  expect(waitMs(homes("c"), "a")).toBeGreaterThan(0);
  expect(waitMs(homes("c", [ORIGIN_TASK]), "a")).toBe(0);
  // Where pieces come near soon, who does not do its part is noticed soon.
  expect(waitMs(neighbour, "c", 500)).toBeLessThan(waitMs(neighbour, "c"));
});

test("the neighbours of one whose task it is take turns once the home is silent", () => {
  const neighbour = alive(homes("a", ["d"]), 0, 11_000);
  expect(neighbour.waitMs(2, "b", { turnMs: 1_000, comingMs: 5_000 })).toBe(1_000);
});
