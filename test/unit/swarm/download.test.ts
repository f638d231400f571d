import { expect, test } from "vitest";
import { BundleLayout } from "../../../src/core/bundle-layout.ts";
import { RangeSet } from "../../../src/core/byte-range.ts";
import { seededRandom } from "../../../src/core/clock.ts";
import { Download } from "../../../src/swarm/download.ts";
import type { DownloadEffect } from "../../../src/swarm/download-effect.ts";
import { answer, asked, downloadOf, kinds, NOWHERE, peer } from "../../support/scripted-download.ts";

const KIB16 = 16_384;

test("a peer is asked for whole pieces, one after the other, and interest is told first", () => {
  const download = downloadOf([3, 4, 5]);
  const effects = download.addPeer(peer(1, [3, 4, 5]), 0);
  expect(effects[0]).toEqual({ kind: "interest", peer: 1, isInterested: true });
  const pieces = asked(effects).map(({ request }) => request.piece);
  expect(pieces.length).toBe(8);
  expect(new Set(pieces.slice(0, 4)).size).toBe(1);
  expect(new Set(pieces.slice(4)).size).toBe(1);
});

interface Surroundings {
  readonly isAlone: boolean;
  /** How many offer nothing beside the origin. */
  readonly others?: number;
  /** The origin defers the first request. */
  readonly isDeferred?: boolean;
}

/** In which an origin is asked for 64 pieces. */
function orderFromOrigin({ isAlone, others = 0, isDeferred = false }: Surroundings): number[] {
  const layout = new BundleLayout([64 * 65_536], 65_536);
  const wanted = new Map([...Array(64).keys()].map((piece) => [piece, RangeSet.of({ start: 0, end: 65_536 })]));
  const options = { layout, wanted, random: seededRandom(1), nowMs: 0, ...NOWHERE, isAlone: () => isAlone };
  const download = new Download(options);
  for (let key = 2; key < 2 + others; key++) download.addPeer(peer(key, []), 0);
  const order = new Set<number>();
  let open = asked(download.addPeer(peer(1, wanted.keys(), { isOrigin: true }), 0));
  if (isDeferred) open = [...open.slice(1), ...asked(download.rejected(1, open[0]!.request, 0))];
  // A piece that was deferred rests for two seconds.
  for (let round = 1; order.size < 64 || open.length > 0; round++) {
    if (open.length === 0) open = asked(download.tick(3_000));
    for (const { request } of open) order.add(request.piece);
    open = asked(answer(download, open, round));
  }
  return [...order];
}

test("pieces come in order while nobody but the origin is known of, else at random", () => {
  const inOrder = [...Array(64).keys()];
  expect(orderFromOrigin({ isAlone: true })).toEqual(inOrder);
  const shared = [{ isAlone: false }, { isAlone: true, others: 1 }, { isAlone: true, isDeferred: true }];
  for (const order of shared.map(orderFromOrigin)) {
    expect(order).not.toEqual(inOrder);
    expect(order.toSorted((a, b) => a - b)).toEqual(inOrder);
  }
});

test("two peers work on different pieces while there are enough", () => {
  const download = downloadOf([1, 2, 3, 4, 5, 6]);
  const first = asked(download.addPeer(peer(1, [1, 2, 3, 4, 5, 6]), 0)).map(({ request }) => request.piece);
  const second = asked(download.addPeer(peer(2, [1, 2, 3, 4, 5, 6]), 0)).map(({ request }) => request.piece);
  expect(new Set(first).intersection(new Set(second)).size).toBe(0);
});

test("nothing is asked of a peer that chokes; a choked request goes elsewhere", () => {
  const download = downloadOf([1]);
  const choking = peer(1, [1], { isChoking: true });
  expect(kinds(download.addPeer(choking, 0))).toEqual(["interest"]);
  choking.isChoking = false;
  const requests = asked(download.peerUnchoked(1, 0));
  expect(requests.length).toBe(4);
  download.addPeer(peer(2, [1]), 0);
  choking.isChoking = true;
  for (const { request } of requests) download.rejected(1, request, 1);
  expect(asked(download.tick(100)).map((each) => each.peer)).toEqual([2, 2, 2, 2]);
});

