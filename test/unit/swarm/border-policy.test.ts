import fc from "fast-check";
import { expect, test } from "vitest";
import { Bitfield } from "../../../src/core/bitfield.ts";
import { seededRandom } from "../../../src/core/clock.ts";
import { type BorderPeer, BorderPolicy } from "../../../src/swarm/border-policy.ts";
import { NO_SITES, NO_TASKS, TrackedSites } from "../../../src/swarm/site-view.ts";

const PIECES = 64;

function id(number: number): string {
  return seededRandom(number)().toString(16).slice(2, 10).padEnd(40, "0");
}

function peer(peerId: string, isNear: boolean): BorderPeer {
  return { peerId, isOrigin: false, held: new Bitfield(PIECES), isNear };
}

/** Members of one site that all know and see each other, and how a peer beyond the border looks to them. */
function site(members: number): { policies: BorderPolicy[]; far: BorderPeer } {
  const ids = Array.from({ length: members }, (_, index) => id(index));
  const far = peer(id(1000), false);
  const known = [...ids.map((peerId) => ({ id: peerId, site: "here" })), { id: far.peerId, site: "there" }].map(
    (one) => ({
      ...one,
      host: "192.0.2.1",
      port: 1,
      isOrigin: false,
      mayHold: () => true,
    }),
  );
  const policies = ids.map((ownId) => {
    const sites = new TrackedSites();
    sites.note(known, { site: "here", neighbourCount: members - 1, border: NO_TASKS });
    const policy = new BorderPolicy({ pieceCount: PIECES, wanted: [], ownId, sites, nowMs: 0 });
    policy.tick(
      1e6,
      ids.filter((other) => other !== ownId).map((other) => peer(other, true)),
      0,
    );
    return policy;
  });
  return { policies, far };
}

test("exactly one of the neighbours may fetch a piece from elsewhere at once, and the work is shared", () => {
  const { policies, far } = site(10);
  const firsts = Array.from({ length: PIECES }, (_, piece) => policies.map((policy) => policy.mayAsk(piece, far, 0)));
  expect(firsts.map((allowed) => allowed.filter(Boolean).length)).toEqual(firsts.map(() => 1));
  const shares = policies.map((_, member) => firsts.filter((allowed) => allowed[member]).length);
  expect(Math.max(...shares)).toBeLessThan(20);
});

test("nobody waits for ever for neighbours that do nothing", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), fc.nat(PIECES - 1), (members, piece) => {
      const { policies, far } = site(members);
      for (const policy of policies) policy.mayAsk(piece, far, 0);
      expect(policies.every((policy) => policy.mayAsk(piece, far, 20_000))).toBe(true);
    }),
    { numRuns: 30 },
  );
});

test("a volunteer that is alone at its site asks at once", () => {
  const { policies, far } = site(1);
  expect(policies[0]!.mayAsk(3, far, 0)).toBe(true);
});

test("what a neighbour offers is not fetched from elsewhere, unless all that is near nearly stops", () => {
  const { policies, far } = site(2);
  const [policy] = policies;
  policy!.change(5, 1);
  expect(policy!.mayAsk(5, far, 60_000)).toBe(false);
  policy!.tick(1_000, [], 60_000);
  expect(policy!.mayAsk(5, far, 60_100)).toBe(false);
  policy!.tick(1_000, [], 64_000);
  expect(policy!.mayAsk(5, far, 64_000)).toBe(true);
});

test("neighbours are asked whatever the order says, and without sites all are neighbours", () => {
  const policy = new BorderPolicy({ pieceCount: PIECES, wanted: [], ownId: id(1), sites: NO_SITES, nowMs: 0 });
  expect(policy.isNear(peer(id(2), false))).toBe(true);
  expect(policy.mayAsk(1, peer(id(2), true), 0)).toBe(true);
});
