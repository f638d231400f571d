import { expect, test } from "vitest";
import type { Download } from "../../../src/swarm/download.ts";
import { answer, type Asked, asked, downloadOf, kinds, peer } from "../../support/scripted-download.ts";

/** Bytes of peers 1 and 2 made piece 1 fail; what is asked then is for all of it, of one of them. */
function suspectPiece(): { readonly download: Download; readonly requests: readonly Asked[] } {
  const download = downloadOf([1]);
  const first = asked(download.addPeer(peer(1, [1]), 0));
  download.addPeer(peer(2, [1]), 0);
  answer(download, first.slice(0, 2), 1);
  answer(download, asked(download.tick(700)), 701);
  return { download, requests: asked(download.checked(1, "mismatch", 800)) };
}

function* ticks(download: Download, fromMs: number, toMs: number): Generator<Asked> {
  for (let nowMs = fromMs; nowMs <= toMs; nowMs += 100) yield* asked(download.tick(nowMs));
}

test("one that gives half of a suspect piece and stops does not keep it: another gives all of it", () => {
  const { download, requests } = suspectPiece();
  const [{ peer: liar }] = requests as [Asked];
  answer(download, requests.slice(0, 2), 900);
  const again = [...ticks(download, 1_000, 12_000)];
  expect(again.map((each) => [each.peer, each.request.offset])).toEqual(
    [0, 1, 2, 3].map((block) => [3 - liar, block * 16_384]),
  );
  expect(kinds(answer(download, again, 12_100))).toContain("check");
  download.checked(1, "verified", 12_200);
  expect(download.isComplete).toBe(true);
  expect(download.progress.receivedBytes).toBe(download.progress.wantedBytes);
});

test("what it sends after that counts for nothing, and its requests were cancelled", () => {
  const { download, requests } = suspectPiece();
  const [{ peer: liar }] = requests as [Asked];
  answer(download, requests.slice(0, 1), 900);
  const effects = [...Array(110).keys()].flatMap((tick) => download.tick(1_000 + tick * 100));
  const cancelled = effects.filter((effect) => effect.kind === "cancel");
  expect(cancelled.map((effect) => effect.peer)).toEqual([liar, liar, liar]);
  expect(answer(download, requests.slice(1), 12_100)).toEqual([]);
});

test("one that leaves in the middle of a suspect piece, and comes back, is asked for it after the others", () => {
  const { download, requests } = suspectPiece();
  const [{ peer: liar }] = requests as [Asked];
  answer(download, requests.slice(0, 2), 900);
  download.removePeer(liar, 1_000);
  const back = peer(9, [1], { peerId: `peer-${liar}` });
  expect(asked(download.addPeer(back, 1_010))).toEqual([]);
  expect([...ticks(download, 1_100, 2_000)].map((each) => each.peer)).toEqual(Array(4).fill(3 - liar));
});

test("with nobody else to give it, one that stopped is asked again", () => {
  const { download, requests } = suspectPiece();
  const [{ peer: liar }] = requests as [Asked];
  answer(download, requests.slice(0, 2), 900);
  download.removePeer(3 - liar, 1_000);
  const again = [...ticks(download, 1_100, 12_000)];
  expect(new Set(again.map((each) => each.peer))).toEqual(new Set([liar]));
  answer(download, again.slice(-4), 12_100);
  for (let nowMs = 12_200; nowMs < 20_000 && download.missingPieces.length > 0; nowMs += 100) {
    answer(download, asked(download.tick(nowMs)), nowMs);
    download.checked(1, "verified", nowMs);
  }
  expect(download.isComplete).toBe(true);
});

test("a disk that has not taken what came keeps a suspect piece as it is: old bytes can't come over new ones", () => {
  const { download, requests } = suspectPiece();
  const [{ request }] = requests as [Asked];
  const { piece, offset, lengthBytes } = request;
  const effects = download.arrived(requests[0]!.peer, { piece, offset, bytes: new Uint8Array(lengthBytes) }, 900);
  expect([...ticks(download, 1_000, 14_000)]).toEqual([]);
  for (const effect of effects) if (effect.kind === "write") download.written(effect.progress, lengthBytes, 14_050);
  expect([...ticks(download, 14_100, 14_200)]).toHaveLength(4);
});
