import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { dialPeer } from "../../../src/net/peer-connection.ts";
import { MemoryBundle, SampleContent } from "../../support/memory-bundle.ts";
import { BUNDLE, contextOf, INFO_HASH, keyOf } from "../../support/peer-context.ts";
import { listenFor } from "../../support/peer-listener.ts";
import { PeerRecorder } from "../../support/peer-recorder.ts";
import { SwarmTown } from "../../support/swarm-program.ts";
import { handshakeBytes } from "../../support/wire-frames.ts";

const K16 = 16384;
const SMALL = new SampleContent([700_000, 3], 64 * 1024, 4);
/** A bundle whose info dictionary nobody has. */
const GEOMETRY = { pieceCount: BUNDLE.pieceCount, pieceLength: BUNDLE.pieceLength };

test("the length of an info dictionary that came later is told once, and requests go on as before", async () => {
  const { port, accepted } = await listenFor({ ...contextOf({ key: keyOf(3) }), lookup: () => GEOMETRY });
  const here = await dialPeer(
    { host: "127.0.0.1", port, infoHash: INFO_HASH, ...GEOMETRY },
    contextOf({ key: keyOf(4) }),
  );
  const there = await accepted;
  const [heard, heardThere] = [new PeerRecorder(), new PeerRecorder()];
  here.setListener(heard);
  there.setListener(heardThere);
  expect([here.metadataSizeBytes, there.metadataSizeBytes]).toEqual([undefined, undefined]);
  there.sendMetadataSize(20_000);
  const sentBytes = there.sentBytes + there.queuedBytes;
  there.sendMetadataSize(20_000);
  expect(there.sentBytes + there.queuedBytes).toBe(sentBytes);
  await expect.poll(() => here.metadataSizeBytes).toBe(20_000);
  expect(there.metadataSizeBytes).toBeUndefined();
  here.sendMetadataRequest(1);
  await heardThere.seen("metadata?");
  there.sendMetadataBlock(1, 20_000, Buffer.alloc(20_000 - K16));
  await heard.seen("metadata 1");
  here.close("done");
});

test("who gets the info dictionary from elsewhere gives it to peers that it is connected to", async () => {
  const town = new SwarmTown();
  const bundles = [new MemoryBundle(SMALL), new MemoryBundle(SMALL)] as const;
  for (const bundle of bundles) bundle.hasInfoDictionary = false;
  await using first = await town.open([bundles[0]]);
  await using second = await town.open([bundles[1]]);
  second.node.setPeers([first.known]);
  const fetched = second.node.fetchInfoDictionary(SMALL.infoHash, 1, { signal: AbortSignal.timeout(5000) });
  while (first.node.connections().length === 0) await sleep(20);
  bundles[0].hasInfoDictionary = true;
  first.node.offerInfoDictionary(SMALL.infoHash, SMALL.infoDictionary.length);
  expect(Buffer.from(await fetched).equals(SMALL.infoDictionary)).toBe(true);
  expect(first.node.connections()).toHaveLength(1);
});

test("whoever connects afterwards is told with the first handshake", async () => {
  const bundle = new MemoryBundle(SMALL);
  bundle.hasInfoDictionary = false;
  await using program = await new SwarmTown().open([bundle], { allowsStockClients: () => true });
  const ask = async (): Promise<string> => {
    const socket = connect(program.node.port, "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    const peerId = Buffer.from("-XX0000-abcdefghijkl").toString("hex");
    socket.write(handshakeBytes({ infoHash: SMALL.infoHash, peerId, isFast: false, isExtended: true }));
    let heard = "";
    while (!heard.includes("prsync")) heard += String((await once(socket, "data"))[0]);
    return heard;
  };
  expect(await ask()).not.toContain("metadata_size");
  program.node.offerInfoDictionary(SMALL.infoHash, 777);
  expect(await ask()).toContain("13:metadata_sizei777e");
});