test("endgame: a block that is slow to come is asked of another peer too, and cancelled when it came", () => {
  const download = downloadOf([1]);
  const slow = asked(download.addPeer(peer(1, [1]), 0));
  expect(asked(download.addPeer(peer(2, [1]), 0))).toEqual([]);
  expect(asked(download.tick(400))).toEqual([]);
  const copies = asked(download.tick(600));
  expect(copies.map((each) => each.peer)).toEqual([2, 2, 2, 2]);
  const effects = answer(download, copies, 700);
  expect(effects.filter(({ kind }) => kind === "cancel").map((each) => "peer" in each && each.peer)).toEqual([
    1, 1, 1, 1,
  ]);
  expect(kinds(effects).filter((kind) => kind === "check")).toEqual(["check"]);
  expect(answer(download, slow, 800)).toEqual([]);
});

test("a piece with a single giver that fails is that peer's offence", () => {
  const download = downloadOf([1]);
  answer(download, asked(download.addPeer(peer(1, [1]), 0)), 1);
  const effects = download.checked(1, "mismatch", 2);
  expect(effects[0]).toEqual({ kind: "offence", peerId: "peer-1", piece: 1 });
  expect(asked(effects).length).toBe(4);
  expect(download.isComplete).toBe(false);
});

test("a piece with two givers that fails blames nobody; then a single peer gives all of it", () => {
  const download = downloadOf([1]);
  const first = asked(download.addPeer(peer(1, [1]), 0));
  download.addPeer(peer(2, [1]), 0);
  answer(download, first.slice(0, 2), 1);
  answer(download, asked(download.tick(700)), 701);
  const again = download.checked(1, "mismatch", 800);
  expect(kinds(again)).not.toContain("offence");
  expect(new Set(asked(again).map((each) => each.peer)).size).toBe(1);
  expect(asked(again).length).toBe(4);
  expect(asked(download.tick(2_500))).toEqual([]);
  answer(download, asked(again), 2_600);
  expect(kinds(download.checked(1, "mismatch", 2_700))).toContain("offence");
});

test("a piece with bytes of this host that fails is fetched whole and blames nobody", () => {
  const layout = new BundleLayout([64 * 65_536], 65_536);
  const wanted = new Map([[1, RangeSet.of({ start: 100, end: 200 })]]);
  const download = new Download({ layout, wanted, random: seededRandom(1), nowMs: 0, ...NOWHERE });
  const first = asked(download.addPeer(peer(1, [1]), 0));
  expect(first.map(({ request }) => request)).toEqual([{ piece: 1, offset: 100, lengthBytes: 100 }]);
  answer(download, first, 1);
  const again = download.checked(1, "mismatch", 2);
  expect(kinds(again)).not.toContain("offence");
  expect(asked(again).reduce((sum, { request }) => sum + request.lengthBytes, 0)).toBe(65_536);
});

test("a disk that does not keep up stops the requests until it does", () => {
  const pieceLength = 16 * 2 ** 20;
  const layout = new BundleLayout([4 * pieceLength], pieceLength);
  const wanted = new Map([0, 1, 2, 3].map((piece) => [piece, RangeSet.of({ start: 0, end: pieceLength })]));
  const download = new Download({ layout, wanted, random: seededRandom(1), nowMs: 0, ...NOWHERE });
  const open = asked(download.addPeer(peer(1, [0, 1, 2, 3]), 0));
  const writes: DownloadEffect[] = [];
  for (let request = open.shift(); request !== undefined; request = open.shift()) {
    const { piece, offset, lengthBytes } = request.request;
    const effects = download.arrived(1, { piece, offset, bytes: new Uint8Array(lengthBytes) }, 1);
    writes.push(...effects.filter(({ kind }) => kind === "write"));
    open.push(...asked(effects));
  }
  expect(writes.length * KIB16).toBeGreaterThanOrEqual(8 * 2 ** 20);
  expect(writes.length * KIB16).toBeLessThan(13 * 2 ** 20);
  const effects = writes.flatMap((write) => (write.kind === "write" ? download.written(write.progress, KIB16, 2) : []));
  expect(asked(effects).length).toBeGreaterThan(0);
});

test("the origin is asked for what nobody offers, and for the rest once the peers deliver nothing", () => {
  const download = downloadOf([1, 2]);
  download.addPeer(peer(1, [1]), 0);
  const fromOrigin = asked(download.addPeer(peer(9, [1, 2], { isOrigin: true }), 0));
  expect(fromOrigin.map(({ request }) => request.piece)).toEqual([2, 2, 2, 2]);
  answer(download, fromOrigin, 10);
  download.checked(2, "verified", 11);
  expect(asked(download.tick(1_900))).toEqual([]);
  const rescued = asked(download.tick(2_100));
  expect(rescued.map((each) => [each.peer, each.request.piece])).toEqual([9, 9, 9, 9].map((key) => [key, 1]));
});

test("what the origin deferred is left alone for two seconds and goes to a peer that offers it meanwhile", () => {
  const download = downloadOf([1, 2]);
  const origin = peer(9, [1, 2], { isOrigin: true });
  const requests = asked(download.addPeer(origin, 0));
  for (const each of requests.slice(0, 4)) expect(asked(download.rejected(9, each.request, 1))).toEqual([]);
  answer(download, requests.slice(4), 800);
  expect(asked(download.tick(900))).toEqual([]);
  const deferred = requests[0]!.request.piece;
  const helpful = peer(2, []);
  download.addPeer(helpful, 900);
  helpful.held.set(deferred);
  expect(asked(download.peerHas(2, deferred, 950)).length).toBe(4);
});

test("an origin defers for as long as it likes, and is no source once it says that it lost the piece", () => {
  const download = downloadOf([1]);
  const origin = peer(9, [1], { isOrigin: true });
  let requests = asked(download.addPeer(origin, 0));
  for (const nowMs of [1, 5_000, 10_000, 15_100, 40_000]) {
    expect(requests.length).toBe(4);
    for (const { request } of requests) expect(asked(download.rejected(9, request, nowMs))).toEqual([]);
    expect(download.hasSource).toBe(true);
    requests = asked(download.tick(nowMs + 1_050));
  }
  origin.held.clear(1);
  expect(asked(download.peerLost(9, 1))).toEqual([]);
  for (const { request } of requests) expect(asked(download.rejected(9, request, 42_000))).toEqual([]);
  expect(asked(download.tick(50_000))).toEqual([]);
  expect(download.hasSource).toBe(false);
});

test("a peer that refuses a piece without choking is not asked for it again", () => {
  const download = downloadOf([1]);
  const requests = asked(download.addPeer(peer(1, [1]), 0));
  const effects = requests.flatMap(({ request }) => download.rejected(1, request, 1));
  expect(asked(effects)).toEqual([]);
  expect(download.hasSource).toBe(false);
  expect(download.missingPieces).toEqual([1]);
});

test("the origin is needed exactly while something is missing that no other peer offers", () => {
  const download = downloadOf([1, 2]);
  expect(download.needsOrigin(0)).toBe(true);
  download.addPeer(peer(1, [1, 2]), 0);
  expect(download.needsOrigin(0)).toBe(false);
  download.addPeer(peer(2, [1]), 0);
  download.removePeer(1, 1);
  expect(download.needsOrigin(1)).toBe(true);
  const requests = asked(download.addPeer(peer(3, [2]), 2));
  expect(download.needsOrigin(2)).toBe(false);
  answer(download, requests, 101);
  download.removePeer(3, 102);
  expect(download.needsOrigin(102)).toBe(true);
  download.checked(2, "verified", 103);
  expect(download.needsOrigin(103)).toBe(false);
});
